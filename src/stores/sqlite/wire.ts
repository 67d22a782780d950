/**
 * The operations of the hot path as flat tuples of plain values: contents become JSON text once, on the caller's side, and travel and are
 * stored as that text; answers carry only what the caller does not know already. All others travel as they are.
 */
import type { ChatKey } from "../../core/chat-key.ts";
import { invariant } from "../../core/errors.ts";
import type { TurnClass } from "../../core/turn-class.ts";
import type { RunEnd } from "../../ports/store/job-store.ts";
import type { ChatRecord, InboxKind, OutboxPart } from "../../ports/store/records.ts";
import type { OutboxStore, TakeResult } from "../../ports/store/outbox-store.ts";
import type { AppendRequest, AppendResult, Claim, SnapshotWrite, TurnCommit, TurnStore } from "../../ports/store/store.ts";

export type AppendWire = readonly [
  chat: ChatKey,
  address: string,
  kind: InboxKind,
  turnClass: TurnClass,
  content: string,
  sender: string | null,
  receivedAtMs: number,
  scope: string | null,
  externalId: string,
  bodyHash: string,
  inboxMax: number,
  busyReply: string | null,
  busyEveryMs: number,
  open: boolean,
  claimTurnId: string | null,
  isSuspect: boolean,
  /** External id of the message that this one changes. */
  editOf: string | null,
];

/** Accepted (`fence` 0 without a claim), a duplicate, a conflict, or full. A row that was only accepted is its number. */
export type AppendAnswer =
  | number
  | readonly ["accepted", seq: number, fence: number, chat: ChatRecord | undefined]
  | readonly ["duplicate", seq: number]
  | readonly ["edited", seq: number]
  | readonly ["conflict"]
  | readonly ["full", reply: OutboxPart | undefined];

const text = (value: unknown): string | null => (value === undefined ? null : JSON.stringify(value));

export function packAppend(request: AppendRequest): AppendWire {
  const { dedupe, busyReply, claim } = request;
  return [
    request.chat,
    request.address,
    request.kind,
    request.turnClass,
    JSON.stringify(request.content),
    text(request.sender),
    request.receivedAtMs,
    dedupe?.scope ?? null,
    dedupe?.externalId ?? "",
    dedupe?.bodyHash ?? "",
    request.inboxMax,
    text(busyReply?.content),
    busyReply?.everyMs ?? 0,
    request.open,
    claim?.turnId ?? null,
    claim?.suspect ?? false,
    request.editOf ?? null,
  ];
}

export function unpackAppend(request: AppendRequest, answer: AppendAnswer | undefined, run?: Claim["run"]): AppendResult {
  invariant(answer !== undefined, `the store left out the answer to an append of ${request.chat}`);
  if (typeof answer === "number") return { status: "accepted", seq: answer, chat: undefined, claim: undefined };
  switch (answer[0]) {
    case "accepted": {
      const [, seq, fence, chat] = answer;
      return { status: "accepted", seq, chat, claim: fence > 0 ? claimOf(request, seq, fence, run) : undefined };
    }
    case "duplicate":
      return { status: "duplicate", seq: answer[1] };
    case "edited":
      return { status: "edited", seq: answer[1] };
    case "conflict":
      return { status: "conflict" };
    case "full":
      return { status: "full", reply: answer[1] };
  }
}

function claimOf(request: AppendRequest, seq: number, fence: number, run: Claim["run"]): Claim {
  const { chat, kind, turnClass, content, sender, receivedAtMs } = request;
  const turnId = request.claim?.turnId ?? "";
  const row = { chat, seq, kind, turnClass, content, sender, receivedAtMs, status: "waiting", turnId } as const;
  return { chat, turnId, fence, attempt: 1, failures: 0, rows: [row], journal: [], run };
}

export type WriteWire = readonly [
  /** Null leaves the snapshot and its timers as they are. */
  snapshot: string | null,
  state: string,
  sinceMs: number,
  timers: string | null,
  timerAtMs: number | null,
  events: string,
  stateBefore: string,
  error: string | null,
  atMs: number,
];

export function packWrite(write: SnapshotWrite): WriteWire {
  const { timers } = write;
  const first = timers.length === 0 ? null : timers.reduce((soonest, timer) => Math.min(soonest, timer.dueAtMs), Number.MAX_SAFE_INTEGER);
  return [
    text(write.snapshot),
    write.state,
    write.sinceMs,
    timers.length === 0 ? null : JSON.stringify(timers),
    first,
    JSON.stringify(write.events),
    write.stateBefore,
    text(write.error),
    write.atMs,
  ];
}

