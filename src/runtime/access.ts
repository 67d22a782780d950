/**
 * Who may write over which channel, and how much: the gate before intake. A channel without `access` is open; on the others a message
 * passes when the allow list or a pairing knows its sender or its place, and while its writer keeps within the rates. Nothing of a
 * stranger's message is stored; administrators are asked about whoever writes in private, and the stranger is told so, seldom.
 */
import { channelOf, type ChatKey } from "../core/chat-key.ts";
import { textContent, textOf, type Content } from "../core/content.ts";
import { RequestError } from "../core/errors.ts";
import type { AcceptOutcome, Channel, ChannelAccount, InboundMessage } from "../ports/channel.ts";
import type { Sender } from "../ports/store/records.ts";
import { createDecisions, type Decisions } from "./access/decisions.ts";
import { createGate, type Gate } from "./access/gate.ts";
import { identityOf } from "./access/identity.ts";
import { canBeAskedAbout, createNotices, pressAsCommand } from "./access/notices.ts";
import { createRates, tooFast } from "./access/rates.ts";
import type { AccessControl, PairingCode, PairingControl, Role } from "./api.ts";
import type { AdmittedMessage } from "./intake.ts";
import type { Kernel } from "./kernel.ts";
import type { Outgoing } from "./turn-commit.ts";

type Accept = (messages: readonly AdmittedMessage[]) => Promise<readonly AcceptOutcome[]>;

export interface Access extends AccessControl {
  /** Hands on what may pass; answers for all, in the order given. @throws TransientError when something could not be stored */
  readonly admit: (channel: Channel, messages: readonly InboundMessage[], accept: Accept) => Promise<readonly AcceptOutcome[]>;
  /** A channel is connected: without allow list and people it gets a code. */
  readonly opened: (channel: Channel, account: ChannelAccount | undefined) => void;
  /** What the writer of a stored row may do; whoever writes without a platform or over one without allow list runs the bot. @throws TransientError STORE_UNAVAILABLE */
  readonly roleOf: (chat: ChatKey, sender: Sender | undefined) => Promise<Role>;
  readonly decisions: Decisions;
  readonly pairing: PairingControl;
}

/** A stranger is answered once in this time, and at most so many of them. */
const TELL_EVERY_MS = 3_600_000;
const TOLD_MAX = 20;
/** Administrators who are asked about one stranger. */
const ASKED_MAX = 10;
/** Commands of one person: enough for whoever is in earnest, also when their messages are refused. */
const COMMAND_RATE = { count: 30, perMs: 60_000 };
const REFUSAL_EVERY_MS = 60_000;

