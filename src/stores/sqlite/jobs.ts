/** Cron jobs: the definition as JSON, and beside it in columns what changes with each instant. One transaction per instant. */
import type { ChatKey } from "../../core/chat-key.ts";
import type { JobDefinition, JobFilter, JobRecord, JobStatus, RunRecord } from "../../ports/store/job-records.ts";
import type { InstantClaim, InstantClaimed, JobPosition, JobStore, PassedInstants } from "../../ports/store/job-store.ts";
import type { Page, PageRequest } from "../../ports/store/records.ts";
import { optional, text } from "./chat-row.ts";
import { cursorNumber } from "./cursor.ts";
import type { Engine } from "./engine.ts";
import { endHeld } from "./held.ts";
import { appendOne } from "./inbox.ts";
import { isDefinition, isPlaced, shown } from "./job-shape.ts";
import { writeLedger } from "./ledger.ts";
import { endRun, policyOf, runOfRow, type RunSql } from "./runs.ts";
import { closeTurn } from "./turns.ts";
import { packAppend, unpackAppend } from "./wire.ts";

interface JobSql {
  readonly id: string;
  readonly body: string;
  readonly status: JobStatus;
  readonly next_at: number | null;
  readonly start_at: number | null;
  readonly runs: number;
  readonly failures: number;
  readonly created_at: number;
  readonly changed_at: number;
}

/** What a job has that an earlier version stored, which knew no policies. */
function defaults(id: string): Omit<JobDefinition, "id" | "name" | "message" | "schedule"> {
  return {
    chat: `cron:${id}`,
    deliverTo: [],
    deliverWhen: "always",
    silence: undefined,
    missed: "once",
    graceMs: undefined,
    missedMax: 10,
    overlap: "skip",
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
  };
}

/**
 * A row that cannot be read must not stop those beside it: it is listed as a job with no instant left, which can be replaced or removed by
 * its id, and which the configuration makes anew.
 */
function jobOf(row: JobSql): JobRecord {
  const { id, status } = row;
  const counts = {
    runs: shown(row.runs),
    failures: shown(row.failures),
    createdAtMs: shown(row.created_at),
    changedAtMs: shown(row.changed_at),
  };
  const body = isPlaced(row) ? definitionOf(row) : undefined;
  if (body) return { ...body, status, nextAtMs: optional(row.next_at), startAtMs: optional(row.start_at), ...counts };
  const name = "its row cannot be read; add the job again or remove it";
  const rest = { message: "", schedule: { kind: "at", atMs: 0 }, status: "completed", nextAtMs: undefined, startAtMs: undefined } as const;
  return { ...defaults(id), id, name, ...rest, ...counts, isUnreadable: true };
}

function definitionOf({ id, body }: JobSql): JobDefinition | undefined {
  try {
    // An earlier version had one chat, or none.
    const job = JSON.parse(body) as Omit<JobDefinition, "deliverTo"> & { readonly deliverTo?: ChatKey | readonly ChatKey[] };
    const whole = { ...defaults(id), ...job, deliverTo: job.deliverTo === undefined ? [] : [job.deliverTo].flat() };
    return whole.id === id && isDefinition(whole) ? whole : undefined;
  } catch {
    return undefined;
  }
}