export type CommitWire = readonly [
  chat: ChatKey,
  fence: number,
  turnId: string,
  consumed: readonly number[],
  skipped: readonly number[] | null,
  history: string | null,
  parts: readonly string[],
  delivery: TurnCommit["delivery"],
  /** Of a cron run; as it is, since those are few. */
  run: RunEnd | null,
  inReplyTo: string,
  write: WriteWire,
];

/** Fenced, or what was stored; ids of the parts follow each other. */
export type CommitAnswer =
  | 0
  | readonly [
      revision: number,
      waiting: number,
      firstId: number,
      firstStatus: OutboxPart["status"] | "",
      /** Of the draft whose place the first part took. */
      platformId?: string | null,
      isAmbiguous?: boolean,
      /** Parts that a cron run left in other chats. */
      elsewhere?: readonly OutboxPart[],
    ];

const seqsOf = (commit: TurnCommit, status: "consumed" | "skipped"): readonly number[] =>
  commit.rows.filter((row) => row.status === status).map((row) => row.seq);

export function packCommit(commit: TurnCommit): CommitWire {
  const skipped = seqsOf(commit, "skipped");
  return [
    commit.chat,
    commit.fence,
    commit.turnId,
    seqsOf(commit, "consumed"),
    skipped.length === 0 ? null : skipped,
    commit.history.length === 0 ? null : JSON.stringify(commit.history),
    commit.parts.map((part) => JSON.stringify(part)),
    commit.delivery,
    commit.run ?? null,
    JSON.stringify(commit.rows.map((row) => row.seq)),
    packWrite(commit.write),
  ];
}

type Committed = Awaited<ReturnType<TurnStore["commit"]>>;

export function unpackCommit(commit: TurnCommit, answer: CommitAnswer): Committed {
  if (answer === 0) return "fenced";
  const [revision, waiting, firstId, firstStatus, platformId, isAmbiguous = false, elsewhere = []] = answer;
  const { chat } = commit;
  if (firstStatus === "") return { parts: elsewhere, revision, waiting };
  const rest = commit.delivery === "delivered" ? "sent" : "waiting";
  const inReplyTo = commit.rows.map((row) => row.seq);
  const parts = commit.parts.map((content, place): OutboxPart => {
    const status = place === 0 ? firstStatus : rest;
    return {
      id: String(firstId + place),
      chat,
      turnId: commit.turnId,
      part: place + 1,
      of: commit.parts.length,
      content,
      status,
      attempts: status === "sending" ? 1 : 0,
      ambiguous: place === 0 && isAmbiguous,
      createdAtMs: commit.write.atMs,
      nextTryAtMs: undefined,
      platformId: place === 0 ? (platformId ?? undefined) : undefined,
      error: undefined,
      inReplyTo,
    };
  });
  return { parts: [...parts, ...elsewhere], revision, waiting };
}

export type SettleWire = readonly [
  chat: ChatKey,
  id: number,
  attempt: number,
  outcome: "sent" | "retry" | "refused",
  /** The platform's id, or the error as JSON. */
  detail: string,
  isAmbiguous: boolean,
  nextTryAtMs: number,
  atMs: number,
  /** Below 0: no further part is taken. */
  maxAgeMs: number,
];

/** 0 is `none`. */
export type SettleAnswer = 0 | TakeResult;

export function packSettle(settle: Parameters<OutboxStore["settle"]>[0], next: Parameters<OutboxStore["settle"]>[1]): SettleWire {
  const { outcome } = settle;
  const detail = outcome.type === "sent" ? outcome.platformId : JSON.stringify(outcome.error);
  const isRetry = outcome.type === "retry";
  return [
    settle.chat,
    numberOfId(settle.id),
    settle.attempt,
    outcome.type,
    detail,
    isRetry && outcome.ambiguous,
    isRetry ? outcome.nextTryAtMs : 0,
    settle.atMs,
    next ? next.maxAgeMs : -1,
  ];
}

export function unpackSettle(answer: SettleAnswer): TakeResult {
  return answer === 0 ? { type: "none" } : answer;
}

/** The number behind an outbox id; -1, which no part has, for a text that is none. */
export function numberOfId(id: string): number {
  return /^\d{1,15}$/.test(id) ? Number(id) : -1;
}
