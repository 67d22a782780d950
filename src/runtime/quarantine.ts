/**
 * Puts a chat aside: its machine keeps crashing, its snapshot cannot be read, or its turn kills the process. The error is kept, the
 * person is told once, the siblings are untouched.
 */
import type { chatMachine } from "../../machines/chat.machine.ts";
import { type ChatContext } from "../../machines/chat.machine.ts";
import type { ChatKey } from "../core/chat-key.ts";
import { textContent } from "../core/content.ts";
import type { ErrorNote } from "../core/errors.ts";
import type { ChatRecord } from "../ports/store/records.ts";
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

  const tell = async (key: ChatKey, error: ErrorNote): Promise<void> => {
    if ((await store.kv.get(TOLD, key)) !== undefined) return;
    const { isDelivered } = parts.outgoing().wayOf(key);
    const notice = textContent(
      `Something in this conversation stops me from going on (${error.code}), so I have put it aside. Whoever runs me can bring it back.`,
    );
    const stored = await store.outbox.put(key, [notice], {
      groupId: `quarantine.${random.id()}`,
      delivered: isDelivered,
      atMs: clock.now(),
    });
    await store.kv.set(TOLD, key, clock.now());
    for (const part of stored) publishPart(kernel, part);
    if (!isDelivered) parts.outgoing().stored(key, stored);
  };

  const putAside = async (key: ChatKey, error: ErrorNote): Promise<void> => {
    const chats = parts.chats();
    const record = await store.chats.open(key);
    const entry = chats.get(key);
    if (!record || !entry) return;
    log.error({ chat: key, error }, "chat quarantined");
    // A snapshot that cannot be read is left as it is; the actor knows already.
    if (error.code !== "SNAPSHOT_UNREADABLE") {
      const write = quarantinedWrite(record, error, clock.now());
      const { openTurn } = record;
      const result = openTurn
        ? await store.turns.fail({
            chat: key,
            fence: record.fence,
            turnId: openTurn.turnId,
            error,
            outcome: "quarantine",
            reply: undefined,
            delivered: true,
            run: undefined,
            write,
            atMs: clock.now(),
          })
        : await store.chats.park(key, record.fence, write);
      if (result === "fenced") log.warn({ chat: key }, "chat changed while it was being put aside; looking again");
      chats.wake(key);
    }
    await tell(key, error);
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