export function put(
  engine: Engine,
  job: JobRecord,
  options: Parameters<JobStore["put"]>[1] = {},
): "added" | "replaced" | "exists" | "full" | "moved" {
  const isKnown = engine.get("SELECT 1 FROM jobs WHERE id = ?", job.id) !== undefined;
  if (isKnown && options.isNew) return "exists";
  if (options.from && !hasStayed(get(engine, job.id), options.from)) return "moved";
  if (options.ownerMax !== undefined && job.owner !== undefined && ownedBy(engine, job) >= options.ownerMax) return "full";
  const { status, nextAtMs, startAtMs, runs, failures, createdAtMs, changedAtMs, ...definition } = job;
  engine.run(
    `INSERT OR REPLACE INTO jobs (id, body, origin, owner, disable_after, status, next_at, start_at, runs, failures, created_at, changed_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    job.id,
    JSON.stringify(definition),
    job.origin,
    job.owner ?? null,
    job.disableAfter,
    status,
    nextAtMs ?? null,
    startAtMs ?? null,
    runs,
    failures,
    createdAtMs,
    changedAtMs,
  );
  return isKnown ? "replaced" : "added";
}

function hasStayed(job: JobRecord | undefined, from: JobRecord): boolean {
  const facts = ["status", "nextAtMs", "startAtMs", "runs", "failures", "changedAtMs"] as const;
  return job !== undefined && facts.every((fact) => job[fact] === from[fact]);
}

/** Other jobs of its owner that are not completed. */
function ownedBy(engine: Engine, { id, owner }: JobRecord): number {
  const sql = "SELECT count(*) AS count FROM jobs WHERE owner = ? AND id <> ? AND status <> 'completed'";
  return engine.get<{ count: number }>(sql, owner ?? "", id)?.count ?? 0;
}

export function get(engine: Engine, id: string): JobRecord | undefined {
  const row = engine.get<JobSql>("SELECT * FROM jobs WHERE id = ?", id);
  return row && jobOf(row);
}

export function remove(engine: Engine, id: string): boolean {
  return engine.run("DELETE FROM jobs WHERE id = ?", id) > 0;
}

export function list(engine: Engine, page: PageRequest, filter: JobFilter = {}): Page<JobRecord> {
  const conditions: readonly (readonly [string, string | undefined])[] = [
    ["owner", filter.owner],
    ["origin", filter.origin],
    ["status", filter.status],
  ];
  const given = conditions.filter(([, value]) => value !== undefined);
  const failing = filter.isFailing ? ["failures > 0"] : [];
  const where = ["id > ?", ...given.map(([column]) => `${column} = ?`), ...failing].join(" AND ");
  const rows = engine.all<JobSql>(
    `SELECT * FROM jobs WHERE ${where} ORDER BY id LIMIT ?`,
    page.cursor ?? "",
    ...given.map(([, value]) => value ?? ""),
    page.limit + 1,
  );
  const items = rows.slice(0, page.limit).map(jobOf);
  return { items, next: rows.length > page.limit ? items.at(-1)?.id : undefined };
}

export function due(
  engine: Engine,
  beforeMs: number,
  limit: number,
  after?: Parameters<JobStore["due"]>[2],
): Awaited<ReturnType<JobStore["due"]>> {
  return engine.all<{ id: string; startAtMs: number }>(
    `SELECT id, start_at AS startAtMs FROM jobs WHERE status = 'active' AND start_at IS NOT NULL AND start_at < ? AND (start_at, id) > (?, ?)
     ORDER BY start_at, id LIMIT ?`,
    beforeMs,
    after?.startAtMs ?? Number.MIN_SAFE_INTEGER,
    after?.id ?? "",
    limit,
  );
}

export function advance(engine: Engine, move: Parameters<JobStore["advance"]>[0]): boolean {
  const job = get(engine, move.jobId);
  if (!job || job.nextAtMs !== move.fromMs) return false;
  if (move.passed) recordPassed(engine, job.id, move.passed, move.atMs);
  if (move.isForgiven) engine.run("UPDATE jobs SET failures = 0 WHERE id = ?", job.id);
  moveTo(engine, job, move.to, { atMs: move.atMs, hasRun: false });
  return true;
}

function moveTo(
  engine: Engine,
  job: JobRecord,
  to: JobPosition,
  { atMs, hasRun }: { readonly atMs: number; readonly hasRun: boolean },
): void {
  engine.run(
    "UPDATE jobs SET status = ?, next_at = ?, start_at = ?, runs = runs + ?, changed_at = ? WHERE id = ?",
    to.status,
    to.nextAtMs ?? null,
    to.startAtMs ?? null,
    hasRun ? 1 : 0,
    to.status === job.status ? job.changedAtMs : atMs,
    job.id,
  );
}

const isTaken = (engine: Engine, jobId: string, instantMs: number): boolean =>
  engine.get("SELECT 1 FROM runs WHERE job = ? AND instant = ?", jobId, instantMs) !== undefined;

/** Nothing when the last of them has a row already. */
function recordPassed(engine: Engine, jobId: string, passed: PassedInstants, atMs: number): void {
  if (isTaken(engine, jobId, passed.lastMs)) return;
  const { runId, status, firstMs, lastMs: instantMs, count, error } = passed;
  addRun(engine, { runId, jobId, instantMs, firstMs, count, trigger: "schedule", status, error, atMs }, null);
}

type NewRun = Pick<RunRecord, "runId" | "jobId" | "instantMs" | "firstMs" | "count" | "trigger" | "status" | "error"> & {
  readonly atMs: number;
};

function addRun(engine: Engine, { atMs, ...run }: NewRun, policy: string | null): RunRecord {
  const endedAtMs = run.status === "running" ? undefined : atMs;
  engine.run(
    `INSERT INTO runs (id, run_id, job, instant, first_at, count, trigger, started_at, ended_at, status, delivery, error, policy)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'none', ?, ?)`,
    engine.nextId("runs"),
    run.runId,
    run.jobId,
    run.instantMs,
    run.firstMs,
    run.count,
    run.trigger,
    atMs,
    endedAtMs ?? null,
    run.status,
    text(run.error),
    policy,
  );
  return { ...run, startedAtMs: atMs, endedAtMs, delivery: "none" };
}

export function claimInstant(engine: Engine, claim: InstantClaim): InstantClaimed {
  const job = get(engine, claim.jobId);
  if (!job) return { status: "gone" };
  const isByHand = claim.to === undefined;
  const hasChanged = job.status !== "active" || job.nextAtMs !== claim.fromMs;
  if (!isByHand && (hasChanged || isTaken(engine, job.id, claim.instantMs))) return { status: "gone" };
  let { instantMs } = claim;
  while (isByHand && (isTaken(engine, job.id, instantMs) || instantMs === job.nextAtMs)) instantMs += 1;
  const { policy, atMs, to, toSkipped = to } = claim;
  const move = (hasRun: boolean): void => {
    const position = hasRun ? to : toSkipped;
    if (position) moveTo(engine, job, position, { atMs, hasRun });
  };
  if (claim.passed) recordPassed(engine, job.id, claim.passed, atMs);
  const earlier = engine.all<Pick<RunSql, "run_id">>("SELECT run_id FROM runs WHERE job = ? AND status = 'running'", job.id);
  const isSkipped = claim.overlap === "skip" && earlier.length > 0;
  const facts = { runId: policy.runId, jobId: job.id, instantMs, firstMs: instantMs, count: 1, trigger: policy.trigger, atMs };
  const packed = JSON.stringify(policy);
  if (isSkipped) {
    move(false);
    const error = { code: "RUN_OVERLAPS", message: "an earlier run of the job was still under way" };
    return { status: "overlapped", run: addRun(engine, { ...facts, status: "skipped", error }, packed) };
  }
  const replaced = claim.overlap === "replace" ? earlier.map((run) => run.run_id) : [];
  for (const runId of replaced) replace(engine, runId, atMs);
  const run = addRun(engine, { ...facts, status: "running", error: undefined }, packed);
  const answer = appendOne(engine, packAppend(claim.append), policy.runId);
  const appended = unpackAppend(claim.append, answer, policy);
  move(appended.status === "accepted");
  if (appended.status === "accepted") return { status: "claimed", appended, run, replaced };
  const error = { code: "INBOX_FULL", message: `too many messages wait in ${policy.chat}` };
  endRun(engine, policy.runId, { status: "skipped", parts: [], atMs, error });
  return { status: "claimed", appended, run: { ...run, status: "skipped", endedAtMs: atMs, error }, replaced };
}

/** Ends a run, its turn or its waiting row; whoever runs the turn is fenced off. */
function replace(engine: Engine, runId: string, atMs: number): void {
  const error = { code: "RUN_REPLACED", message: "a later instant of the job took its place" };
  const policy = policyOf(engine, runId);
  endRun(engine, runId, { status: "replaced", parts: [], atMs, error });
  const chat = policy && engine.chat(policy.chat);
  if (!chat) return;
  const { open } = chat;
  if (open?.runId === runId) {
    chat.fence += 1;
    endHeld(engine, chat, open, () => "dropped");
    writeLedger(engine, chat, { atMs, turn: closeTurn(engine, chat, open, "stopped", atMs, text(error)) });
  }
  const dropped = engine.run("UPDATE inbox SET status = 'dropped' WHERE chat = ? AND status = 'waiting' AND run_id = ?", chat.id, runId);
  chat.waiting -= dropped;
  engine.changed(chat, "intake");
}

/** Newest instant first. */
export function runs(engine: Engine, jobId: string, page: PageRequest): Page<RunRecord> {
  const before = cursorNumber(page.cursor, Number.MAX_SAFE_INTEGER);
  const rows = engine.all<RunSql>(
    "SELECT * FROM runs WHERE job = ? AND instant < ? ORDER BY instant DESC LIMIT ?",
    jobId,
    before,
    page.limit + 1,
  );
  const items = rows.slice(0, page.limit).map(runOfRow);
  return { items, next: rows.length > page.limit ? String(items.at(-1)?.instantMs) : undefined };
}

export function newestRuns(engine: Engine, jobIds: readonly string[]): readonly RunRecord[] {
  return jobIds.flatMap((id) => engine.all<RunSql>("SELECT * FROM runs WHERE job = ? ORDER BY instant DESC LIMIT 1", id).map(runOfRow));
}

export function underWay(engine: Engine, jobIds: readonly string[]): readonly { readonly jobId: string; readonly count: number }[] {
  return jobIds.flatMap((jobId) => {
    const sql = "SELECT count(*) AS count FROM runs WHERE job = ? AND status = 'running'";
    const count = engine.get<{ count: number }>(sql, jobId)?.count ?? 0;
    return count === 0 ? [] : [{ jobId, count }];
  });
}
