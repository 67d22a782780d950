/** From the end of a run to its delivery: what it says to which chats, and when the last of them has it. */
import type { ChatKey } from "../../core/chat-key.ts";
import type { Content } from "../../core/content.ts";
import type { RunTarget } from "../../ports/store/job-store.ts";
import type { OutboxPart } from "../../ports/store/records.ts";
import type { Chats } from "../chats.ts";
import type { Kernel } from "../kernel.ts";
import { isJobChat } from "./definition.ts";
import { piecesOf } from "../pieces.ts";
import type { Outgoing, RunObserver } from "../turn-commit.ts";
import { asideAlert, disabledAlert, noticeOf, saidBy } from "./run-delivery.ts";

export interface RunWatch extends RunObserver {
  /** A part has its end; `isLast` of its group. */
  readonly partSettled: (part: OutboxPart, isLast: boolean) => void;
  /** Nobody waits for the deliveries of this job any more. */
  readonly forget: (jobId: string) => void;
}

export function createRunWatch(
  { log }: Pick<Kernel, "log">,
  parts: {
    readonly outgoing: Outgoing;
    readonly aliasOf: (key: ChatKey) => ChatKey;
    readonly tell: (
      jobId: string,
      event: { type: "run.ended"; delivers: boolean } | { type: "run.delivered" } | { type: "run.deferred"; delayMs: number },
    ) => void;
    readonly disabled: (jobId: string) => void;
    readonly chats: Pick<Chats, "get" | "passivate">;
  },
): RunWatch {
  const { outgoing, aliasOf, tell } = parts;
  /** Chats that a group of parts has not reached yet; by job, then by group. */
  const onTheWay = new Map<string, Map<string, Set<ChatKey>>>();
  const jobOfGroup = new Map<string, string>();

  const targetsOf = (chats: readonly ChatKey[], contents: readonly Content[]): readonly RunTarget[] =>
    contents.length === 0
      ? []
      : [...new Set(chats.map(aliasOf))].map((chat) => {
          const { isDelivered, maxUnits } = outgoing.wayOf(chat);
          return { chat, history: contents, isDelivered, parts: contents.flatMap((content) => piecesOf(content, maxUnits)) };
        });

  const watch = (jobId: string, unsettled: readonly OutboxPart[]): void => {
    const groups = onTheWay.get(jobId) ?? new Map<string, Set<ChatKey>>();
    for (const { turnId: group, chat } of unsettled) {
      groups.set(group, (groups.get(group) ?? new Set()).add(chat));
      jobOfGroup.set(group, jobId);
    }
    onTheWay.set(jobId, groups);
  };

  const forget = (jobId: string): void => {
    for (const group of onTheWay.get(jobId)?.keys() ?? []) jobOfGroup.delete(group);
    onTheWay.delete(jobId);
  };

  return {
    ownReplies: (run, replies) => (run.deliverTo.some((chat) => aliasOf(chat) === run.chat) ? saidBy(run, replies) : []),
    end: (run, replies) => {
      const elsewhere = run.deliverTo.filter((chat) => aliasOf(chat) !== run.chat);
      return { runId: run.runId, targets: targetsOf(elsewhere, saidBy(run, replies)) };
    },
    failure: (run, error) => ({
      runId: run.runId,
      notice: targetsOf(run.deliverTo, noticeOf(run, error)),
      alert: targetsOf(run.alertTo, [disabledAlert(run, error)]),
    }),
    aside: (run, error) => {
      const alert = targetsOf(run.alertTo, [asideAlert(run, error)]);
      return { runId: run.runId, notice: alert, alert, disables: true };
    },
    ended: (run, stored, { sentBy, isJobDisabled }) => {
      const unsettled = stored.filter((part) => part.status !== "sent");
      if (unsettled.length > 0) watch(run.jobId, unsettled);
      for (const chat of new Set(unsettled.map((part) => part.chat))) {
        if (chat !== sentBy)
          outgoing.stored(
            chat,
            unsettled.filter((part) => part.chat === chat),
          );
      }
      if (isJobDisabled) {
        log.error(
          { job: run.jobId, failures: run.disableAfter },
          "cron job disabled: too many of its runs failed, or its chat was put aside",
        );
        parts.disabled(run.jobId);
      }
      tell(run.jobId, { type: "run.ended", delivers: unsettled.length > 0 });
      // A chat in which only jobs have turns need not stay in memory until the next.
      const entry = isJobChat(run.chat) ? parts.chats.get(run.chat) : undefined;
      if (entry) void parts.chats.passivate(entry);
    },
    deferred: (run, delayMs) => tell(run.jobId, { type: "run.deferred", delayMs }),
    partSettled: ({ turnId: group, chat }, isLast) => {
      const jobId = jobOfGroup.get(group);
      if (jobId === undefined || !isLast) return;
      const groups = onTheWay.get(jobId);
      const chats = groups?.get(group);
      chats?.delete(chat);
      if (!chats || chats.size > 0) return;
      groups?.delete(group);
      jobOfGroup.delete(group);
      if (groups?.size !== 0) return;
      onTheWay.delete(jobId);
      tell(jobId, { type: "run.delivered" });
    },
    forget,
  };
}
