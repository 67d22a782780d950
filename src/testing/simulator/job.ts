/** The cron job of a simulated world: its policies are the seed's. */
import type { CronJobInput } from "../../runtime/job-api.ts";
import { JOB, JOB_EVERY_MS } from "./audit.ts";
import type { Dice } from "./faults.ts";
import { PLATFORM } from "./plan.ts";

export function jobOf(dice: Dice): CronJobInput {
  const pick = <T>(from: readonly T[], what: string): T | undefined => from[dice.roll(from.length, "job", what)];
  return {
    id: JOB,
    message: "tick",
    schedule: { every: JOB_EVERY_MS },
    deliver: { chats: pick([[`${PLATFORM}:0`], [`${PLATFORM}:0`, `${PLATFORM}:1`]], "chats") ?? [] },
    missed: pick(["skip", "once", "all"] as const, "missed"),
    missedMax: 3,
    overlap: pick(["skip", "queue", "replace"] as const, "overlap"),
    stagger: pick([0, 1_500], "stagger"),
    jitter: pick([0, 1_000], "jitter"),
    // Agents of such a world fail often.
    disableAfter: 0,
  };
}
