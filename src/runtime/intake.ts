/**
 * The one way in: classifies by syntax, commits with its dedupe key, and only then tells the chat. When a chat is at rest and a turn
 * slot is free, the append claims the turn in the same commit.
 */
import { bodyHash } from "../core/body-hash.ts";
import { channelOf, type ChatKey } from "../core/chat-key.ts";
import { textContent, type Content } from "../core/content.ts";
import { invariant } from "../core/errors.ts";
import type { TurnClass } from "../core/turn-class.ts";
import type { AcceptOutcome, InboundMessage } from "../ports/channel.ts";
import type { Sender } from "../ports/store/records.ts";
import type { AppendRequest, AppendResult, DedupeKey } from "../ports/store/store.ts";
import type { ChatEntry } from "./chat-entry.ts";
import type { Chats } from "./chats.ts";
import type { Commands } from "./commands.ts";
import { commandOf } from "./commands/table.ts";
import type { Kernel } from "./kernel.ts";
import { publishPart, type Outgoing } from "./turn-commit.ts";
import type { TurnRunner } from "./turn-runner.ts";

export interface IntakeRow {
  readonly chat: ChatKey;
  readonly address: string;
  readonly content: Content;
  readonly sender: Sender | undefined;
  readonly turnClass: TurnClass;
  readonly dedupe: Omit<DedupeKey, "bodyHash"> | undefined;
  /** External id of the message that this one changes. */
  readonly editOf?: string | undefined;
  /** Tell the person when the inbox is full; without it the caller tells. */
  readonly repliesWhenFull: boolean;
  readonly refusal?: Refusal | undefined;
}

/** Refused before anything waits: the update is remembered as such, and its writer is told, at most once per `everyMs` per chat. */
export interface Refusal {
  readonly content: Content;
  readonly everyMs: number;
}

/** What a platform brought, let in or (with a refusal) to be refused. */
export interface AdmittedMessage extends InboundMessage {
  readonly refusal?: Refusal;
}

/** Rows on their way: `requests` go to the store, then exactly one of `finish` and `cancel` is called. */
export interface IntakePlan {
  readonly requests: readonly AppendRequest[];
  readonly finish: (results: readonly AppendResult[]) => void;
  /** The store took nothing. */
  readonly cancel: () => void;
}

export interface Intake {
  readonly plan: (rows: readonly IntakeRow[]) => IntakePlan;
  /** All rows in one commit. @throws TransientError STORE_UNAVAILABLE */
  readonly append: (rows: readonly IntakeRow[]) => Promise<readonly AppendResult[]>;
  /** What a platform brought; answers in the order given, after the commit. */
  readonly accept: (messages: readonly AdmittedMessage[]) => Promise<readonly AcceptOutcome[]>;
  /** Appends not yet handed to their chats. */
  readonly pending: () => number;
  /** When a person wrote last, by the monotonic clock. */
  readonly lastPersonMs: () => number;
  readonly counters: { accepted: number; duplicates: number; refused: number };
}

const BUSY_EVERY_MS = 60_000;

interface PlannedRow {
  readonly entry: ChatEntry;
  readonly isCommand: boolean;
  /** The chat was not live: the last of its rows in this batch opens it, and its record counts the others. */
  readonly isOpening: boolean;
  readonly isLast: boolean;
  readonly isReserved: boolean;
  readonly row: IntakeRow;
}

