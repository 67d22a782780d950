/** Builders of what a store is asked to write: plausible by default, so that a test names only what it is about. */
import { bodyHash } from "../core/body-hash.ts";
import type { ChatKey } from "../core/chat-key.ts";
import { textContent } from "../core/content.ts";
import type { JobRecord } from "../ports/store/job-records.ts";
import type { InstantClaim, RunEnd } from "../ports/store/job-store.ts";
import type { HistoryEntry, JournalEntry } from "../ports/store/records.ts";
import type { Retention } from "../ports/store/retention.ts";
import type {
  AppendRequest,
  AskCommit,
  Claim,
  ClaimRequest,
  CommandCommit,
  DedupeKey,
  FailCommit,
  SnapshotWrite,
  TurnCommit,
} from "../ports/store/store.ts";

/** The instant at which everything happens unless a test says otherwise. */
export const START_MS = 1_700_000_000_000;
export const HOUR_MS = 3_600_000;
export const CHAT: ChatKey = "telegram:1";
export const OTHER_CHAT: ChatKey = "telegram:2";

/** `updateId` stands for the dedupe key of an update that says `text`. */
export interface AppendOverrides extends Partial<AppendRequest> {
  readonly text?: string;
  readonly updateId?: string;
}

/** Identity of an update of one bot, with the hash of what it said. */
export function dedupeKey(updateId: string, text: string): DedupeKey {
  return { scope: "telegram/77", externalId: updateId, bodyHash: bodyHash(text) };
}

/** A person's message, accepted up to 100 of them. */
export function appendRequest({ text = "hello", updateId, ...overrides }: AppendOverrides = {}): AppendRequest {
  return {
    chat: CHAT,
    address: "1",
    kind: "message",
    turnClass: "interactive",
    content: textContent(text),
    sender: { id: "7", name: "Ann" },
    receivedAtMs: START_MS,
    dedupe: updateId === undefined ? undefined : dedupeKey(updateId, text),
    inboxMax: 100,
    busyReply: undefined,
    open: false,
    claim: undefined,
    ...overrides,
  };
}

/** A machine gone from `responding` to `idle`, without timers. */
export function snapshotWrite(overrides: Partial<SnapshotWrite> = {}): SnapshotWrite {
  return {
    snapshot: { value: overrides.state ?? "idle", context: { schemaVersion: 1 } },
    state: "idle",
    sinceMs: START_MS,
    timers: [],
    events: [{ type: "turn.committed" }],
    stateBefore: "responding",
    error: undefined,
    atMs: START_MS,
    ...overrides,
  };
}

export function claimRequest(overrides: Partial<ClaimRequest> = {}): ClaimRequest {
  return { chat: CHAT, turnId: "turn-1", rowsMax: 1, suspect: false, atMs: START_MS, ...overrides };
}

/** The turn consumed all its rows and answered with one part; that of a cron run goes to the chats of its job. */
export function turnCommit(claim: Claim, overrides: Partial<TurnCommit> = {}): TurnCommit {
  const { chat, fence, turnId, rows, run } = claim;
  const answer = textContent(`answer of ${turnId}`);
  return {
    chat,
    fence,
    turnId,
    rows: rows.map((row) => ({ seq: row.seq, status: "consumed" })),
    history: [
      ...rows.map((row): HistoryEntry => ({ role: "user", content: row.content, atMs: row.receivedAtMs, seq: row.seq, turnId })),
      { role: "assistant", content: answer, atMs: START_MS, turnId },
    ],
    parts: run ? [] : [answer],
    delivery: "waiting",
    run: run && runEnd(run),
    write: snapshotWrite(),
    ...overrides,
  };
}

/** The run says `answer` in all chats of its job. */
export function runEnd(run: NonNullable<Claim["run"]>, overrides: Partial<RunEnd["targets"][number]> = {}): RunEnd {
  const answer = textContent(`answer of ${run.runId}`);
  const targets = run.deliverTo.map((chat) => ({ chat, parts: [answer], history: [answer], isDelivered: false, ...overrides }));
  return { runId: run.runId, targets };
}

