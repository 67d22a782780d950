import type { RunTarget } from "../../ports/store/job-store.ts";
import type { OutboxPart } from "../../ports/store/records.ts";
import { meet, type Disk } from "./disk.ts";
import { putParts } from "./outbox.ts";

/** Puts what a run says into the chats that get it, and into their histories. */
export function writeTargets(
  disk: Disk,
  targets: readonly RunTarget[],
  { runId, groupId, turnId, atMs }: { readonly runId: string; readonly groupId: string; readonly turnId: string; readonly atMs: number },
): readonly OutboxPart[] {
  return targets.flatMap(({ chat: key, parts, history, isDelivered }) => {
    const chat = meet(disk, key, "", atMs);
    for (const content of history) chat.history.push({ role: "assistant", content, atMs, turnId });
    const status = isDelivered ? "sent" : "waiting";
    return putParts(chat, parts, { groupId, first: status, rest: status, atMs, inReplyTo: [], runId });
  });
}
