/** What is stored of a chat's machine, and how it becomes an actor again. Only settled states are stored; what is invoked is never restored. */
import { CHAT_SCHEMA_VERSION, chatMachine, type ChatContext, type ChatInput } from "../../machines/chat.machine.ts";
import type { ChatRecord, StoredTimer } from "../ports/store/records.ts";
import type { AskedAction } from "./pure-step.ts";

/** States that go on after a restore as they were; all others start from idle, because rows wait. */
const RESTORED_AS_IS: ReadonlySet<unknown> = new Set(["backingOff", "asking", "quarantined"]);

/** A state value in dot notation. */
export function stateOf(value: unknown): string {
  if (typeof value === "string") return value;
  const [[parent, child] = ["?", "?"]] = Object.entries(value as Record<string, unknown>);
  return `${parent}.${stateOf(child)}`;
}

/** Written by a newer version, or by nobody. */
export function isUnreadable(record: ChatRecord): boolean {
  if (!record.snapshot) return false;
  const { value, context } = record.snapshot;
  const version = (context as Partial<ChatContext> | null)?.schemaVersion;
  return typeof value !== "string" || !(value in chatMachine.states) || typeof version !== "number" || version > CHAT_SCHEMA_VERSION;
}

/** The persisted snapshot to start from, in XState's form; undefined starts afresh. */
export function restore(record: ChatRecord, input: ChatInput): ReturnType<typeof chatMachine.getPersistedSnapshot> | undefined {
  if (!record.snapshot || isUnreadable(record)) return undefined;
  // A retry clears the error of the row; a waiting state without its timer would wait for ever.
  const isOver = record.snapshot.value === "backingOff" && record.openTurn?.failures === 0;
  const goesOn = record.snapshot.value === "quarantined" ? record.error !== undefined : record.timers.length > 0 && !isOver;
  const isKept = RESTORED_AS_IS.has(record.snapshot.value) && goesOn;
  const context = { ...(record.snapshot.context as ChatContext), ...input, waiting: 0 };
  const value = isKept ? record.snapshot.value : "idle";
  return { status: "active", value, context, children: {}, historyValue: {}, output: undefined, error: undefined } as unknown as ReturnType<
    typeof chatMachine.getPersistedSnapshot
  >;
}

/** Pending timers once `actions` have run: what the queue holds, less what is cancelled, with what is raised later. */
export function timersAfter(pending: readonly StoredTimer[], actions: readonly AskedAction[], nowMs: number): readonly StoredTimer[] {
  let timers = pending;
  for (const action of actions) {
    if (action.type === "xstate.cancel") {
      const { sendId } = action.params as { sendId: string };
      timers = timers.filter((timer) => timer.id !== sendId);
    } else if (action.type === "xstate.raise") {
      const { id, event, delay } = action.params as { id: string; event: { type: string }; delay?: number };
      if (delay !== undefined) timers = [...timers.filter((timer) => timer.id !== id), { id, event, dueAtMs: nowMs + delay }];
    }
  }
  return timers;
}
