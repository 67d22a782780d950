/**
 * Puts conversations into a store as turns: for each hundred or so entries one message row, claimed and consumed by a turn whose commit
 * writes them into the history with their own instants. The name of the turn says how far the file was taken, so an interrupted run goes
 * on where it stopped and nothing is taken twice.
 */
import { createHash } from "node:crypto";
import { initialTransition } from "xstate";
import { chatMachine } from "../../../machines/chat.machine.ts";
import type { ChatKey } from "../../core/chat-key.ts";
import { textContent } from "../../core/content.ts";
import { invariant } from "../../core/errors.ts";
import { DEFAULT_LIMITS } from "../../core/limits.ts";
import type { ChatRecord, HistoryEntry } from "../../ports/store/records.ts";
import type { Claim, SnapshotWrite, Store } from "../../ports/store/store.ts";
import { isPlainObject } from "../config/plain-object.ts";
import type { OldEntry, OldSession } from "./old-sessions.ts";

/** Where the store keeps how much of which file a chat has. */
export const NAMESPACE = "satibot-migrate";
const ENTRIES_PER_TURN = 100;
const CHARS_PER_TURN = 512 * 1024;
const ROWS_MAX = 1_000_000;

/** What is looked at to decide; a store that is only read has it too. */
export interface HistoryView {
  readonly chats: Pick<Store["chats"], "open" | "history">;
  readonly kv: Pick<Store["kv"], "get">;
}

/** From which place of the file on to take, or why not. */
export type Decision =
  | { readonly type: "take"; readonly from: number }
  | { readonly type: "done"; readonly from: number }
  | { readonly type: "refused"; readonly why: string; readonly todo: string };

/** What is said about a second file of one chat. */
export function twinOf(chat: ChatKey, file: string): readonly [why: string, todo: string] {
  return [`${chat} has the history of sessions/${file} already`, "Rename one of the two files."];
}

/** Looks whether a session can go into its chat: only at its beginning, or right behind what was taken of it before. */
export async function decide(view: HistoryView, session: OldSession): Promise<Decision> {
  const { chat } = session;
  const [record, before, [newest]] = await Promise.all([
    view.chats.open(chat),
    view.kv.get(NAMESPACE, chat).then(readMark),
    view.chats.history(chat, 1),
  ]);
  const refused = (why: string, todo: string): Decision => ({ type: "refused", why, todo });
  if (before !== undefined && before.file !== session.file) return refused(...twinOf(chat, before.file));
  if (before !== undefined && (before.taken > session.total || session.hashOf(before.taken) !== before.sha256))
    return refused(
      `it was changed since ${before.taken} messages of it were taken`,
      "What was taken stays; new messages are found in the file.",
    );
  const behind = endOfTurn(newest?.turnId, session);
  const from = Math.max(before?.taken ?? 0, behind ?? 0);
  if (!session.entries.some((entry) => entry.place >= from)) return { type: "done", from };
  if (newest !== undefined && behind === undefined)
    return refused(
      `${chat} has a conversation here already, and older messages cannot go behind it`,
      `Archive that one with \`satibot chats reset ${chat}\` while the daemon runs, stop it, then run this again.`,
    );
  const isOurs = record?.openTurn !== undefined && endOfTurn(record.openTurn.turnId, session) !== undefined;
  if (record !== undefined && !isOurs && (record.waiting > 0 || record.openTurn !== undefined || record.state !== "idle"))
    return refused(
      `${chat} is not at rest (${record.state}, ${record.waiting} waiting)`,
      `Start satibot until \`satibot chats why ${chat}\` says idle, stop it, then run this again.`,
    );
  return { type: "take", from };
}

/**
 * Takes what `decide` allows; resolves to the number of entries taken, all of them committed.
 * @throws TransientError STORE_UNAVAILABLE; what was taken until then stays, and another run goes on from there
 */
export async function importSession(store: Store, session: OldSession, from: number, nowMs: number): Promise<number> {
  let taken = 0;
  for (const { entries, end } of portions(session, from)) {
    await commitPortion(store, session, entries, end, nowMs);
    await store.kv.set(NAMESPACE, session.chat, { file: session.file, taken: end, sha256: session.hashOf(end) });
    taken += entries.length;
  }
  return taken;
}

/** Makes a chat known with its address, so that something can be delivered to it; one that is known stays as it is. */
export async function meetChat(store: Store, chat: ChatKey, address: string, nowMs: number): Promise<void> {
  if ((await store.chats.open(chat)) !== undefined) return;
  const nothing: OldSession = { file: "cron_jobs.json", chat, address, total: 0, entries: [], hashOf: () => "" };
  await commitPortion(store, nothing, [], 0, nowMs);
}

