/** What the end of a turn came to when the store's answer to it was lost. */
import type { ChatKey } from "../core/chat-key.ts";
import type { OutboxPart } from "../ports/store/records.ts";
import type { RunEnd } from "../ports/store/job-store.ts";
import type { Claim, FailCommit, Store } from "../ports/store/store.ts";

/** Parts looked through for those of one turn: more than a turn may have. */
const PARTS_MAX = 1_000;

/** The answer to `turns.commit` of this claim if it is committed; undefined when it is not, or somebody else has the chat by now. */
export async function committedTurn(
  store: Store,
  claim: Claim,
  run: RunEnd | undefined,
): Promise<{ readonly parts: readonly OutboxPart[]; readonly revision: number; readonly waiting: number } | undefined> {
  const record = await store.chats.open(claim.chat);
  if (record?.fence !== claim.fence || !(await hasEnded(store, claim, "done"))) return undefined;
  const chats = [claim.chat, ...(run?.targets ?? []).map((target) => target.chat)];
  const parts = await Promise.all(chats.map((chat) => partsOf(store, chat, claim.turnId)));
  return { parts: parts.flat(), revision: record.revision, waiting: record.waiting };
}

/** The same for `turns.fail`. */
export async function failedTurn(
  store: Store,
  claim: Claim,
  { outcome, run }: FailCommit,
): Promise<Exclude<Awaited<ReturnType<Store["turns"]["fail"]>>, "fenced"> | undefined> {
  const record = await store.chats.open(claim.chat);
  if (!record) return undefined;
  const { openTurn, fence, revision, waiting } = record;
  const isGivenUp = outcome === "giveUp" && fence === claim.fence && (await hasEnded(store, claim, "failed"));
  const isPutBack =
    outcome !== "giveUp" && openTurn?.turnId === claim.turnId && openTurn.attempt === claim.attempt && openTurn.status === "waiting";
  if (!isGivenUp && !isPutBack) return undefined;
  const own = await partsOf(store, claim.chat, `${claim.turnId}.error`);
  const ended = isGivenUp ? claim.rows.length : 0;
  if (!run || !claim.run) return { parts: own, revision, ended, waiting };
  const chats = new Set([...run.notice, ...run.alert].map((target) => target.chat));
  const parts = await Promise.all([...chats].map((chat) => partsOf(store, chat, `${claim.turnId}.failure`)));
  const isJobDisabled = (await store.jobs.get(claim.run.jobId))?.status === "disabled";
  return { parts: [...own, ...parts.flat()], revision, ended, waiting, isJobDisabled };
}

async function hasEnded(store: Store, { chat, turnId }: Claim, status: "done" | "failed"): Promise<boolean> {
  const [newest] = await store.turns.list(chat, 1);
  return newest?.turnId === turnId && newest.status === status;
}

async function partsOf(store: Store, chat: ChatKey, groupId: string): Promise<readonly OutboxPart[]> {
  return (await store.outbox.newest(chat, PARTS_MAX)).filter((part) => part.turnId === groupId);
}
