/** Telegram, Discord and WhatsApp, simulated: they hold what people write until it is taken, and accept replies at their own pace. */
import type { Channel, DeliverRequest } from "satibot";
import { createFakeChannel, createFakePlatform, type FakeOutcome, type FakePlatform } from "satibot/testing";
import { clock, pause } from "./clock.ts";
import type { Meter } from "./meter.ts";
import { PLATFORMS, type Person, type PlatformName } from "./cast.ts";
import { messageOf, type Play } from "./play.ts";

/** Until a platform has accepted what is no part of the play. */
const OTHER_SEND_MS = 30;

export interface PlatformEvents {
  readonly onWritten: (person: Person, text: string) => void;
  /** `latencyMs` for replies of the play. */
  readonly onDelivered: (chat: string, text: string, latencyMs: number | undefined) => void;
}

export interface Platforms {
  /** One for each platform; either gateway connects to these. */
  readonly channels: readonly Channel[];
  /** Posts the messages of the play when their time has come; ends early when `signal` is aborted. */
  readonly perform: (signal: AbortSignal) => Promise<void>;
  /** A person writes something that is no part of the play. */
  readonly write: (person: Person, text: string) => void;
}

/** Opens the three platforms for one run; what happens on them goes to the meter. */
export function openPlatforms(play: Play, meter: Meter, { onWritten, onDelivered }: PlatformEvents): Platforms {
  const refusedOnce = new Set<number>();
  let written = 0;

  const accept = (request: DeliverRequest): FakeOutcome => {
    const text = textOf(request);
    const message = messageOf(play, text);
    if (message?.retryAfterMs !== undefined && !refusedOnce.has(message.number)) {
      refusedOnce.add(message.number);
      meter.refused(message);
      return { kind: "unavailable", retryAfterMs: message.retryAfterMs };
    }
    onDelivered(request.chat, text, message && meter.answered(message));
    return "sent";
  };

  const platforms = new Map<PlatformName, FakePlatform>(
    PLATFORMS.map(({ name }) => [
      name,
      createFakePlatform({
        keptMax: 0,
        latencyMs: (request) => messageOf(play, textOf(request))?.sendMs ?? OTHER_SEND_MS,
        decide: accept,
      }),
    ]),
  );

  const write = ({ platform, chat, name }: Person, text: string): void => {
    written += 1;
    platforms.get(platform)?.post({
      chat,
      address: chat,
      externalId: String(written),
      content: [{ type: "text", text }],
      sender: { id: chat, name },
    });
  };

  return {
    channels: PLATFORMS.map(({ name, textUnits }) =>
      createFakeChannel({ clock, name, platform: platforms.get(name) as FakePlatform, limits: { textUnits, canEdit: false } }),
    ),
    perform: async (signal) => {
      const startMs = clock.monotonic();
      for (const message of play.messages) {
        await pause(startMs + message.atMs - clock.monotonic(), signal);
        if (signal.aborted) return;
        meter.arrived(message);
        onWritten(message.person, message.text);
        write(message.person, message.text);
      }
    },
    write,
  };
}

function textOf({ content }: DeliverRequest): string {
  return content.map((item) => (item.type === "text" ? item.text : "")).join("\n");
}
