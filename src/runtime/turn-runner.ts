/**
 * Runs the agent on a claimed turn: claim, stream, journal, and an outcome for the commit. Knows nothing of slots, retries or replies.
 */
import type { ChatEvent, TurnInput } from "../../machines/chat.machine.ts";
import type { ChatKey } from "../core/chat-key.ts";
import { parseContent, textContent, textOf, type Content } from "../core/content.ts";
import { RuntimeError, TerminalError, TransientError, noteOf } from "../core/errors.ts";
import type { Turn } from "../ports/agent.ts";
import type { OpenedFile } from "../ports/channel.ts";
import type { Claim } from "../ports/store/store.ts";
import { FILE_BYTES_MAX } from "./files.ts";
import { isJobChat } from "./jobs/definition.ts";
import { pause, untilStored, type Kernel } from "./kernel.ts";
import type { ShowTyping } from "./typing.ts";

export type TurnOutcome =
  | { readonly type: "done"; readonly replies: readonly Content[] }
  | { readonly type: "failed"; readonly error: unknown }
  /** Ended by a drain: never counts. */
  | { readonly type: "aborted" };

/** One attempt under way. */
export interface TurnRun {
  readonly key: ChatKey;
  readonly abort: AbortController;
  /** Resolves when the claim is known; undefined when nothing waited or the store failed. */
  claimed: Promise<Claim | undefined>;
  claim: Claim | undefined;
  /** Text streamed so far, UTF-16. */
  text: string;
  outcome: TurnOutcome | undefined;
  isDraining: boolean;
}

export interface TurnRunner {
  /** The body of the machine's `runTurn`: answers the function that aborts it. */
  readonly start: (input: TurnInput, tell: (event: ChatEvent) => void) => () => void;
  readonly runOf: (key: ChatKey) => TurnRun | undefined;
  readonly runs: () => IterableIterator<TurnRun>;
  /** The attempt is over and stored, or given up by its owner. */
  readonly forget: (key: ChatKey) => void;
  /** Agents that were told to end and have not: they hold no slot, and what they do changes nothing, but their memory is held. */
  readonly abandoned: () => number;
  /** A claim made by an append; used by the next start of that chat. */
  readonly expect: (claim: Claim) => void;
  /** The chat will not start on it. */
  readonly unexpect: (key: ChatKey) => void;
}

/** Replies a turn may yield; more is a terminal error. */
const REPLIES_MAX = 100;
/** UTF-16 units of all text a turn may yield. */
const TEXT_MAX = 1_000_000;
/** Steps journaled in one turn. */
const STEPS_MAX = 1_000;
/** An agent that computes for this long without awaiting is named in the log. */
const STALL_MS = 200;
/** How often a running turn is a reason to look whether the event loop was held. */
const LOOK_EVERY_MS = 250;
/** Time that an agent has to end once it is told to, before the log names it. */
const LEFT_BEHIND_MS = 5_000;
/** Turns named when it was, and nobody knows by which of them. */
const NAMED_MAX = 5;

