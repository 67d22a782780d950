/**
 * Puts a chat aside: its machine keeps crashing, its snapshot cannot be read, or its turn kills the process. The error is kept in its row,
 * the person is told once, the siblings are untouched. Each step may be the last of a process: the next one goes on from what is stored.
 */
import { CHAT_SCHEMA_VERSION, type chatMachine, type ChatContext } from "../../machines/chat.machine.ts";
import type { ChatKey } from "../core/chat-key.ts";
import { textContent, type Content } from "../core/content.ts";
import type { ErrorNote } from "../core/errors.ts";
import type { ChatRecord, OpenTurn, OutboxPart } from "../ports/store/records.ts";
import type { SnapshotWrite } from "../ports/store/store.ts";
import type { Chats } from "./chats.ts";
import { pause, type Kernel } from "./kernel.ts";
import { publishPart, type Outgoing, type RunObserver } from "./turn-commit.ts";

/** Of a chat whose person is being told, before its row says so: the group of the notice. Absent otherwise. */
const TOLD = "quarantine-told";
/** Parts looked through for a notice. */
const PARTS_MAX = 1_000;
const AGAIN_MS = 5_000;

export function createQuarantine(
  kernel: Kernel,
  parts: { readonly chats: () => Chats; readonly outgoing: () => Outgoing; readonly runs: () => RunObserver },
): (key: ChatKey, error: ErrorNote) => void {
  const { store, clock, log, random, limits } = kernel;
  const underWay = new Set<ChatKey>();

  const noticeOf = (error: ErrorNote): Content =>
    textContent(
      `Something in this conversation stops me from going on (${error.code}), so I have put it aside. Whoever runs me can bring it back.`,
    );

  const publish = (key: ChatKey, stored: readonly OutboxPart[]): void => {
    for (const part of stored) publishPart(kernel, part);
    if (stored.length > 0 && !parts.outgoing().wayOf(key).isDelivered) parts.outgoing().stored(key, stored);
  };

  /** What was meant is stored before the notice, so that whoever comes after a crash in between finds out. */
  const tell = async (key: ChatKey, error: ErrorNote): Promise<void> => {
    const meant = await store.kv.get(TOLD, key);
    const groupId = typeof meant === "string" ? meant : `quarantine.${random.id()}`;
    if (typeof meant !== "string") await store.kv.set(TOLD, key, groupId);
    else if ((await store.outbox.newest(key, PARTS_MAX)).some((part) => part.turnId === groupId)) return;
    const { isDelivered } = parts.outgoing().wayOf(key);
    publish(key, await store.outbox.put(key, [noticeOf(error)], { groupId, delivered: isDelivered, atMs: clock.now() }));
  };

  /** With the turn, the notice and the quarantine are one commit. */
  const failTurn = async (record: ChatRecord, turn: OpenTurn, error: ErrorNote, write: SnapshotWrite): Promise<"done" | "fenced"> => {
    const { key, fence } = record;
    const policy = turn.runId === undefined ? undefined : await store.jobs.policy(turn.runId);
    const result = await store.turns.fail({
      chat: key,
      fence,
      turnId: turn.turnId,
      error,
      outcome: "quarantine",
      reply: noticeOf(error),
      delivered: parts.outgoing().wayOf(key).isDelivered,
      // A job whose chat is put aside would go on for nobody.
      run: policy && parts.runs().aside(policy, error),
      write,
      atMs: clock.now(),
    });
    if (result === "fenced") return "fenced";
    const isNotice = (part: OutboxPart): boolean => part.turnId === `${turn.turnId}.error`;
    publish(key, result.parts.filter(isNotice));
    if (policy) {
      const said = result.parts.filter((part) => !isNotice(part));
      parts.runs().ended(policy, said, { isJobDisabled: result.isJobDisabled ?? false });
    }
    return "done";
  };

  const setAside = async (record: ChatRecord, error: ErrorNote, isFrozen: boolean): Promise<"done" | "fenced"> => {
    const { key, fence, openTurn } = record;
    const write = quarantinedWrite(record, error, limits.turnTimeoutMs, clock.now());
    if (openTurn && !isFrozen) return failTurn(record, openTurn, error, write);
    await tell(key, error);
    // What cannot be read is left as it is; the row says why.
    const result = await store.chats.park(key, fence, isFrozen ? { ...write, snapshot: undefined } : write);
    if (result === "fenced") return "fenced";
    await forgetTold(kernel, key);
    return "done";
  };

  const putAside = async (key: ChatKey, error: ErrorNote): Promise<void> => {
    const chats = parts.chats();
    const record = await store.chats.open(key);
    const entry = chats.get(key);
    if (!record || !entry) return;
    const { isFrozen } = entry;
    if (isFrozen && record.state === "quarantined" && record.error?.code === error.code) return;
    log.error({ chat: key, error }, "chat quarantined");
    const result = await setAside(record, error, isFrozen);
    underWay.delete(key);
    if (result === "fenced") log.warn({ chat: key }, "chat changed while it was being put aside; looking again");
    if (result === "fenced" || !isFrozen) return again(key);
    // The actor of a chat that cannot be read is there already, and knows.
    Object.assign(entry, { storedState: "quarantined", revision: record.revision + 1 } satisfies Partial<typeof entry>);
  };

  const again = (key: ChatKey): void => {
    const chats = parts.chats();
    const entry = chats.get(key);
    if (entry?.actor) chats.discard(entry);
    else chats.wake(key);
  };

  return (key, error) => {
    if (underWay.has(key)) return;
    underWay.add(key);
    putAside(key, error)
      .catch((cause: unknown) => {
        log.error({ chat: key, err: cause }, "chat could not be put aside; trying again");
        underWay.delete(key);
        void pause(kernel, AGAIN_MS).then(() => kernel.closed.aborted || again(key));
      })
      .finally(() => underWay.delete(key));
  };
}

/** The person may be told again at the next quarantine. */
export async function forgetTold(kernel: Pick<Kernel, "store">, key: ChatKey): Promise<void> {
  await kernel.store.kv.remove(TOLD, key);
}

function quarantinedWrite(record: ChatRecord, error: ErrorNote, turnTimeoutMs: number, nowMs: number): SnapshotWrite {
  const context: ChatContext = {
    schemaVersion: CHAT_SCHEMA_VERSION,
    key: record.key,
    debounceMs: 0,
    turnTimeoutMs,
    waiting: record.waiting,
    turnClass: "interactive",
    suspect: false,
    failures: 0,
    delayMs: 0,
    questionId: null,
    error,
  };
  return {
    snapshot: { value: "quarantined" satisfies keyof typeof chatMachine.states, context },
    state: "quarantined",
    sinceMs: nowMs,
    timers: [],
    events: [{ type: "chat.quarantined" }],
    stateBefore: record.state,
    error,
    atMs: nowMs,
  };
}
