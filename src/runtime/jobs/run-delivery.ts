/** What a cron run says, and to whom: decided here alone, before anything reaches the outbox. */
import { textContent, textOf, type Content } from "../../core/content.ts";
import type { ErrorNote } from "../../core/errors.ts";
import type { RunPolicy } from "../../ports/store/job-records.ts";

/** The replies of a run that ended well, as they are delivered; none when the policy wants none. */
export function saidBy(run: RunPolicy, replies: readonly Content[]): readonly Content[] {
  if (run.deliverWhen === "failure" || isSilent(run, replies)) return [];
  if (replies.length > 0 || run.deliverWhen !== "always") return replies;
  return [textContent(`${run.jobName}: done; there is nothing to say.`)];
}

/** The answer is exactly the text that stands for none. */
function isSilent({ silence }: RunPolicy, replies: readonly Content[]): boolean {
  if (silence === undefined) return false;
  return replies.length === 0 || (replies.length === 1 && textOf(replies[0] ?? []).trim() === silence.trim());
}

/** Tells that a run has failed; nothing where answers alone are wanted. */
export function noticeOf(run: RunPolicy, error: ErrorNote): readonly Content[] {
  if (run.deliverWhen === "answer") return [];
  return [textContent(`The cron job "${run.jobName}" failed: ${error.message} (${error.code}).`)];
}

/** Tells, in the place of that, that the job is disabled with it. */
export function disabledAlert(run: RunPolicy, error: ErrorNote): Content {
  const { jobName, jobId, disableAfter } = run;
  return textContent(
    `The cron job "${jobName}" is switched off after ${disableAfter} failed runs in a row. The last one: ${error.message} (${error.code}). ` +
      `Switch it on again with \`/cron resume ${jobId}\` or \`satibot cron resume ${jobId}\`.`,
  );
}

/** Tells that the job is disabled because its turn was put aside with its chat. */
export function asideAlert({ jobName, jobId, chat }: RunPolicy, error: ErrorNote): Content {
  return textContent(
    `The cron job "${jobName}" is switched off: its last run had to be put aside (${error.code}: ${error.message}). ` +
      `\`satibot chats retry ${chat} --skip\` brings its chat back without that run, \`satibot cron resume ${jobId}\` switches it on again.`,
  );
}
