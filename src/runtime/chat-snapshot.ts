/**
 * What is stored of a chat's machine, how it is read whatever version wrote it, and how it becomes an actor again. Only settled states are
 * stored; what is invoked is never restored.
 */
import { CHAT_MIGRATIONS, faultOf, type ChatMigration, type StoredChat } from "../../machines/chat-migrations.ts";
import { CHAT_SCHEMA_VERSION, chatMachine, type ChatContext, type ChatInput } from "../../machines/chat.machine.ts";
import type { ChatKey } from "../core/chat-key.ts";
import { noteOf, type ErrorNote } from "../core/errors.ts";
import type { ChatRecord, StoredTimer } from "../ports/store/records.ts";
import type { AskedAction } from "./pure-step.ts";

/** States that go on after a restore as they were; all others start from idle, because rows wait. */
const RESTORED_AS_IS: ReadonlySet<unknown> = new Set(["backingOff", "asking", "quarantined"]);
/** More than a chat can have. */
const TIMERS_MAX = 100;

/** A state value in dot notation. */
export function stateOf(value: unknown): string {
  if (typeof value === "string") return value;
  const [[parent, child] = ["?", "?"]] = Object.entries(value as Record<string, unknown>);
  return `${parent}.${stateOf(child)}`;
}

/** What stands in a chat's row: nothing yet, something that can be restored, or something that cannot. */
export type SnapshotReading =
  | { readonly type: "none" }
  | { readonly type: "readable"; readonly value: string; readonly context: ChatContext; readonly timers: readonly StoredTimer[] }
  | { readonly type: "unreadable"; readonly error: ErrorNote };

export interface SnapshotReader {
  /** Never throws: whatever stands in a row, it concerns that chat alone. Migrates in memory; the next commit of the chat stores it. */
  readonly read: (record: Pick<ChatRecord, "key" | "snapshot" | "timers" | "damaged">) => SnapshotReading;
}

/**
 * Reads snapshots of this version and of those before it.
 * @param options.version - the version that is read without a migration
 * @param options.migrations - one for each version before it, in order; the last leads to `version`
 */
export function createSnapshotReader(
  options: { readonly version?: number; readonly migrations?: readonly ChatMigration[] } = {},
): SnapshotReader {
  const { version = CHAT_SCHEMA_VERSION, migrations = CHAT_MIGRATIONS } = options;
  const oldest = version - migrations.length;

  const migrated = (stored: StoredChat, from: number): StoredChat => {
    let chat = stored;
    for (let at = from; at < version; at += 1) {
      const { value, context, timers } = migrations[at - oldest]!(chat);
      chat = { value, context: { ...context, schemaVersion: at + 1 }, timers };
    }
    return chat;
  };

  const read = ({ key, snapshot, timers, damaged = [] }: Parameters<SnapshotReader["read"]>[0]): SnapshotReading => {
    const unreadable = (why: string): SnapshotReading => unreadableOf(key, why);
    if (damaged.length > 0) return unreadable(`the columns ${damaged.join(", ")} of its row are damaged`);
    if (!snapshot) return { type: "none" };
    const { value, context } = snapshot;
    if (!isPlain(context)) return unreadable("its snapshot has no context");
    if (timers.length > TIMERS_MAX) return unreadable(`it has ${timers.length} timers`);
    const from = context.schemaVersion;
    if (typeof from !== "number" || !Number.isSafeInteger(from)) return unreadable("its snapshot has no version");
    if (from > version) return unreadable(`a newer satibot stored it (version ${from}, this one knows ${version}); start that one again`);
    if (from < oldest) return unreadable(`it is of version ${from}, and this satibot reads ${oldest} to ${version}`);
    const chat = migrated({ value, context, timers }, from);
    const fault = faultOf(chat);
    if (fault !== undefined) return unreadable(fault);
    // Its parts have just been looked at, one by one.
    const checked = chat as { value: string; context: Record<string, unknown> & ChatContext; timers: readonly StoredTimer[] };
    return { type: "readable", ...checked };
  };

  return {
    read: (record) => {
      try {
        return read(record);
      } catch (error) {
        return unreadableOf(record.key, `a migration failed: ${noteOf(error).message}`);
      }
    },
  };
}

function unreadableOf(key: ChatKey, why: string): SnapshotReading {
  const remedy = `\`satibot chats retry ${key}\` starts it afresh and keeps what waits; \`satibot chats reset ${key}\` begins anew`;
  return {
    type: "unreadable",
    error: { code: "SNAPSHOT_UNREADABLE", message: `its stored snapshot cannot be read: ${why.slice(0, 200)}; ${remedy}` },
  };
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

interface Restored {
  /** In XState's form. */
  readonly snapshot: ReturnType<typeof chatMachine.getPersistedSnapshot>;
  readonly value: string;
  /** Still to be armed. */
  readonly timers: readonly StoredTimer[];
}

/** What the actor of a chat starts from; undefined starts afresh. */
export function restore(record: ChatRecord, reading: SnapshotReading, input: ChatInput): Restored | undefined {
  if (reading.type !== "readable") return undefined;
  const delayed = chatMachine.states[reading.value]?.after;
  const timers = reading.timers.filter((timer) => delayed?.some((edge) => edge.eventType === timer.event.type));
  // A retry or a /stop has ended what it backed off from; a waiting state without its timer would wait for ever.
  const isOver = reading.value === "backingOff" && !record.openTurn?.failures;
  const goesOn = reading.value === "quarantined" ? record.error !== undefined : timers.length > 0 && !isOver;
  const isKept = RESTORED_AS_IS.has(reading.value) && goesOn;
  const context = { ...reading.context, ...input, waiting: 0 };
  const value = isKept ? reading.value : "idle";
  const snapshot = { status: "active", value, context, children: {}, historyValue: {}, output: undefined, error: undefined };
  return { snapshot: snapshot as unknown as Restored["snapshot"], value, timers: isKept ? timers : [] };
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
