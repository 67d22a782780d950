/**
 * Stores what a turn came to, in one transaction under the chat's fence, and only then lets the machine go on: the event that is sent is
 * the one whose successor was stored.
 */
import type { ChatEvent } from "../../machines/chat.machine.ts";
import { backoffMs } from "../core/backoff.ts";
import type { ChatKey } from "../core/chat-key.ts";
import { textContent, textOf, type Content } from "../core/content.ts";
import { TerminalError, TransientError, noteOf, type ErrorNote } from "../core/errors.ts";
import type { HistoryEntry, OutboxPart } from "../ports/store/records.ts";
import type { RunPolicy } from "../ports/store/job-records.ts";
import type { RunEnd, RunFailure } from "../ports/store/job-store.ts";
import type { Claim, FailCommit, SnapshotWrite, TurnCommit } from "../ports/store/store.ts";
import type { ChatEntry } from "./chat-entry.ts";
import type { Chats } from "./chats.ts";
import type { Drafts } from "./drafts.ts";
import { untilStored, type Kernel } from "./kernel.ts";
import { piecesOf } from "./pieces.ts";
import { committedTurn, failedTurn } from "./turn-lookup.ts";
import type { TurnRun, TurnRunner } from "./turn-runner.ts";

/** What the commit needs to know of the outgoing side. */
export interface Outgoing {
  /** `delivered`: the commit itself delivers (no platform). `maxUnits`: longest text of one part. */
  readonly wayOf: (key: ChatKey) => { readonly isDelivered: boolean; readonly maxUnits: number };
  /** True when the next part of the chat may be stored as `sending` by a commit: then nothing else takes a part until `stored` or `cancel`. */
  readonly reserve: (key: ChatKey) => boolean;
  readonly cancel: (key: ChatKey) => void;
  /** `isReserved`: by the commit that made the reservation, which it ends. */
  readonly stored: (key: ChatKey, parts: readonly OutboxPart[], isReserved?: boolean) => void;
}

/** What a cron run says at its end, and who hears of that end. */
export interface RunObserver {
  /** Replies that go to the chat of the turn itself. */
  readonly ownReplies: (run: RunPolicy, replies: readonly Content[]) => readonly Content[];
  readonly end: (run: RunPolicy, replies: readonly Content[]) => RunEnd;
  readonly failure: (run: RunPolicy, error: ErrorNote) => RunFailure;
  /** Its turn is put aside with its chat: the job is disabled at once. */
  readonly aside: (run: RunPolicy, error: ErrorNote) => RunFailure;
  /** After the commit; `parts` are all that it stored, of which those of the chat `sentBy` are on their way already. */
  readonly ended: (
    run: RunPolicy,
    parts: readonly OutboxPart[],
    facts: { readonly sentBy?: ChatKey; readonly isJobDisabled: boolean },
  ) => void;
  readonly deferred: (run: RunPolicy, delayMs: number) => void;
}

export interface TurnCommits {
  /** Side effect of the machine's `committing`. */
  readonly commit: (key: ChatKey) => void;
  /** Number of commits under way, and whether one is of this chat. */
  readonly pending: () => number;
  readonly isStoring: (key: ChatKey) => boolean;
  readonly counters: { committed: number; failed: number; givenUp: number; fenced: number };
}

const RETRY_BACKOFF = { baseMs: 1_000, maxMs: 60_000 };
/** Longest wait between attempts of a cron run, unless its job asks for more at once. */
const RUN_BACKOFF_MAX_MS = 3_600_000;
const UNCLAIMED_BACKOFF = { baseMs: 500, maxMs: 500 };

export function apology(error: ErrorNote): Content {
  return textContent(`Sorry, I could not answer that: ${error.message} (${error.code}). The message is kept; you can go on writing.`);
}

