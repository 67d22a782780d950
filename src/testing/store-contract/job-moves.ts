/** What a job keeps when it is changed or its instants begin nothing. */
import { describe, expect, it } from "vitest";
import type { JobRecord } from "../../ports/store/job-records.ts";
import { HOUR_MS, START_MS, instantClaim, job } from "../store-rows.ts";
import { append, type On } from "./law.ts";

export function jobMoveLaws(on: On): void {
  describe("jobs that move on", () => {
    it(
      "are replaced only as their caller saw them, when it says how",
      on(async ({ store }) => {
        const from = job({ runs: 1 });
        const put = () => store.jobs.put({ ...from, name: "changed" }, { from });
        expect(await put()).toBe("moved");
        const moved: readonly Partial<JobRecord>[] = [
          { status: "paused" },
          { nextAtMs: START_MS + 1 },
          { startAtMs: START_MS + 1 },
          { runs: 2 },
          { failures: 1 },
          { changedAtMs: from.changedAtMs + 1 },
        ];
        for (const facts of moved) {
          await store.jobs.put({ ...from, ...facts });
          expect(await put()).toBe("moved");
          expect(await store.jobs.get("report")).toMatchObject({ name: from.name, ...facts });
        }
        await store.jobs.put(from);
        expect(await put()).toBe("replaced");
        expect(await store.jobs.get("report")).toMatchObject({ name: "changed", runs: 1 });
      }),
    );

    it(
      "go on elsewhere when an instant begins no run, which counts as none",
      on(async ({ store }) => {
        const to = { status: "completed", nextAtMs: undefined, startAtMs: undefined } as const;
        const on = { status: "active", nextAtMs: START_MS + HOUR_MS, startAtMs: START_MS + HOUR_MS } as const;
        await store.jobs.put(job());
        const full = { ...instantClaim().append, inboxMax: 1 };
        await append(store, { chat: full.chat });
        expect(await store.jobs.claimInstant(instantClaim({ to, toSkipped: on, append: full }))).toMatchObject({
          run: { status: "skipped" },
        });
        expect(await store.jobs.get("report")).toMatchObject({ ...on, runs: 0 });
        await store.jobs.claimInstant(instantClaim({ runId: "hand", fromMs: undefined, to: undefined, instantMs: START_MS + 9 }));
        const later = {
          runId: "run-2",
          overlap: "skip" as const,
          instantMs: START_MS + HOUR_MS,
          to,
          toSkipped: { ...on, nextAtMs: START_MS + 2 * HOUR_MS },
        };
        expect(await store.jobs.claimInstant(instantClaim(later))).toMatchObject({ status: "overlapped" });
        expect(await store.jobs.get("report")).toMatchObject({ ...later.toSkipped, runs: 0 });
      }),
    );
  });
}
