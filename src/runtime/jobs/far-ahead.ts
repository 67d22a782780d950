import type { JobRecord } from "../../ports/store/job-records.ts";
import type { JobPosition } from "../../ports/store/job-store.ts";
import type { Kernel } from "../kernel.ts";
import { isFarAhead, positionAfter } from "./instants.ts";

/** Jobs looked at in one go. */
const PAGE = 500;

/** Moves every active job back whose next instant was computed by a clock that was far ahead. */
export async function mendFarAhead(
  { store, clock, random, log, closed }: Pick<Kernel, "store" | "clock" | "random" | "log" | "closed">,
  advance: (job: JobRecord, to: JobPosition) => Promise<void>,
): Promise<void> {
  let cursor: string | undefined;
  do {
    const page = await store.jobs.list({ limit: PAGE, cursor }, { status: "active" });
    for (const job of page.items) {
      if (!isAhead(job, clock.now())) continue;
      const chance = job.jitterMs === 0 ? 0 : random.next();
      const to = positionAfter(job, clock.now(), { status: "active", runs: job.runs, chance });
      log.warn(
        { job: job.id, nextAtMs: job.nextAtMs, correctedMs: to.nextAtMs },
        "the next instant was computed by a clock far ahead; corrected",
      );
      await advance(job, to);
    }
    cursor = page.next;
  } while (cursor !== undefined && !closed.aborted);
}

/** False for a schedule that cannot be read: it is told of where its job is due. */
function isAhead(job: JobRecord, nowMs: number): boolean {
  try {
    return isFarAhead(job, nowMs);
  } catch {
    return false;
  }
}
