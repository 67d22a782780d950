import { describe, expect, it } from "vitest";
import { textContent, textOf } from "../../src/core/content.ts";
import type { DeliverRequest, InboundMessage } from "../../src/ports/channel.ts";
import { channelContract, createRecordingHost, RIG_RETRY_AFTER_MS } from "../../src/testing/channel-contract.ts";
import { createFakeChannel, createFakePlatform } from "../../src/testing/fake-channel.ts";
import type { FakeOutcome } from "../../src/testing/fake-channel.ts";
import { createHeldClock, systemClock } from "./clocks.ts";

const OUTCOMES: Readonly<Record<string, FakeOutcome>> = {
  refused: { kind: "refused" },
  unavailable: { kind: "unavailable" },
  throttled: { kind: "unavailable", retryAfterMs: RIG_RETRY_AFTER_MS },
  unanswered: { kind: "ambiguous", taken: false },
};

function inbound(id: string): InboundMessage {
  return { chat: "fake:1", address: "1", externalId: id, content: textContent(id), sender: { id: "7" } };
}

function request(text: string, signal = new AbortController().signal): DeliverRequest {
  return { chat: "fake:1", address: "1", content: textContent(text), idempotencyKey: text, signal };
}

channelContract("fake", async () => {
  const platform = createFakePlatform();
  let said = 0;
  return {
    channel: createFakeChannel({ clock: systemClock, platform }),
    say: (text) => {
      said += 1;
      platform.post({ ...inbound(String(said)), content: textContent(text) });
    },
    unconfirmed: () => platform.unconfirmed().length,
    address: "1",
    taken: () => platform.taken().map((part) => textOf(part.content)),
    failNext: (fault) => platform.script(OUTCOMES[fault] ?? "sent"),
    until: platform.until,
    secrets: [],
    close: () => Promise.resolve(),
  };
});

describe("the fake channel", () => {
  it("takes its latency from the clock, and an abort on the way is ambiguous", async () => {
    const clock = createHeldClock();
    const platform = createFakePlatform({ latencyMs: 40 });
    const channel = createFakeChannel({ clock, platform });
    const slow = channel.deliver(request("slow"));
    await clock.untilPending(40);
    expect(platform.takenCount()).toBe(0);
    clock.pass(40);
    await expect(slow).resolves.toEqual({ platformId: "1" });
    const abort = new AbortController();
    const aborted = channel.deliver(request("aborted", abort.signal));
    abort.abort();
    await expect(aborted).rejects.toMatchObject({ code: "SEND_UNKNOWN" });
    expect(clock.pending()).toEqual([]);
  });

  it("follows its script first, then decides, and keeps what an ambiguous call took", async () => {
    const platform = createFakePlatform({ decide: (_, count) => (count === 3 ? { kind: "refused" } : "sent") });
    const channel = createFakeChannel({ clock: systemClock, platform });
    platform.script({ kind: "ambiguous", taken: true });
    await expect(channel.deliver(request("a"))).rejects.toMatchObject({ code: "SEND_UNKNOWN" });
    await channel.deliver(request("b"));
    await expect(channel.deliver(request("c"))).rejects.toMatchObject({ code: "CHANNEL_REFUSED" });
    expect(platform.taken().map((part) => part.idempotencyKey)).toEqual(["a", "b"]);
    expect(platform.deliveries()).toBe(3);
  });

  it("reports a loss when the platform goes offline, and starts again after a stop", async () => {
    const platform = createFakePlatform();
    const channel = createFakeChannel({ clock: systemClock, platform });
    const host = createRecordingHost("fake");
    await channel.start(host);
    await host.until(() => host.reports().length === 1);
    platform.setOnline(false);
    await host.until(() => host.reports().at(-1)?.type === "connection.lost");
    await expect(channel.deliver(request("x"))).rejects.toMatchObject({ code: "CHANNEL_UNAVAILABLE" });
    await channel.stop();
    platform.setOnline(true);
    platform.post(inbound("1"));
    await channel.start(host);
    await platform.until(() => platform.unconfirmed().length === 0);
    await channel.stop();
  });

  it("does not hear a confirmation from a life that has ended", async () => {
    const platform = createFakePlatform();
    platform.post(inbound("1"));
    const dead = createRecordingHost("fake");
    let finish: (() => void) | undefined;
    dead.setAccept(
      () =>
        new Promise((resolve) => {
          finish = () => resolve(["accepted"]);
        }),
    );
    const first = createFakeChannel({ clock: systemClock, platform });
    await first.start(dead);
    await dead.until(() => dead.offers() === 1);
    const host = createRecordingHost("fake");
    const second = createFakeChannel({ clock: systemClock, platform });
    await second.start(host);
    await platform.until(() => platform.unconfirmed().length === 0);
    platform.post(inbound("2"));
    finish?.();
    await platform.until(() => platform.unconfirmed().length === 0);
    expect(host.stored().map((message) => message.externalId)).toEqual(["1", "2"]);
    await Promise.all([first.stop(), second.stop()]);
  });

  it("counts without keeping when told so", async () => {
    const platform = createFakePlatform({ keptMax: 0 });
    const channel = createFakeChannel({ clock: systemClock, platform });
    for (let n = 0; n < 10; n += 1) await channel.deliver(request("x"));
    expect([platform.takenCount(), platform.taken().length]).toEqual([10, 0]);
  });
});