function* portions(session: OldSession, from: number): Generator<{ readonly entries: readonly OldEntry[]; readonly end: number }> {
  let entries: OldEntry[] = [];
  let chars = 0;
  for (const entry of session.entries) {
    if (entry.place < from) continue;
    if (entries.length === ENTRIES_PER_TURN || (chars > 0 && chars + entry.text.length > CHARS_PER_TURN)) {
      yield { entries, end: entry.place };
      [entries, chars] = [[], 0];
    }
    entries.push(entry);
    chars += entry.text.length;
  }
  if (entries.length > 0) yield { entries, end: session.total };
}

async function commitPortion(store: Store, session: OldSession, entries: readonly OldEntry[], end: number, nowMs: number): Promise<void> {
  const { chat } = session;
  const record = await store.chats.open(chat);
  const turnId = nameOfTurn(session, end);
  // A run that ended between the two has left its turn open.
  const claim = record?.openTurn
    ? await store.turns.claim({ chat, turnId, rowsMax: 1, suspect: false, atMs: nowMs })
    : await appendRow(store, session, entries, turnId, nowMs);
  if (claim === undefined) return;
  const committed = await store.turns.commit({
    chat,
    fence: claim.fence,
    turnId: claim.turnId,
    rows: claim.rows.map((row) => ({ seq: row.seq, status: "consumed" })),
    history: entries.map((entry): HistoryEntry => ({ role: entry.role, content: textContent(entry.text), atMs: entry.atMs, turnId })),
    parts: [],
    delivery: "delivered",
    run: undefined,
    write: writeOf(chat, record, nowMs),
  });
  invariant(committed !== "fenced", `the import into ${chat} was fenced off although the store has one owner`);
}

/** The row that the turn consumes, claimed by the append that brings it; undefined when an earlier run has brought and ended it. */
async function appendRow(
  store: Store,
  { chat, address, file }: OldSession,
  entries: readonly OldEntry[],
  turnId: string,
  nowMs: number,
): Promise<Claim | undefined> {
  const [appended] = await store.inbox.append([
    {
      chat,
      address,
      kind: "message",
      turnClass: "interactive",
      content: textContent(`${entries.length} messages of ${file}, taken over from SatiBot`),
      sender: undefined,
      receivedAtMs: entries.at(-1)?.atMs ?? nowMs,
      dedupe: {
        scope: NAMESPACE,
        externalId: `${chat} ${turnId}`,
        bodyHash: createHash("sha256").update(JSON.stringify(entries)).digest("hex"),
      },
      inboxMax: ROWS_MAX,
      busyReply: undefined,
      open: false,
      claim: { turnId, suspect: false },
    },
  ]);
  if (appended?.status === "duplicate") return undefined;
  invariant(appended?.status === "accepted" && appended.claim, `the import into ${chat} was not claimed (${appended?.status})`);
  return appended.claim;
}

/** The machine as it was, or as a chat begins; the event tells the log where the history comes from. */
function writeOf(chat: ChatKey, record: ChatRecord | undefined, nowMs: number): SnapshotWrite {
  const [fresh] = initialTransition(chatMachine, { key: chat, debounceMs: 0, turnTimeoutMs: DEFAULT_LIMITS.turnTimeoutMs });
  return {
    snapshot: record?.snapshot ?? { value: fresh.value, context: fresh.context },
    state: "idle",
    sinceMs: record?.sinceMs ?? nowMs,
    timers: record?.timers ?? [],
    events: [{ type: "chat.imported" }],
    stateBefore: record?.state ?? "idle",
    error: undefined,
    atMs: nowMs,
  };
}

/** Says how far a file was taken, so that nothing beside the turn need be stored. */
function nameOfTurn({ file }: OldSession, end: number): string {
  return `${NAMESPACE}:${createHash("sha256").update(file).digest("hex").slice(0, 16)}:${end}`;
}

function endOfTurn(turnId: string | undefined, session: OldSession): number | undefined {
  const end = Number(turnId?.split(":")[2]);
  return turnId !== undefined && Number.isSafeInteger(end) && turnId === nameOfTurn(session, end) ? end : undefined;
}

interface Mark {
  readonly file: string;
  /** Messages of the file that were looked at, from its beginning. */
  readonly taken: number;
  readonly sha256: string;
}

function readMark(value: unknown): Mark | undefined {
  if (!isPlainObject(value)) return undefined;
  const { file, taken, sha256 } = value;
  return typeof file === "string" && typeof taken === "number" && typeof sha256 === "string" ? { file, taken, sha256 } : undefined;
}
