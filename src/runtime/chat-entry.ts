/** What the registry knows of one chat that is live, or about to be. */
import type { AnyActorRef, SnapshotFrom } from "xstate";
import type { chatMachine, ChatEvent } from "../../machines/chat.machine.ts";
import type { ChatKey } from "../core/chat-key.ts";
import type { ChatRecord } from "../ports/store/records.ts";
import type { Child } from "./registry.ts";
import type { Suspicion } from "./turn-queue.ts";

export type ChatSnapshot = SnapshotFrom<typeof chatMachine>;
export type ChatActor = Child<ChatEvent, ChatSnapshot> & AnyActorRef;

/** One live (or opening) chat. Small: there may be many. */
export interface ChatEntry {
  readonly key: ChatKey;
  /** Absent while it is being opened or restarted. */
  actor: ChatActor | undefined;
  fence: number;
  revision: number;
  address: string;
  state: string;
  sinceMs: number;
  /** State at the last stored revision. */
  storedState: string;
  /** What the machine got since then. */
  events: readonly ChatEvent[];
  /** Stored with its successor, and about to be sent. */
  storedEvent: ChatEvent | undefined;
  /** Present while mail is held back. */
  mail: ChatEvent[] | undefined;
  /** Its stored snapshot cannot be read: nothing overwrites it until a retry or reset. */
  isFrozen: boolean;
  /** Readings of its row so far: only the newest may open it. */
  readings: number;
  /** Appends under way: it is not passivated under them. */
  pins: number;
  /** Its open turn was running when a process died: failures counted so far, and since when it waits for its next attempt. */
  suspicion: Suspicion | undefined;
  /** Crashes of its machine lately, the first of them, and the revision from which it started then. */
  crashes: { count: number; sinceMs: number; revision: number } | undefined;
}

export const NO_EVENTS: readonly ChatEvent[] = [];

/** A chat that is about to be opened: its mail waits. */
export function newEntry(key: ChatKey, nowMs: number): ChatEntry {
  return {
    key,
    actor: undefined,
    fence: 0,
    revision: 0,
    address: "",
    state: "idle",
    sinceMs: nowMs,
    storedState: "idle",
    events: NO_EVENTS,
    storedEvent: undefined,
    mail: [],
    isFrozen: false,
    readings: 0,
    pins: 0,
    suspicion: undefined,
    crashes: undefined,
  };
}

/** Takes over what its row says. */
export function adopt(entry: ChatEntry, record: ChatRecord): void {
  entry.fence = record.fence;
  entry.revision = record.revision;
  entry.address = record.address;
  entry.storedState = record.state;
  const { openTurn } = record;
  entry.suspicion = openTurn?.status === "suspect" ? { failures: openTurn.failures, sinceMs: openTurn.startedAtMs } : undefined;
}
