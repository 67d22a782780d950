/** The claim of an instant: one transaction, and what follows from it in this process. */
import type { ChatKey } from "../../core/chat-key.ts";
import { textContent } from "../../core/content.ts";
import { invariant, type ErrorNote } from "../../core/errors.ts";
import type { JobRecord, RunPolicy, RunTrigger } from "../../ports/store/job-records.ts";
import type { InstantClaim, InstantClaimed } from "../../ports/store/job-store.ts";
import type { Chats } from "../chats.ts";
import type { Intake } from "../intake.ts";
import type { Kernel } from "../kernel.ts";
import type { TurnRunner } from "../turn-runner.ts";

/** What an instant runs with. `skip` records why it ran nothing. */
export type Prepared = { readonly type: "run"; readonly job: JobRecord } | { readonly type: "skip"; readonly why: ErrorNote };

export type ClaimRequest = Pick<InstantClaim, "fromMs" | "passed" | "instantMs" | "to" | "toSkipped"> & { readonly trigger: RunTrigger };

export interface Claims {
  /** The job as its next instant runs, or why it runs nothing. @throws TransientError STORE_UNAVAILABLE */
  readonly prepare: (job: JobRecord) => Promise<Prepared>;
  /** @throws TransientError STORE_UNAVAILABLE, AmbiguousError when it may have been stored */
  readonly claim: (job: JobRecord, request: ClaimRequest) => Promise<InstantClaimed>;
}

export function createClaims(
  kernel: Pick<Kernel, "store" | "clock" | "random" | "lookSoon">,
  intake: Intake,
  parts: {
    readonly aliasOf: (key: ChatKey) => ChatKey;
    /** Undefined for a job that runs as its row says. */
    readonly prepare: (job: JobRecord) => Promise<Prepared | undefined>;
    readonly chats: Pick<Chats, "get" | "discard">;
    readonly runner: Pick<TurnRunner, "runs">;
  },
): Claims {
  const { store, clock, random } = kernel;

  /** Turns of these runs are fenced off: their chats start again from their rows. */
  const restart = (runIds: readonly string[]): void => {
    for (const { key, claim } of parts.runner.runs()) {
      const entry = parts.chats.get(key);
      if (entry && claim?.run && runIds.includes(claim.run.runId)) parts.chats.discard(entry);
    }
  };

  return {
    prepare: async (job) => (await parts.prepare(job)) ?? { type: "run", job },
    claim: async (job, { trigger, ...request }) => {
      const policy = policyOf(job, { runId: random.id(), trigger, chat: parts.aliasOf(job.chat) });
      const plan = intake.plan([
        {
          chat: policy.chat,
          address: "",
          content: textContent(job.message),
          sender: { id: `cron:${job.id}`, name: job.name },
          turnClass: job.turnClass,
          dedupe: undefined,
          repliesWhenFull: false,
        },
      ]);
      const [append] = plan.requests;
      invariant(append, "a plan of one row has one request");
      const { overlap } = job;
      let claimed: InstantClaimed;
      try {
        claimed = await store.jobs.claimInstant({ jobId: job.id, ...request, policy, overlap, append, atMs: clock.now() });
      } catch (error) {
        plan.cancel();
        // Perhaps it was stored: the row that waits then is found.
        kernel.lookSoon();
        throw error;
      }
      if (claimed.status !== "claimed") plan.cancel();
      else {
        if (claimed.replaced.length > 0) restart(claimed.replaced);
        plan.finish([claimed.appended]);
      }
      return claimed;
    },
  };
}

function policyOf(job: JobRecord, facts: Pick<RunPolicy, "runId" | "trigger" | "chat">): RunPolicy {
  const { deliverTo, owner } = job;
  return {
    ...facts,
    jobId: job.id,
    jobName: job.name,
    deliverTo,
    deliverWhen: job.deliverWhen,
    silence: job.silence,
    attempts: job.attempts,
    backoffMs: job.backoffMs,
    timeoutMs: job.timeoutMs,
    disableAfter: job.disableAfter,
    alertTo: deliverTo.length > 0 ? deliverTo : owner === undefined ? [] : [owner],
  };
}
