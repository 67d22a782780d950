import { RESERVED_CHANNELS, channelOf, parseChatKey } from "../core/chat-key.ts";
import type { Log } from "../ports/log.ts";
import type { CronJobInput } from "../runtime/job-api.ts";

/** Warns of jobs whose answers would wait for a channel that is not there: it may come back, so this is no mistake for certain. */
export function warnOfAbsentTargets(jobs: readonly CronJobInput[], channels: readonly string[], log: Log): void {
  for (const { id, deliver } of jobs) {
    for (const chat of [...(deliver?.chat === undefined ? [] : [deliver.chat]), ...(deliver?.chats ?? [])]) {
      const channel = channelOf(parseChatKey(chat));
      if (RESERVED_CHANNELS.has(channel) || channels.includes(channel)) continue;
      log.warn(
        { job: id, chat },
        `channel ${channel} is not configured; what this job says waits there until it is, or expires (limits.outboxMaxAge)`,
      );
    }
  }
}