export function createTurnRunner(
  kernel: Kernel,
  parts: {
    /** The newest fence known of a chat: a claim under an older one is void. */
    readonly fenceOf: (key: ChatKey) => number;
    /** The text of the first reply, as it comes. */
    readonly grow: (claim: Claim, text: string) => void;
    /** The agent has ended, or must. */
    readonly close: (key: ChatKey) => void;
    readonly showTyping: ShowTyping;
    readonly open: (
      chat: ChatKey,
      ref: string,
      options: { readonly maxBytes: number; readonly signal: AbortSignal },
    ) => Promise<OpenedFile>;
  },
): TurnRunner {
  const { fenceOf } = parts;
  const { store, clock, random, hub, log, agent, limits } = kernel;
  const runs = new Map<ChatKey, TurnRun>();
  const expected = new Map<ChatKey, Claim>();
  const left = new Set<TurnRun>();
  let isWatching = false;
  /** The last stall that was seen in the call that caused it: the look after it has nothing to add. */
  let namedUntilMs = Number.NEGATIVE_INFINITY;

  /** While turns run: what computes after an await is seen by how late a timer is, and is one of those that run. */
  const watch = (): void => {
    if (isWatching) return;
    isWatching = true;
    const dueMs = clock.monotonic() + LOOK_EVERY_MS;
    void pause(kernel, LOOK_EVERY_MS).then(() => {
      isWatching = false;
      const heldMs = Math.round(clock.monotonic() - dueMs);
      if (heldMs >= STALL_MS && namedUntilMs < dueMs) {
        const turns = [...runs.values()].slice(0, NAMED_MAX).map((run) => ({ chat: run.key, turn: run.claim?.turnId }));
        const which = runs.size === 1 ? "this turn" : `one of the ${runs.size} turns that run, or what they call,`;
        log.warn({ heldMs, turns }, `${which} held the event loop, and every chat with it; move long work to a worker`);
      }
      if (runs.size > 0 && !kernel.closed.aborted) watch();
    });
  };

  const claimFor = async (input: TurnInput): Promise<Claim | undefined> => {
    const ready = expected.get(input.key);
    expected.delete(input.key);
    if (ready && ready.fence >= fenceOf(input.key)) return ready;
    return store.turns.claim({
      chat: input.key,
      turnId: random.id(),
      rowsMax: 1,
      suspect: input.suspect,
      atMs: clock.now(),
    });
  };

  const execute = async (run: TurnRun, input: TurnInput, tell: (event: ChatEvent) => void): Promise<void> => {
    try {
      run.claim = await run.claimed;
    } catch (error) {
      run.outcome = { type: "failed", error };
      return tell({ type: "turn.failed" });
    }
    if (run.abort.signal.aborted) return;
    if (!run.claim && runs.get(run.key) === run) runs.delete(run.key);
    if (!run.claim) return tell({ type: "rows.missing", count: input.waiting });
    const { turnId, attempt } = run.claim;
    const stopClock = limitTime(run, run.claim, tell);
    if (hub.isWatched(run.key)) hub.publish(run.key, { type: "turn", turnId, attempt, status: "started" });
    try {
      const replies = await answer(run, run.claim);
      if (run.abort.signal.aborted) return;
      run.outcome = { type: "done", replies };
      tell({ type: "turn.done" });
    } catch (error) {
      if (run.abort.signal.aborted) return;
      log.warn({ chat: run.key, turn: turnId, attempt, error: noteOf(error) }, "turn failed");
      run.outcome = { type: "failed", error };
      tell({ type: "turn.failed" });
    } finally {
      stopClock();
    }
  };

  /** A cron run may have a limit of its own, and so have all turns in the chats of jobs; that of others is in their machine. */
  const limitTime = (run: TurnRun, claim: Claim, tell: (event: ChatEvent) => void): (() => void) => {
    const limitMs = claim.run?.timeoutMs ?? (isJobChat(run.key) ? limits.turnTimeoutMs : undefined);
    if (limitMs === undefined) return () => undefined;
    return clock.setTimer(limitMs, () => {
      if (run.outcome || run.abort.signal.aborted) return;
      const name = claim.run?.timeoutMs === undefined ? "limits.turnTimeout" : "timeout of the job";
      run.outcome = { type: "failed", error: new TransientError("AGENT_TIMEOUT", `no answer within ${limitMs} ms (${name})`) };
      run.abort.abort(new TransientError("TURN_ABORTED", "the turn timed out"));
      tell({ type: "turn.failed" });
    });
  };

  /** Collects what the agent yields: deltas of one text become one reply, a content is a reply of its own. */
  const answer = async (run: TurnRun, claim: Claim): Promise<readonly Content[]> => {
    const replies: Content[] = [];
    let offset = 0;
    let total = 0;
    const closeText = (): void => {
      if (run.text.length > offset) replies.push(textContent(run.text.slice(offset)));
      offset = run.text.length;
    };
    const aborted = new Promise<never>((_, reject) => {
      run.abort.signal.addEventListener("abort", () => reject(new RuntimeError("TURN_ABORTED", "the turn was aborted")), { once: true });
    });
    aborted.catch(() => undefined);
    const chunks = agent(turnOf(run, claim), { signal: run.abort.signal, tools: {} })[Symbol.asyncIterator]();
    try {
      for (;;) {
        const startMs = clock.monotonic();
        const next = chunks.next();
        const heldMs = Math.round(clock.monotonic() - startMs);
        if (heldMs >= STALL_MS) {
          namedUntilMs = clock.monotonic();
          log.warn(
            { chat: run.key, turn: claim.turnId, heldMs },
            "the agent held the event loop, and every chat with it; move long work to a worker",
          );
        }
        const chunk = await Promise.race([next, aborted]);
        if (chunk.done) break;
        if (typeof chunk.value === "string") {
          total += chunk.value.length;
          if (total > TEXT_MAX)
            throw new TerminalError("AGENT_FAILED", `the answer is over ${TEXT_MAX} characters; let the agent send a file`);
          if (hub.isWatched(run.key)) {
            hub.publish(run.key, {
              type: "delta",
              turnId: claim.turnId,
              attempt: claim.attempt,
              offset: run.text.length,
              text: chunk.value,
            });
          }
          run.text += chunk.value;
          if (replies.length === 0) parts.grow(claim, run.text);
        } else {
          closeText();
          replies.push(parseContent(chunk.value, "reply"));
        }
        if (replies.length > REPLIES_MAX)
          throw new TerminalError("AGENT_FAILED", `more than ${REPLIES_MAX} replies in one turn; join them`);
      }
    } catch (error) {
      leaveBehind(run, claim, chunks);
      throw error;
    }
    closeText();
    return replies.filter((reply) => reply.length > 1 || reply[0]?.type !== "text" || textOf(reply).trim() !== "");
  };

  /** An agent that ignores its signal: whatever it still does is fenced off. */
  const leaveBehind = (run: TurnRun, { turnId }: Claim, chunks: AsyncIterator<unknown>): void => {
    left.add(run);
    // Resolves after the step under way, which may never end.
    const ended = Promise.resolve(chunks.return?.()).catch(() => undefined);
    void ended.then(() => left.delete(run));
    void pause(kernel, LEFT_BEHIND_MS).then(() => {
      if (!left.has(run) || kernel.closed.aborted) return;
      log.warn(
        { chat: run.key, turn: turnId, abandoned: left.size },
        "an agent goes on although its turn has ended; let it heed its signal",
      );
    });
  };

  const turnOf = (run: TurnRun, claim: Claim): Turn => {
    let place = claim.journal.length;
    const journaled = new Map(claim.journal.filter((entry) => entry.type === "step").map((entry) => [entry.key, entry]));
    return {
      chat: run.key,
      turnId: claim.turnId,
      attempt: claim.attempt,
      trigger: claim.rows[0]?.turnClass ?? "interactive",
      messages: claim.rows.map((row) => ({
        seq: row.seq,
        content: row.content,
        text: textOf(row.content),
        sender: row.sender,
        receivedAtMs: row.receivedAtMs,
        skipped: false,
      })),
      open: (file, { maxBytes = FILE_BYTES_MAX } = {}) => parts.open(run.key, file.ref, { maxBytes, signal: run.abort.signal }),
      history: (limit = 100) => store.chats.history(run.key, limit),
      step: async (key, fn) => {
        const known = journaled.get(key);
        if (known) return JSON.parse(known.body) as Awaited<ReturnType<typeof fn>>;
        if (place >= STEPS_MAX) throw new TerminalError("AGENT_FAILED", `more than ${STEPS_MAX} steps in one turn; split the work`);
        // Nothing that an abandoned attempt still wants to do is done.
        if (run.abort.signal.aborted) throw fencedOff(claim);
        const value = await fn();
        const entry = { place: place++, type: "step", key, body: JSON.stringify(value ?? null), atMs: clock.now() } as const;
        const write = (): Promise<"written" | "fenced"> =>
          run.abort.signal.aborted ? Promise.resolve("fenced") : store.turns.journal(run.key, claim.fence, claim.turnId, entry);
        // The same place replaces, so a repetition needs no look.
        if ((await untilStored(kernel, { chat: run.key, turn: claim.turnId }, write, async () => undefined)) !== "written") {
          throw fencedOff(claim);
        }
        journaled.set(key, entry);
        return value;
      },
    };
  };

  return {
    start: (input, tell) => {
      const run: TurnRun = {
        key: input.key,
        abort: new AbortController(),
        claimed: claimFor(input),
        claim: undefined,
        text: "",
        outcome: undefined,
        isDraining: false,
      };
      runs.set(input.key, run);
      watch();
      void execute(run, input, tell);
      const endTyping = parts.showTyping(input.key);
      return () => {
        endTyping();
        parts.close(input.key);
        if (run.outcome || run.abort.signal.aborted) return;
        run.abort.abort(new TransientError("TURN_ABORTED", "the turn was stopped, timed out or is being drained"));
      };
    },
    runOf: (key) => runs.get(key),
    runs: () => runs.values(),
    forget: (key) => {
      const run = runs.get(key);
      runs.delete(key);
      expected.delete(key);
      if (run && !run.outcome && !run.abort.signal.aborted) run.abort.abort(new RuntimeError("TURN_ABORTED", "the turn has lost its chat"));
    },
    abandoned: () => left.size,
    expect: (claim) => {
      expected.set(claim.chat, claim);
    },
    unexpect: (key) => void expected.delete(key),
  };
}

function fencedOff({ turnId }: Claim): RuntimeError {
  return new RuntimeError("FENCED", `turn ${turnId} was taken over; this attempt must end`);
}