/** An attempt that failed and will be tried again; an `abort` writes no snapshot. */
export function failCommit(claim: Claim, overrides: Partial<FailCommit> = {}): FailCommit {
  return {
    chat: claim.chat,
    fence: claim.fence,
    turnId: claim.turnId,
    error: { code: "AGENT_FAILED", message: "the model is away" },
    outcome: "retry",
    reply: undefined,
    delivered: false,
    run: claim.run && { runId: claim.run.runId, notice: [], alert: [] },
    write: overrides.outcome === "abort" ? undefined : snapshotWrite({ state: "backingOff", events: [{ type: "turn.deferred" }] }),
    atMs: START_MS,
    ...overrides,
  };
}

export function journalEntry(place: number, overrides: Partial<JournalEntry> = {}): JournalEntry {
  return { place, type: "step", key: `step-${place}`, body: JSON.stringify({ place }), atMs: START_MS + place, ...overrides };
}

export function askCommit(claim: Claim, overrides: Partial<AskCommit> = {}): AskCommit {
  return {
    chat: claim.chat,
    fence: claim.fence,
    turnId: claim.turnId,
    entry: journalEntry(0, { type: "asked", key: "question-1" }),
    question: textContent("Which one?"),
    delivered: false,
    write: snapshotWrite({ state: "asking", events: [{ type: "turn.asked" }] }),
    ...overrides,
  };
}

/** A command that only ends its row and replies. */
export function commandCommit(seq: number, overrides: Partial<CommandCommit> = {}): CommandCommit {
  return {
    chat: CHAT,
    seq,
    stop: false,
    archive: false,
    settings: {},
    reply: [textContent("done")],
    delivered: false,
    atMs: START_MS,
    ...overrides,
  };
}

/** An hourly job whose next instant is `START_MS`. */
export function job(overrides: Partial<JobRecord> = {}): JobRecord {
  return {
    id: "report",
    name: "Report",
    message: "write the report",
    schedule: { kind: "every", everyMs: HOUR_MS, anchorMs: START_MS },
    chat: "cron:report",
    deliverTo: [],
    deliverWhen: "always",
    silence: undefined,
    missed: "once",
    graceMs: undefined,
    missedMax: 10,
    overlap: "queue",
    attempts: undefined,
    backoffMs: undefined,
    timeoutMs: undefined,
    staggerMs: 0,
    jitterMs: 0,
    untilMs: undefined,
    maxRuns: undefined,
    disableAfter: 10,
    turnClass: "cron",
    origin: "library",
    owner: undefined,
    status: "active",
    nextAtMs: START_MS,
    startAtMs: overrides.nextAtMs ?? START_MS,
    runs: 0,
    failures: 0,
    createdAtMs: START_MS - HOUR_MS,
    changedAtMs: START_MS - HOUR_MS,
    ...overrides,
  };
}

/** The claim of the instant `START_MS` of that job, which goes on an hour later. */
export function instantClaim(
  overrides: Partial<InstantClaim> & { readonly runId?: string; readonly of?: JobRecord; readonly nextAtMs?: number } = {},
): InstantClaim {
  const { runId = "run-1", of = job(), nextAtMs, ...rest } = overrides;
  const { id, name, chat, deliverTo, deliverWhen, silence, attempts, backoffMs, timeoutMs, disableAfter } = of;
  const instantMs = rest.instantMs ?? START_MS;
  const next = nextAtMs ?? instantMs + HOUR_MS;
  return {
    jobId: id,
    fromMs: instantMs,
    passed: undefined,
    instantMs,
    policy: {
      runId,
      jobId: id,
      jobName: name,
      trigger: "schedule",
      chat,
      deliverTo,
      deliverWhen,
      silence,
      attempts,
      backoffMs,
      timeoutMs,
      disableAfter,
      alertTo: deliverTo,
    },
    overlap: of.overlap,
    append: appendRequest({ chat, address: "", turnClass: "cron", text: "write the report", sender: undefined }),
    to: { status: "active", nextAtMs: next, startAtMs: next },
    atMs: START_MS + 3,
    ...rest,
  };
}

/** Deletes nothing, except what a test says. */
export function retention(overrides: Partial<Retention> = {}): Retention {
  return { eventsBeforeMs: 0, dedupeBeforeMs: 0, inboxBeforeMs: 0, historyBeforeMs: 0, outboxBeforeMs: 0, runsBeforeMs: 0, ...overrides };
}
