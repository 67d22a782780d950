/** A runtime in virtual time with one job, over a store that outlives it. */
import type { Agent } from "../../src/ports/agent.ts";
import type { CronJobInput } from "../../src/runtime/job-api.ts";
import type { RunRecord } from "../../src/ports/store/job-records.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import type { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { openRuntime, type RigOptions } from "../runtime/rig.ts";

export const SECOND_MS = 1_000;
export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

export type Runtime = Awaited<ReturnType<typeof openRuntime>>;

let lives = 0;

/** Like `openRuntime`, with its clock at `atMs`, and with names that no earlier life gave. */
export async function openLife(options: RigOptions & { readonly atMs?: number } = {}): Promise<Runtime> {
  const { atMs, alter } = options;
  lives += 1;
  const random = createSeededRandom(lives);
  return openRuntime({
    ...options,
    alter: (parts) => {
      if (atMs !== undefined) (parts.clock as VirtualClock).step(atMs - parts.clock.now());
      return alter?.({ ...parts, random }) ?? { ...parts, random };
    },
  });
}

/** All runs of a job, oldest instant first. */
export async function runsOf({ store }: Pick<Runtime, "store">, id = "job"): Promise<readonly RunRecord[]> {
  return (await store.jobs.runs(id, { limit: 1_000 })).items.toReversed();
}

/** What matters of a run, in one line: `succeeded +2h`, `missed 3 × +1h…+3h`. */
export function lineOf(run: RunRecord, fromMs: number): string {
  const after = (atMs: number): string => `+${(atMs - fromMs) / MINUTE_MS}m`;
  if (run.count === 1) return `${run.status} ${after(run.instantMs)}`;
  return `${run.status} ${run.count} × ${after(run.firstMs)}…${after(run.instantMs)}`;
}

export async function linesOf(rig: Pick<Runtime, "store">, fromMs: number, id = "job"): Promise<readonly string[]> {
  return (await runsOf(rig, id)).map((run) => lineOf(run, fromMs));
}

/** A job named `job` is added; answers the time of that. */
export async function addJob({ loop, settled, clock }: Runtime, input: Partial<CronJobInput> = {}): Promise<number> {
  const atMs = clock.now();
  await settled(loop.addCronJob({ id: "job", message: "tick", schedule: { every: "1h", anchor: atMs }, ...input }));
  return atMs;
}

/** An agent whose turns last until they are let go, or are aborted. */
export function slowAgent(): { readonly agent: Agent; readonly begun: () => number; readonly finish: (text?: string) => void } {
  const waiting: ((text: string) => void)[] = [];
  let begun = 0;
  return {
    begun: () => begun,
    finish: (text = "done") => waiting.shift()?.(text),
    agent: async function* (_turn, { signal }) {
      begun += 1;
      yield await new Promise<string>((resolve, reject) => {
        waiting.push(resolve);
        signal.addEventListener("abort", () => {
          waiting.splice(waiting.indexOf(resolve), 1);
          reject(new Error("aborted"));
        });
      });
    },
  };
}