export function createTurnCommits(
  kernel: Kernel,
  parts: {
    readonly chats: () => Chats;
    readonly runner: TurnRunner;
    readonly outgoing: Outgoing;
    readonly endDraft: Drafts["end"];
    /** The run of a turn has ended, or is tried again. */
    readonly runs: () => RunObserver;
  },
): TurnCommits {
  const { store, clock, random, hub, log, limits, turnQueue } = kernel;
  const { runner, outgoing } = parts;
  const counters = { committed: 0, failed: 0, givenUp: 0, fenced: 0 };
  const storing = new Set<TurnRun>();

  const commit = async (entry: ChatEntry, run: TurnRun): Promise<void> => {
    const claim = run.claim ?? (await run.claimed.catch(() => undefined));
    const outcome = run.outcome ?? timeoutOrAbort(run);
    if (!claim) return runner.runOf(entry.key) === run ? leave(entry, run, unclaimed(outcome)) : undefined;
    if (outcome.type === "done") return done(entry, run, claim, outcome.replies);
    return fail(entry, run, claim, outcome.type === "aborted" ? undefined : outcome.error);
  };

  const timeoutOrAbort = (run: TurnRun) =>
    run.isDraining
      ? ({ type: "aborted" } as const)
      : ({
          type: "failed",
          error: new TransientError("AGENT_TIMEOUT", `no answer within ${limits.turnTimeoutMs} ms (limits.turnTimeout)`),
        } as const);

  /** Nothing was claimed, so nothing is stored: the store failed, or a drain came first. */
  const unclaimed = (outcome: NonNullable<TurnRun["outcome"]>): ChatEvent =>
    outcome.type === "failed"
      ? { type: "turn.unclaimed", delayMs: backoffMs(UNCLAIMED_BACKOFF, 1, random.next()), error: noteOf(outcome.error) }
      : { type: "turn.released" };

  /** Tells the machine what was stored and hands over the mail that waited for it. */
  const leave = (entry: ChatEntry, run: TurnRun, event: ChatEvent, fence = run.claim?.fence ?? 0): void => {
    entry.fence = Math.max(entry.fence, fence);
    if (runner.runOf(entry.key) === run) runner.forget(entry.key);
    entry.actor?.send(event);
    parts.chats().handOver(entry);
  };

  /** After a commit: the machine goes on, unless the chat has begun a new life meanwhile, which found what is stored. */
  const proceed = (
    entry: ChatEntry,
    run: TurnRun,
    event: ChatEvent,
    write: SnapshotWrite | undefined,
    revision: number,
    fence?: number,
  ): void => {
    if (runner.runOf(entry.key) !== run) return;
    if (write) parts.chats().stored(entry, write, revision, event);
    leave(entry, run, event, fence);
  };

  const done = async (entry: ChatEntry, run: TurnRun, claim: Claim, replies: readonly Content[]): Promise<void> => {
    const chats = parts.chats();
    await parts.endDraft(entry.key);
    const own = claim.run ? parts.runs().ownReplies(claim.run, replies) : replies;
    const way = outgoing.wayOf(entry.key);
    const pieces = own.flatMap((reply) => piecesOf(reply, way.maxUnits));
    const mayDeliver = way.isDelivered;
    const event: ChatEvent = { type: "turn.committed", consumed: claim.rows.length };
    // May throw: before the reservation, which nobody would end.
    const write = chats.successor(entry, event);
    const isReserved = !mayDeliver && pieces.length > 0 && outgoing.reserve(entry.key);
    const request: TurnCommit = {
      chat: entry.key,
      fence: claim.fence,
      turnId: claim.turnId,
      rows: claim.rows.map((row) => ({ seq: row.seq, status: "consumed" })),
      history: historyOf(claim, replies, clock.now()),
      parts: pieces,
      delivery: mayDeliver ? "delivered" : isReserved ? "sending" : "waiting",
      run: claim.run && parts.runs().end(claim.run, replies),
      write,
    };
    let result: Awaited<ReturnType<typeof store.turns.commit>> | undefined;
    try {
      result = await untilStored(
        kernel,
        { chat: entry.key },
        () => store.turns.commit(request),
        () => committedTurn(store, claim, request.run),
      );
    } catch (error) {
      // The store will never take this result: the attempt has failed, and is counted as any other.
      if (isReserved) outgoing.cancel(entry.key);
      return fail(entry, run, claim, error);
    }
    if (result === "fenced" || result === undefined) {
      if (isReserved) outgoing.cancel(entry.key);
      return fenced(entry, run, result);
    }
    counters.committed += 1;
    announce(entry.key, claim, "done", result.parts);
    if (!mayDeliver && (!claim.run || pieces.length > 0))
      outgoing.stored(entry.key, claim.run ? result.parts.slice(0, pieces.length) : result.parts, isReserved);
    proceed(entry, run, event, write, result.revision);
    if (claim.run) parts.runs().ended(claim.run, result.parts, { sentBy: entry.key, isJobDisabled: false });
  };

  const fail = async (entry: ChatEntry, run: TurnRun, claim: Claim, cause: unknown): Promise<void> => {
    const chats = parts.chats();
    const isAbort = cause === undefined;
    const failures = claim.failures + 1;
    const isGivenUp = !isAbort && (cause instanceof TerminalError || failures >= (claim.run?.attempts ?? limits.maxAttempts));
    const error = isAbort ? { code: "TURN_ABORTED", message: "stopped by a drain" } : noteOf(cause);
    const draft = await parts.endDraft(entry.key, { mark: !isGivenUp });
    const event = eventOfFailure(claim, cause, failures, isGivenUp, error);
    const write = isAbort ? undefined : chats.successor(entry, event);
    const isDelivered = outgoing.wayOf(entry.key).isDelivered;
    const request: FailCommit = {
      chat: entry.key,
      fence: claim.fence,
      turnId: claim.turnId,
      error,
      outcome: isAbort ? "abort" : isGivenUp ? "giveUp" : "retry",
      reply: isGivenUp && !claim.run ? apology(error) : undefined,
      delivered: isDelivered,
      draft,
      run: claim.run && isGivenUp ? parts.runs().failure(claim.run, error) : undefined,
      write,
      atMs: clock.now(),
    };
    const result = await untilStored(
      kernel,
      { chat: entry.key },
      () => store.turns.fail(request),
      () => failedTurn(store, claim, request),
    );
    if (result === "fenced" || result === undefined) return fenced(entry, run, result);
    if (!isAbort) counters[isGivenUp ? "givenUp" : "failed"] += 1;
    announce(entry.key, claim, isAbort ? "aborted" : "failed", result.parts);
    if (!isDelivered && !claim.run && result.parts.length > 0) outgoing.stored(entry.key, result.parts);
    // An aborted attempt gives up its fence with it.
    proceed(entry, run, event, write, result.revision, claim.fence + (isAbort ? 1 : 0));
    if (isGivenUp && claim.run) parts.runs().ended(claim.run, result.parts, { isJobDisabled: result.isJobDisabled ?? false });
    else if (event.type === "turn.deferred" && claim.run) parts.runs().deferred(claim.run, event.delayMs);
  };

  const eventOfFailure = (claim: Claim, cause: unknown, failures: number, isGivenUp: boolean, error: ErrorNote): ChatEvent => {
    if (cause === undefined) return { type: "turn.released" };
    if (isGivenUp) return { type: "turn.givenUp", ended: claim.rows.length, error };
    const asked = cause instanceof TransientError ? cause.retryAfterMs : undefined;
    const baseMs = claim.run?.backoffMs;
    const policy = baseMs === undefined ? RETRY_BACKOFF : { baseMs, maxMs: Math.max(baseMs, RUN_BACKOFF_MAX_MS) };
    return { type: "turn.deferred", failures, delayMs: asked ?? backoffMs(policy, failures, random.next()), error };
  };

  /** Someone else owns the chat now (a /stop, a reset, another node): this attempt never was. */
  const fenced = (entry: ChatEntry, run: TurnRun, result: "fenced" | undefined): void => {
    if (result === undefined) return;
    counters.fenced += 1;
    log.info({ chat: entry.key }, "turn was fenced off; its result is dropped");
    if (runner.runOf(entry.key) === run) parts.chats().discard(entry);
  };

  const announce = (key: ChatKey, claim: Claim, status: "done" | "failed" | "aborted", stored: readonly OutboxPart[]): void => {
    if (hub.isWatched(key)) hub.publish(key, { type: "turn", turnId: claim.turnId, attempt: claim.attempt, status });
    for (const part of stored) publishPart(kernel, part);
  };

  return {
    counters,
    pending: () => storing.size,
    isStoring: (key) => [...storing].some((run) => run.key === key),
    commit: (key) => {
      const chats = parts.chats();
      const entry = chats.get(key);
      const run = runner.runOf(key);
      if (!entry || !run) return;
      chats.hold(entry);
      storing.add(run);
      // After the machine has reached `committing`: the successor is computed from there.
      void Promise.resolve()
        .then(() => commit(entry, run))
        .catch((error: unknown) => {
          // What the machine cannot store is a crash of it: alone, with backoff, and put aside when it goes on.
          if (runner.runOf(key) === run && !kernel.closed.aborted) chats.crash(entry, error);
          else log.error({ chat: key, err: error }, "the end of an abandoned turn could not be stored");
        })
        .finally(() => {
          storing.delete(run);
          turnQueue.stored(key);
        });
    },
  };
}

/** Tells watchers of a chat that a part of a reply is stored. */
export function publishPart(kernel: Pick<Kernel, "hub">, part: OutboxPart): void {
  if (!kernel.hub.isWatched(part.chat)) return;
  const { id, turnId, part: place, of, content, inReplyTo } = part;
  kernel.hub.publish(part.chat, { type: "reply", id, turnId, part: place, of, content, text: textOf(content), inReplyTo });
}

function historyOf(claim: Claim, replies: readonly Content[], atMs: number): readonly HistoryEntry[] {
  const { turnId } = claim;
  return [
    ...claim.rows.map((row): HistoryEntry => ({ role: "user", content: row.content, atMs: row.receivedAtMs, seq: row.seq, turnId })),
    ...replies.map((content): HistoryEntry => ({ role: "assistant", content, atMs, turnId })),
  ];
}