export function createIntake(
  kernel: Kernel,
  chats: Chats,
  runner: TurnRunner,
  commands: Commands,
  outgoing: Outgoing,
  options: { readonly mayMerge: boolean },
): Intake {
  const { store, clock, random, limits, turnQueue, log } = kernel;
  const busy = (): Refusal => ({
    content: textContent(`I have ${limits.inboxPerChat} messages of yours to answer first; please send this again later.`),
    everyMs: BUSY_EVERY_MS,
  });
  const counters = { accepted: 0, duplicates: 0, refused: 0 };
  let pending = 0;
  let lastPersonMs = Number.NEGATIVE_INFINITY;

  const planRow = (row: IntakeRow, place: number, lastPlaces: ReadonlyMap<ChatKey, number>, opening: Set<ChatKey>): PlannedRow => {
    if (row.turnClass === "interactive") lastPersonMs = clock.monotonic();
    const known = chats.get(row.chat);
    if (!known) opening.add(row.chat);
    const entry = known ?? chats.prepare(row.chat);
    entry.pins += 1;
    const isOpening = opening.has(row.chat);
    const isLast = lastPlaces.get(row.chat) === place;
    // What a job asks the agent is no command, whatever it begins with: it would have the rights of whoever runs the bot.
    const isCommand = row.turnClass === "interactive" && commandOf(row.content) !== undefined;
    const isAtRest = isOpening || (entry.actor !== undefined && entry.state === "idle" && !entry.mail);
    const isReserved =
      options.mayMerge &&
      !isCommand &&
      !row.refusal &&
      isLast &&
      entry.pins === 1 &&
      isAtRest &&
      turnQueue.reserve(row.chat, row.turnClass);
    return { entry, isCommand, isOpening, isLast, isReserved, row };
  };

  const requestOf = (planned: PlannedRow): AppendRequest => {
    const { row } = planned;
    return {
      chat: row.chat,
      address: row.address,
      kind: planned.isCommand ? "command" : "message",
      turnClass: row.turnClass,
      content: row.content,
      sender: row.sender,
      receivedAtMs: clock.now(),
      editOf: row.editOf,
      dedupe: row.dedupe && { ...row.dedupe, bodyHash: bodyHash(JSON.stringify(row.content)) },
      inboxMax: row.refusal ? 0 : limits.inboxPerChat,
      busyReply: row.refusal ?? (row.repliesWhenFull ? busy() : undefined),
      open: planned.isOpening && planned.isLast,
      claim: planned.isReserved ? { turnId: random.id(), suspect: false } : undefined,
    };
  };

  const settleRow = (planned: PlannedRow, result: AppendResult): void => {
    const { entry, row } = planned;
    entry.pins -= 1;
    if (result.status === "accepted") accepted(planned, result);
    else {
      if (result.status === "edited") counters.accepted += 1;
      else if (result.status === "duplicate") counters.duplicates += 1;
      else counters.refused += 1;
      if (result.status === "full" && result.reply) {
        publishPart(kernel, result.reply);
        outgoing.stored(row.chat, [result.reply]);
      }
      if (planned.isOpening && planned.isLast) abandon(entry);
    }
    if (planned.isReserved && !isUsingSlot(chats.get(row.chat))) {
      turnQueue.release(row.chat);
      if (result.status === "accepted" && result.claim) runner.unexpect(row.chat);
    }
  };

  const accepted = (planned: PlannedRow, result: AppendResult & { status: "accepted" }): void => {
    const { entry, row } = planned;
    counters.accepted += 1;
    if (result.claim) {
      runner.expect(result.claim);
      entry.fence = Math.max(entry.fence, result.claim.fence);
    }
    const current = chats.get(row.chat);
    const isToOpen = planned.isOpening && current === entry && !entry.actor;
    if (isToOpen && result.chat) chats.open(entry, result.chat);
    else if (!current) chats.wake(row.chat);
    // The record that opens the chat will count it; a chat that something else has opened is told, and may count it twice.
    else if (!isToOpen && !planned.isCommand)
      chats.send(row.chat, { type: result.claim ? "message.claimed" : "message.received", turnClass: row.turnClass });
    if (planned.isCommand) {
      commands.run(row.chat, { seq: result.seq, content: row.content, sender: row.sender }).catch((error: unknown) => {
        log.error({ chat: row.chat, seq: result.seq, err: error }, "command could not be stored; it is tried again at the next start");
      });
    }
  };

  /** The row that was to open its chat was not taken; others of the batch, or of a batch beside it, may have been. */
  const abandon = (entry: ChatEntry): void => {
    if (!entry.actor && chats.get(entry.key) === entry) chats.wake(entry.key);
  };

  const plan: Intake["plan"] = (rows) => {
    const opening = new Set<ChatKey>();
    const lastPlaces = new Map(rows.map((row, place) => [row.chat, place]));
    const planned = rows.map((row, place) => planRow(row, place, lastPlaces, opening));
    pending += 1;
    return {
      requests: planned.map(requestOf),
      finish: (results) => {
        pending -= 1;
        invariant(results.length === planned.length, "the store answered another number of rows than it was given");
        for (const [place, result] of results.entries()) settleRow(planned[place]!, result);
      },
      cancel: () => {
        pending -= 1;
        for (const row of planned) {
          row.entry.pins -= 1;
          if (row.isReserved && !isUsingSlot(chats.get(row.row.chat))) turnQueue.release(row.row.chat);
          if (row.isOpening && row.isLast) abandon(row.entry);
        }
      },
    };
  };

  const append: Intake["append"] = async (rows) => {
    const planned = plan(rows);
    let results: readonly AppendResult[];
    try {
      results = await store.inbox.append(planned.requests);
    } catch (error) {
      planned.cancel();
      kernel.lookSoon();
      throw error;
    }
    planned.finish(results);
    return results;
  };

  return {
    plan,
    append,
    accept: async (messages) => {
      if (messages.length === 0) return [];
      const results = await append(
        messages.map((message) => ({
          chat: message.chat,
          address: message.address,
          content: message.content,
          sender: message.sender,
          turnClass: "interactive",
          dedupe: { scope: channelOf(message.chat), externalId: message.externalId },
          editOf: message.editOf,
          repliesWhenFull: true,
          refusal: message.refusal,
        })),
      );
      return results.map((result) => result.status);
    },
    pending: () => pending,
    lastPersonMs: () => lastPersonMs,
    counters,
  };
}

function isUsingSlot(entry: ChatEntry | undefined): boolean {
  return entry?.actor !== undefined && (entry.state === "queued" || entry.state === "responding");
}
