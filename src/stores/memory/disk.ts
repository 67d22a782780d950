/**
 * What a memory store holds: plain mutable rows that never leave it. Each chat carries its own queues (waiting messages, waiting
 * commands, unsettled parts), so an append, claim, commit, take or settle touches one chat and nothing else.
 */
import { channelOf, type ChatKey } from "../../core/chat-key.ts";
import type { Content } from "../../core/content.ts";
import type { ErrorNote } from "../../core/errors.ts";
import type {
  ChatRecord,
  EventRecord,
  HistoryEntry,
  InboxRow,
  InboxStatus,
  JournalEntry,
  OpenTurn,
  OutboxPart,
  PartStatus,
  StoredSnapshot,
  StoredTimer,
  TurnRecord,
  TurnStatus,
} from "../../ports/store/records.ts";
import type { JobRecord, RunPolicy, RunRecord } from "../../ports/store/job-records.ts";

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

export interface Row extends Omit<InboxRow, "chat" | "status" | "turnId" | "content"> {
  content: Content;
  status: InboxStatus;
  turnId: string | undefined;
  /** Run of the cron instant that appended it. */
  readonly runId: string | undefined;
}

export interface Turn {
  readonly turnId: string;
  status: TurnStatus;
  attempt: number;
  failures: number;
  /** The attempt runs in the suspect slot. */
  suspect: boolean;
  startedAtMs: number;
  endedAtMs: number | undefined;
  error: ErrorNote | undefined;
  readonly rows: readonly Row[];
  readonly runId: string | undefined;
  /** By place. */
  readonly journal: JournalEntry[];
}

export interface Part extends Mutable<Omit<OutboxPart, "id" | "chat">> {
  /** From 1 within the chat, in commit order. */
  readonly number: number;
  status: PartStatus;
  /** Instant from which its age counts: creation, or when a person revived it. */
  ageFromMs: number;
  readonly runId: string | undefined;
  /** The turn of the draft ended while it was on its way. */
  isEnding: boolean;
}

export interface Chat extends Mutable<
  Pick<ChatRecord, "address" | "fence" | "revision" | "state" | "sinceMs" | "settings" | "lastMessageAtMs" | "lastReplyAtMs" | "error">
> {
  readonly id: number;
  readonly key: ChatKey;
  readonly channel: string;
  /** Of the disk: chats in which something may wait. Whoever adds a row or a part adds its chat; whoever looks takes out the others. */
  readonly busy: Set<Chat>;
  /** JSON text: what comes back is never what went in. */
  snapshot: string | undefined;
  timers: readonly StoredTimer[];
  busyAtMs: number | undefined;
  openTurn: Turn | undefined;
  lastSeq: number;
  lastPart: number;
  /** All rows kept, ascending by sequence number. */
  rows: Row[];
  /** Waiting rows: messages, and commands with answers. */
  readonly waiting: Row[];
  readonly commands: Row[];
  readonly turns: Map<string, Turn>;
  history: HistoryEntry[];
  archive: HistoryEntry[];
  /** All parts kept, and those not settled; ascending by number. */
  parts: Part[];
  readonly unsettled: Part[];
  events: EventRecord[];
}

export interface Run extends Mutable<RunRecord> {
  /** Undefined for instants that passed. */
  readonly policy: RunPolicy | undefined;
  /** Parts that are on their way, and those that will not arrive. */
  unsettled: number;
  undelivered: number;
}

/** An update seen. Sequence number 0 marks one that was refused. */
export interface Update {
  readonly bodyHash: string;
  readonly seq: number;
  readonly atMs: number;
}

export interface Disk {
  readonly chats: Map<ChatKey, Chat>;
  readonly chatsById: Map<number, Chat>;
  readonly busy: Set<Chat>;
  /** Chats with at least one stored timer. */
  readonly timed: Set<Chat>;
  readonly updates: Map<string, Update>;
  readonly jobs: Map<string, JobRecord>;
  /** All ids ascending, until one is added or removed. */
  jobIds: readonly string[] | undefined;
  /** No active job starts before; it may be too early, never too late. */
  soonestStartMs: number;
  readonly runs: Map<string, Run>;
  /** Runs of each job that are under way. */
  readonly underWay: Map<string, Set<Run>>;
  /** Runs of each job, ascending by instant. */
  readonly runsOfJob: Map<string, Run[]>;
  readonly kv: Map<string, Map<string, string>>;
  readonly nodes: Map<string, number>;
  readonly aliases: Map<ChatKey, ChatKey>;
  lastChatId: number;
  /** All chat keys ascending, but for the ones met since. */
  sortedKeys: ChatKey[];
  newKeys: ChatKey[];
}

