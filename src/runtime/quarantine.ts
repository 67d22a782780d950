/**
 * Puts a chat aside: its machine keeps crashing, its snapshot cannot be read, or its turn kills the process. The error is kept, the
 * person is told once, the siblings are untouched.
 */
import type { chatMachine } from "../../machines/chat.machine.ts";
import { type ChatContext } from "../../machines/chat.machine.ts";
import type { ChatKey } from "../core/chat-key.ts";
import { textContent, type Content } from "../core/content.ts";
import type { ErrorNote } from "../core/errors.ts";
import type { ChatRecord, OutboxPart } from "../ports/store/records.ts";
import type { SnapshotWrite } from "../ports/store/store.ts";
import type { Chats } from "./chats.ts";
import type { Kernel } from "./kernel.ts";
import { publishPart, type Outgoing } from "./turn-commit.ts";

const TOLD = "quarantine-told";

export function createQuarantine(
  kernel: Kernel,
  parts: { readonly chats: () => Chats; readonly outgoing: () => Outgoing },
): (key: ChatKey, error: ErrorNote) => void {
  const { store, clock, log, random } = kernel;

  const isTold = async (key: ChatKey): Promise<boolean> => (await store.kv.get(TOLD, key)) !== undefined;

  const noticeOf = (error: ErrorNote): Content =>
    textContent(
      `Something in this conversation stops me from going on (${error.code}), so I have put it aside. Whoever runs me can bring it back.`,
    );

  const publish = async (key: ChatKey, stored: readonly OutboxPart[]): Promise<void> => {
    for (const part of stored) publishPart(kernel, part);
    if (!parts.outgoing().wayOf(key).isDelivered) parts.outgoing().stored(key, stored);
    await store.kv.set(TOLD, key, clock.now());
  };

  const tell = async (key: ChatKey, error: ErrorNote): Promise<void> => {
    if (await isTold(key)) return;
    const { isDelivered } = parts.outgoing().wayOf(key);
    const options = { groupId: `quarantine.${random.id()}`, delivered: isDelivered, atMs: clock.now() };
    await publish(key, await store.outbox.put(key, [noticeOf(error)], options));
  };

  /** With the turn, the notice and the quarantine are one commit. */
  const failTurn = async (record: ChatRecord, turnId: string, error: ErrorNote, write: SnapshotWrite): Promise<"done" | "fenced"> => {
    const { key, fence } = record;
    const result = await store.turns.fail({
      chat: key,
      fence,
      turnId,
      error,
      outcome: "quarantine",
      reply: (await isTold(key)) ? undefined : noticeOf(error),
      delivered: parts.outgoing().wayOf(key).isDelivered,
      run: undefined,
      write,
      atMs: clock.now(),
    });
    if (result === "fenced") return "fenced";
    if (result.parts.length > 0) await publish(key, result.parts);
    return "done";
  };

  const putAside = async (key: ChatKey, error: ErrorNote): Promise<void> => {
    const chats = parts.chats();
    const record = await store.chats.open(key);
    const entry = chats.get(key);
    if (!record || !entry) return;
    log.error({ chat: key, error }, "chat quarantined");
    // A snapshot that cannot be read is left as it is; the actor knows already.
    if (error.code === "SNAPSHOT_UNREADABLE") return tell(key, error);
    const write = quarantinedWrite(record, error, clock.now());
    const { openTurn } = record;
    // Told first: a process that ends in between tells nobody twice, and comes here again.
    if (!openTurn) await tell(key, error);
    const result = openTurn ? await failTurn(record, openTurn.turnId, error, write) : await store.chats.park(key, record.fence, write);
    if (result === "fenced") log.warn({ chat: key }, "chat changed while it was being put aside; looking again");
    chats.wake(key);
  };

  return (key, error) => {
    putAside(key, error).catch((cause: unknown) => {
      log.error({ chat: key, err: cause }, "chat could not be put aside; trying again");
      parts.chats().wakeAt(key, clock.now() + 5_000);
    });
  };
}

/** Marks that the person may be told again at the next quarantine. */
export async function forgetTold(kernel: Pick<Kernel, "store">, key: ChatKey): Promise<void> {
  await kernel.store.kv.remove(TOLD, key);
}

function quarantinedWrite(record: ChatRecord, error: ErrorNote, nowMs: number): SnapshotWrite {
  const context: Partial<ChatContext> = {
    schemaVersion: 1,
    key: record.key,
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