export function createAccess(
  kernel: Kernel,
  channels: readonly Channel[],
  ways: {
    readonly tellCode: (code: PairingCode) => void;
    readonly outgoing: Outgoing;
    readonly isCommand: (content: Content) => boolean;
  },
): Access {
  const { clock, log } = kernel;
  const gates = new Map<string, Gate>();
  const rates = createRates(clock);
  const notices = createNotices(kernel, ways.outgoing);
  /** When strangers were answered last, by channel and what about; a crowd in a group leaves room for who writes alone. */
  const toldAtMs = new Map<string, Map<string, number>>();
  for (const channel of channels) if (channel.access) gates.set(channel.name, createGate(kernel, channel, channel.access));

  const gateOf = (name: string): Gate => {
    const gate = gates.get(name);
    if (gate) return gate;
    const known = [...gates.keys()].join(", ") || "none is configured";
    throw new RequestError("NOT_FOUND", `${name} is no channel that people are paired with (${known})`, { path: "channel" });
  };

  const loaded = async (name: string): Promise<Gate> => {
    const gate = gateOf(name);
    await gate.load();
    return gate;
  };

  /** True when this may be said now: once an hour to one stranger, and to few of them. */
  const isNews = (about: string, id: string): boolean => {
    const now = clock.now();
    const told = toldAtMs.get(about) ?? new Map<string, number>();
    toldAtMs.set(about, told);
    for (const [old, atMs] of told) if (atMs + TELL_EVERY_MS <= now || atMs > now) told.delete(old);
    if (told.size >= TOLD_MAX || told.has(id)) return false;
    told.set(id, now);
    return true;
  };

  /** Asks the administrators that can be reached; false when nobody was. Best effort: the stranger may write again. */
  const ask = async ({ channel, pairing, strangers, rules, roleOf }: Gate, id: string): Promise<boolean> => {
    const stranger = strangers.find(id);
    if (!stranger || stranger.deniedAtMs !== undefined || !canBeAskedAbout(id)) return false;
    const admins = [...pairing.people().map((person) => identityOf(person.id)), ...rules().admins].filter(
      (one) => roleOf({ id: one }) !== "guest",
    );
    const chats = [...new Set(admins)].map(pairing.chatOf).filter((chat) => chat !== undefined);
    if (chats.length === 0) return false;
    // Not yet asked again after a restart.
    if (stranger.askedAtMs !== undefined && clock.now() - stranger.askedAtMs < TELL_EVERY_MS) return true;
    try {
      await notices.ask(channel.name, stranger, chats.slice(0, ASKED_MAX));
      await strangers.asked(id);
      return true;
    } catch (error) {
      log.warn({ channel: channel.name, id, err: error }, "administrators could not be asked about a stranger");
      return false;
    }
  };

  /** Tells the log and, in a private chat, the administrators and the stranger. */
  const refuse = async (gate: Gate, message: InboundMessage, redeemed: "wrong" | "ignored"): Promise<void> => {
    const { name } = gate.channel;
    const id = identityOf(message.sender.id);
    gate.strangers.met(message);
    if (!isNews(`${name} ${message.isPrivate ? redeemed : "group"}`, id)) return;
    log.info({ channel: name, id }, `not let in; \`satibot pair approve ${name} ${id}\` does`);
    if (!message.isPrivate) return;
    if (redeemed === "wrong")
      return tell(gate, message, `That code is not valid, or too old. \`satibot pair code ${name}\` makes a new one.`);
    const isDenied = gate.strangers.find(id)?.deniedAtMs !== undefined;
    const isAsked = await ask(gate, id);
    const advice = isAsked
      ? "Its owner has been asked; I will write to you when you are let in."
      : `Its owner can let you in with: satibot pair approve ${name} ${id}`;
    tell(gate, message, isDenied ? "This bot is private." : `This bot is private. ${advice}`);
  };

  /** Best effort: this is not worth a row. */
  const tell = ({ channel }: Gate, { chat, address, externalId }: InboundMessage, text: string): void => {
    const deliver = async (): Promise<unknown> =>
      channel.deliver({ chat, address, content: textContent(text), idempotencyKey: `stranger:${externalId}`, signal: kernel.closed });
    deliver().catch((error: unknown) =>
      log.debug({ channel: channel.name, err: error }, "a stranger was not told that the bot is private"),
    );
  };

  /** The message as it passes, or undefined. */
  const judge = async (gate: Gate, message: InboundMessage): Promise<InboundMessage | undefined> => {
    const { pairing } = gate;
    const welcome = { ...message, content: textContent("/start") };
    if (gate.isAllowed(message)) {
      // Whoever may write already can still become the owner; what is no code, or a wrong one, is a message like any other.
      if (gate.roleOf(message.sender) === "guest" && pairing.hasCode() && (await pairing.redeem(message)) === "paired") return welcome;
      if (gate.roleOf(message.sender) !== "guest" && message.isPrivate) await metAdmin(gate, message);
      // A person who was paired sends that message twice when its answer was lost.
      return pairing.find(identityOf(message.sender.id)) && pairing.isUsedCode(textOf(message.content)) ? welcome : message;
    }
    const redeemed = await pairing.redeem(message);
    if (redeemed === "paired") return welcome;
    await refuse(gate, message, redeemed);
    return undefined;
  };

  const metAdmin = async ({ channel, pairing }: Gate, { sender, chat }: InboundMessage): Promise<void> => {
    try {
      await pairing.metAdmin(identityOf(sender.id), chat);
    } catch (error) {
      log.warn(
        { channel: channel.name, id: sender.id, err: error },
        "the chat of an administrator could not be kept; it is at their next message",
      );
    }
  };

  /** The message with the refusal it gets, if it is too much; `refund` for what turns out to be no new one. */
  const measured = (gate: Gate, message: InboundMessage): { readonly admitted: AdmittedMessage; readonly refund: () => void } => {
    const { rate } = gate.rules();
    const user = `${gate.channel.name}:${identityOf(message.sender.id)}`;
    const isCommand = ways.isCommand(message.content);
    const isLimited = rate.perUser !== undefined || rate.perChat !== undefined;
    const taken = rates.take(
      isCommand
        ? [[`command ${user}`, isLimited ? COMMAND_RATE : undefined]]
        : [
            [`user ${user}`, rate.perUser],
            [`chat ${message.chat}`, rate.perChat],
          ],
    );
    if (taken.isGranted) return { admitted: message, refund: taken.refund };
    const reply = textContent(tooFast(taken, isCommand ? "commands" : "messages"));
    return { admitted: { ...message, refusal: { content: reply, everyMs: REFUSAL_EVERY_MS } }, refund: () => undefined };
  };

  /** Hands on; what was not taken does not count, be it a repetition or offered again because it could not be stored. */
  const acceptMeasured = async (gate: Gate, messages: readonly InboundMessage[], accept: Accept): Promise<readonly AcceptOutcome[]> => {
    const all = messages.map((message) => measured(gate, message));
    try {
      const outcomes = await accept(all.map(({ admitted }) => admitted));
      for (const [place, outcome] of outcomes.entries()) if (outcome !== "accepted") all[place]?.refund();
      return outcomes;
    } catch (error) {
      for (const { refund } of all) refund();
      throw error;
    }
  };

  const offerCode = async (gate: Gate): Promise<void> => {
    const { pairing } = gate;
    await gate.load();
    const { allow, admins } = gate.rules();
    if (allow === undefined && admins.size === 0 && !pairing.hasPeople() && !pairing.hasCode()) ways.tellCode(pairing.issue());
  };

  const offerCodeSoon = (gate: Gate): void =>
    void offerCode(gate).catch((error: unknown) =>
      log.error({ channel: gate.channel.name, err: error }, "the paired people could not be read; restart when the store works"),
    );

  const decisions = createDecisions({ gateOf: loaded, notices });

  return {
    admit: async (channel, messages, accept) => {
      const pressed = messages.map(pressAsCommand);
      const gate = gates.get(channel.name);
      if (!gate) return accept(pressed);
      await gate.load();
      const passing: (InboundMessage | undefined)[] = [];
      for (const message of pressed) passing.push(await judge(gate, message));
      const admitted = passing.filter((message) => message !== undefined);
      const outcomes = admitted.length === 0 ? [] : await acceptMeasured(gate, admitted, accept);
      let place = 0;
      return passing.map((message) => (message ? (outcomes[place++] ?? "forbidden") : "forbidden"));
    },
    opened: (channel, account) => {
      const gate = gates.get(channel.name);
      if (!gate) return;
      gate.pairing.opened(account);
      offerCodeSoon(gate);
    },
    roleOf: async (chat, sender) => {
      const gate = gates.get(channelOf(chat));
      if (!gate || !sender) return "owner";
      await gate.load();
      return gate.roleOf(sender);
    },
    configure: (name, access) => {
      const channel = channels.find((one) => one.name === name);
      if (!channel) throw new RequestError("NOT_FOUND", `${name} is no channel of this runtime`, { path: "channel" });
      const gate = gates.get(name);
      if (!access) return void gates.delete(name);
      if (gate) gate.configure(access);
      else gates.set(name, createGate(kernel, channel, access));
      offerCodeSoon(gateOf(name));
    },
    decisions,
    pairing: {
      list: () =>
        Promise.all(
          [...gates.values()].map(async ({ channel, load, rules, pairing, strangers }) => {
            await load();
            return {
              channel: channel.name,
              allow: rules().allow,
              people: pairing.people(),
              requests: strangers.list(),
              codeExpiresAtMs: pairing.codeExpiresAtMs(),
            };
          }),
        ),
      issue: async (name) => {
        const { pairing, rules } = await loaded(name);
        if (rules().isOpen)
          throw new RequestError("WRONG_STATE", `everybody may write over ${name} ("*" in its allow list); a code is not needed`);
        return pairing.issue();
      },
      approve: async (name, id) => (await decisions.approve(name, id)).person,
      revoke: async (name, id) => {
        const { pairing, rules } = await loaded(name);
        if (await pairing.revoke(id)) return;
        if (rules().allowed.has(identityOf(id))) {
          throw new RequestError("WRONG_STATE", `${id} is in channels.${name}.allow of the configuration; remove it there and restart`);
        }
        throw new RequestError("NOT_FOUND", `nobody called ${id} is paired with ${name}; \`satibot pair list\` shows who is`, {
          path: "body.id",
        });
      },
    },
  };
}