export function createDisk(): Disk {
  return {
    chats: new Map(),
    chatsById: new Map(),
    busy: new Set(),
    timed: new Set(),
    updates: new Map(),
    jobs: new Map(),
    jobIds: undefined,
    soonestStartMs: Number.POSITIVE_INFINITY,
    runs: new Map(),
    underWay: new Map(),
    runsOfJob: new Map(),
    kv: new Map(),
    nodes: new Map(),
    aliases: new Map(),
    lastChatId: 0,
    sortedKeys: [],
    newKeys: [],
  };
}

export const seqOf = (row: Row): number => row.seq;
export const numberOf = (part: Part): number => part.number;
export const instantOf = (run: Run): number => run.instantMs;
export const revisionOf = (event: EventRecord): number => event.revision;
export const placeOf = (entry: JournalEntry): number => entry.place;

/** The chat, made at first contact. One that a delivery made before its person wrote learns its address from the first message. */
export function meet(disk: Disk, key: ChatKey, address: string, atMs: number): Chat {
  const known = disk.chats.get(key);
  if (known) {
    if (known.address === "") known.address = address;
    return known;
  }
  const chat: Chat = {
    id: ++disk.lastChatId,
    busy: disk.busy,
    key,
    channel: channelOf(key),
    address,
    fence: 0,
    revision: 0,
    snapshot: undefined,
    timers: [],
    state: "idle",
    sinceMs: atMs,
    settings: {},
    lastMessageAtMs: undefined,
    lastReplyAtMs: undefined,
    error: undefined,
    busyAtMs: undefined,
    openTurn: undefined,
    lastSeq: 0,
    lastPart: 0,
    rows: [],
    waiting: [],
    commands: [],
    turns: new Map(),
    history: [],
    archive: [],
    parts: [],
    unsettled: [],
    events: [],
  };
  disk.chats.set(key, chat);
  disk.chatsById.set(chat.id, chat);
  disk.newKeys.push(key);
  return chat;
}

/** All keys ascending; sorting what is nearly sorted costs one pass. */
export function keysOf(disk: Disk): readonly ChatKey[] {
  if (disk.newKeys.length > 0) {
    disk.sortedKeys = disk.sortedKeys.concat(disk.newKeys).sort(byText);
    disk.newKeys = [];
  }
  return disk.sortedKeys;
}

export function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function recordOf(chat: Chat): ChatRecord {
  const { openTurn } = chat;
  return {
    key: chat.key,
    channel: chat.channel,
    address: chat.address,
    fence: chat.fence,
    revision: chat.revision,
    snapshot: chat.snapshot === undefined ? undefined : (JSON.parse(chat.snapshot) as StoredSnapshot),
    timers: chat.timers.map((timer) => ({ ...timer })),
    state: chat.state,
    sinceMs: chat.sinceMs,
    waiting: chat.waiting.length,
    waitingCommands: chat.commands.length,
    waitingClass: chat.waiting[0]?.turnClass,
    unsettledParts: chat.unsettled.length,
    openTurn: openTurn && openTurnOf(openTurn),
    settings: { ...chat.settings },
    lastMessageAtMs: chat.lastMessageAtMs,
    lastReplyAtMs: chat.lastReplyAtMs,
    error: chat.error && { ...chat.error },
  };
}

function openTurnOf({ turnId, status, attempt, failures, startedAtMs, runId }: Turn): OpenTurn {
  return { turnId, status, attempt, failures, startedAtMs, ...(runId === undefined ? {} : { runId }) };
}

export function turnOf(chat: Chat, turn: Turn): TurnRecord {
  return { chat: chat.key, ...openTurnOf(turn), endedAtMs: turn.endedAtMs, error: turn.error && { ...turn.error } };
}

export function rowOf(chat: Chat, row: Row): InboxRow {
  const { seq, kind, turnClass, content, sender, receivedAtMs, status, turnId } = row;
  return { chat: chat.key, seq, kind, turnClass, content, sender, receivedAtMs, status, turnId };
}

export function runOf(run: Run): RunRecord {
  const { runId, jobId, instantMs, count, firstMs, trigger, startedAtMs, endedAtMs, status, delivery, error } = run;
  return { runId, jobId, instantMs, count, firstMs, trigger, startedAtMs, endedAtMs, status, delivery, error: error && { ...error } };
}
