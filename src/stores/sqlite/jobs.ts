/** Cron jobs and their runs; one transaction per instant. */
import type { JobRecord, Page, PageRequest, RunDelivery, RunRecord } from "../../ports/store/records.ts";
import type { AppendResult, JobStore } from "../../ports/store/store.ts";
import { text } from "./chat-row.ts";
import { cursorNumber } from "./cursor.ts";
import type { Engine } from "./engine.ts";
import { appendOne } from "./inbox.ts";
import { runOfRow, type RunSql } from "./rows.ts";
import { runOf } from "./turns.ts";
import { packAppend, unpackAppend } from "./wire.ts";

interface JobSql {
  readonly id: string;
  readonly body: string;
  readonly next_at: number | null;
}

/** A row that cannot be read must not stop those beside it: it is listed as a paused job, which can be replaced or removed by its id. */
function jobOf(row: JobSql): JobRecord {
  const { id, next_at: nextAtMs, body } = row;
  try {
    const job = JSON.parse(body) as JobRecord;
    if (job.id === id && typeof job.message === "string" && typeof job.schedule.kind === "string") {
      return { ...job, nextAtMs: nextAtMs ?? undefined };
    }
  } catch {
    // Told below.
  }
  return {
    id,
    name: "its row cannot be read; put or remove the job",
    message: "",
    schedule: { kind: "at", atMs: 0 },
    deliverTo: undefined,
    turnClass: "cron",
    origin: "library",
    paused: true,
    nextAtMs: undefined,
    createdAtMs: 0,
  };
}

export function put(engine: Engine, job: JobRecord): "added" | "replaced" {
  const isKnown = engine.get("SELECT 1 FROM jobs WHERE id = ?", job.id) !== undefined;
  engine.run(
    "INSERT OR REPLACE INTO jobs (id, body, paused, next_at) VALUES (?, ?, ?, ?)",
    job.id,
    JSON.stringify(job),
    job.paused ? 1 : 0,
    job.nextAtMs ?? null,
  );
  return isKnown ? "replaced" : "added";
}

export function get(engine: Engine, id: string): JobRecord | undefined {
  const row = engine.get<JobSql>("SELECT * FROM jobs WHERE id = ?", id);
  return row && jobOf(row);
}

export function remove(engine: Engine, id: string): boolean {
  return engine.run("DELETE FROM jobs WHERE id = ?", id) > 0;
}

export function list(engine: Engine, page: PageRequest): Page<JobRecord> {
  const rows = engine.all<JobSql>("SELECT * FROM jobs WHERE id > ? ORDER BY id LIMIT ?", page.cursor ?? "", page.limit + 1);
  const items = rows.slice(0, page.limit).map(jobOf);
  return { items, next: rows.length > page.limit ? items.at(-1)?.id : undefined };
}

export function due(engine: Engine, beforeMs: number, limit: number): readonly JobRecord[] {
  return engine
    .all<JobSql>(
      "SELECT * FROM jobs WHERE paused = 0 AND next_at IS NOT NULL AND next_at < ? ORDER BY next_at, id LIMIT ?",
      beforeMs,
      limit,
    )
    .map(jobOf);
}

export function reschedule(engine: Engine, id: string, fromMs: number, toMs: number | undefined): boolean {
  return engine.run("UPDATE jobs SET next_at = ? WHERE id = ? AND next_at = ?", toMs ?? null, id, fromMs) > 0;
}

export function claimInstant(
  engine: Engine,
  claim: Parameters<JobStore["claimInstant"]>[0],
): { readonly appended: AppendResult | undefined } | "gone" {
  const job = get(engine, claim.jobId);
  const isClaimed = engine.get("SELECT 1 FROM runs WHERE job = ? AND instant = ?", claim.jobId, claim.instantMs) !== undefined;
  if (!job || job.paused || job.nextAtMs !== claim.instantMs || isClaimed) return "gone";
  engine.run("UPDATE jobs SET next_at = ? WHERE id = ?", claim.nextAtMs ?? null, claim.jobId);
  engine.run(
    "INSERT INTO runs (id, run_id, job, instant, started_at, ended_at, status, delivery, error, deliver_to) VALUES (?, ?, ?, ?, ?, ?, ?, 'none', NULL, ?)",
    engine.nextId("runs"),
    claim.runId,
    claim.jobId,
    claim.instantMs,
    claim.atMs,
    claim.status === "running" ? null : claim.atMs,
    claim.status,
    job.deliverTo ?? null,
  );
  if (!claim.append) return { appended: undefined };
  const answer = appendOne(engine, packAppend(claim.append), claim.runId);
  const appended = unpackAppend(claim.append, answer, runOf(engine, claim.runId));
  if (appended.status !== "accepted") {
    const error = text({ code: "INBOX_FULL", message: "earlier runs of the job still wait" });
    engine.run("UPDATE runs SET status = 'skipped', ended_at = ?, error = ? WHERE run_id = ?", claim.atMs, error, claim.runId);
  }
  return { appended };
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

export function setDelivery(engine: Engine, runId: string, delivery: RunDelivery): void {
  engine.run("UPDATE runs SET delivery = ? WHERE run_id = ?", delivery, runId);
}
