/**
 * Who may write over which channel: the gate before intake. A channel without `access` is open; on the others a message passes when the
 * allow list or a pairing knows its sender. Everybody else is forbidden: nothing of theirs is stored, and a private chat is told so, seldom.
 */
import { textContent, textOf } from "../core/content.ts";
import { RequestError } from "../core/errors.ts";
import type { AcceptOutcome, Channel, ChannelAccount, InboundMessage } from "../ports/channel.ts";
import type { PairingCode, PairingControl } from "./api.ts";
import type { Kernel } from "./kernel.ts";
import { createPairing, type Pairing } from "./pairing.ts";

type Accept = (messages: readonly InboundMessage[]) => Promise<readonly AcceptOutcome[]>;

export interface Access {
  /** Hands on what may pass; answers for all, in the order given. @throws TransientError when something could not be stored */
  readonly admit: (channel: Channel, messages: readonly InboundMessage[], accept: Accept) => Promise<readonly AcceptOutcome[]>;
  /** A channel is connected: without allow list and people it gets a code. */
  readonly opened: (channel: Channel, account: ChannelAccount | undefined) => void;
  readonly control: PairingControl;
}

interface Gate {
  readonly channel: Channel;
  readonly allow: readonly string[] | undefined;
  readonly allowed: ReadonlySet<string>;
  readonly pairing: Pairing;
  /** When strangers were told last; forgotten from the oldest on. */
  readonly toldAtMs: Map<string, number>;
}

/** A stranger is told once in this time, and at most so many of them. */
const TELL_EVERY_MS = 3_600_000;
const TOLD_MAX = 20;

export function createAccess(kernel: Kernel, channels: readonly Channel[], tellCode: (code: PairingCode) => void): Access {
  const { clock, log } = kernel;
  const gates = new Map<string, Gate>();
  for (const channel of channels) {
    if (!channel.access) continue;
    const { allow } = channel.access;
    const allowed = new Set((allow ?? []).map((entry) => entry.trim().toLowerCase()));
    gates.set(channel.name, { channel, allow, allowed, pairing: createPairing(kernel, channel.name), toldAtMs: new Map() });
  }

  const gateOf = (name: string): Gate => {
    const gate = gates.get(name);
    if (gate) return gate;
    const known = [...gates.keys()].join(", ") || "none is configured";
    throw new RequestError("NOT_FOUND", `${name} is no channel that people are paired with (${known})`, { path: "channel" });
  };

  /** Tells the log and, in a private chat, the stranger. Best effort: this is not worth a row. */
  const refuse = ({ channel, toldAtMs }: Gate, message: InboundMessage, text: string): void => {
    const { chat, address, externalId, sender } = message;
    const now = clock.now();
    const news = `${sender.id} ${text}`;
    for (const [told, atMs] of toldAtMs) if (atMs + TELL_EVERY_MS <= now) toldAtMs.delete(told);
    if (toldAtMs.size >= TOLD_MAX || toldAtMs.has(news)) return;
    toldAtMs.set(news, now);
    log.info({ channel: channel.name, id: sender.id }, `not let in; \`satibot pair approve ${channel.name} ${sender.id}\` does`);
    if (!message.isPrivate) return;
    channel
      .deliver({ chat, address, content: textContent(text), idempotencyKey: `stranger:${externalId}`, signal: kernel.closed })
      .catch((error: unknown) => log.debug({ channel: channel.name, err: error }, "a stranger was not told that the bot is private"));
  };

  /** The message as it passes, or undefined. */
  const judge = async (gate: Gate, message: InboundMessage): Promise<InboundMessage | undefined> => {
    const { channel, allowed, pairing } = gate;
    const identities = message.identities ?? [message.sender.id];
    const welcome = { ...message, content: textContent("/start") };
    if (pairing.knows(identities)) return pairing.isUsedCode(textOf(message.content)) ? welcome : message;
    if (identities.some((identity) => allowed.has(identity))) return message;
    const redeemed = await pairing.redeem(message);
    if (redeemed === "paired") return welcome;
    pairing.asked(message);
    refuse(
      gate,
      message,
      redeemed === "wrong"
        ? `That code is not valid, or too old. \`satibot pair code ${channel.name}\` makes a new one.`
        : `This bot is private. Its owner can let you in with: satibot pair approve ${channel.name} ${message.sender.id}`,
    );
    return undefined;
  };

  return {
    admit: async (channel, messages, accept) => {
      const gate = gates.get(channel.name);
      if (!gate || gate.allowed.has("*")) return accept(messages);
      await gate.pairing.load();
      const passing: (InboundMessage | undefined)[] = [];
      for (const message of messages) passing.push(await judge(gate, message));
      const admitted = passing.filter((message) => message !== undefined);
      const outcomes = admitted.length === 0 ? [] : await accept(admitted);
      let place = 0;
      return passing.map((message) => (message ? (outcomes[place++] ?? "forbidden") : "forbidden"));
    },
    opened: (channel, account) => {
      const gate = gates.get(channel.name);
      if (!gate) return;
      gate.pairing.opened(account);
      gate.pairing
        .load()
        .then(() => {
          if (gate.allow === undefined && !gate.pairing.hasPeople() && !gate.pairing.hasCode()) tellCode(gate.pairing.issue());
        })
        .catch((error: unknown) =>
          log.error({ channel: channel.name, err: error }, "the paired people could not be read; restart when the store works"),
        );
    },
    control: {
      list: () =>
        Promise.all(
          [...gates.values()].map(async ({ allow, pairing }) => {
            await pairing.load();
            return { allow, ...pairing.status() };
          }),
        ),
      issue: async (name) => {
        const { pairing, allowed } = gateOf(name);
        if (allowed.has("*"))
          throw new RequestError("WRONG_STATE", `everybody may write over ${name} ("*" in its allow list); a code is not needed`);
        await pairing.load();
        return pairing.issue();
      },
      approve: async (name, id) => {
        const { pairing } = gateOf(name);
        await pairing.load();
        return pairing.approve(id);
      },
      revoke: async (name, id) => {
        const { pairing, allowed } = gateOf(name);
        await pairing.load();
        if (await pairing.revoke(id)) return;
        if (allowed.has(id.trim().toLowerCase())) {
          throw new RequestError("WRONG_STATE", `${id} is in channels.${name}.allow of the configuration; remove it there and restart`);
        }
        throw new RequestError("NOT_FOUND", `nobody called ${id} is paired with ${name}; \`satibot pair list\` shows who is`, {
          path: "body.id",
        });
      },
    },
  };
}
