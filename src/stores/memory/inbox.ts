import type { ChatKey } from "../../core/chat-key.ts";
import type { InboxRow, Page, PageRequest } from "../../ports/store/records.ts";
import type { AppendRequest, AppendResult, DedupeKey } from "../../ports/store/store.ts";
import { meet, recordOf, rowOf, seqOf, type Chat, type Disk, type Row } from "./disk.ts";
import { findOrdered, placeFrom } from "./ordered.ts";
import { putParts } from "./outbox.ts";
import { begin } from "./turns.ts";

/** Commands and answers may exceed the limit of messages by this factor. */
const COMMANDS_FACTOR = 10;
const COMMANDS_MAX = 100;

export function append(disk: Disk, requests: readonly AppendRequest[]): readonly AppendResult[] {
  return requests.map((request) => appendOne(disk, request, undefined));
}

const updateOf = ({ scope, externalId }: DedupeKey): string => `${scope.length}:${scope}${externalId}`;

/** `runId` is set for the row of a cron instant. */
export function appendOne(disk: Disk, request: AppendRequest, runId: string | undefined): AppendResult {
  const known = request.dedupe && disk.updates.get(updateOf(request.dedupe));
  if (known) {
    if (known.bodyHash !== request.dedupe?.bodyHash) return { status: "conflict" };
    return known.seq === 0 ? { status: "full", reply: undefined } : { status: "duplicate", seq: known.seq };
  }
  const chat = disk.chats.get(request.chat);
  const edited = chat && edit(disk, chat, request);
  if (edited) return edited;
  const isFull =
    request.kind === "message"
      ? (chat?.waiting.length ?? 0) >= request.inboxMax
      : (chat?.commands.length ?? 0) >= request.inboxMax * COMMANDS_FACTOR;
  return isFull ? refuse(disk, request) : accept(disk, meet(disk, request.chat, request.address, request.receivedAtMs), request, runId);
}

/** The content takes the place of the one it changes, while that waits in no turn. */
function edit(disk: Disk, chat: Chat, request: AppendRequest): AppendResult | undefined {
  const { dedupe, editOf, kind, content } = request;
  const seq = dedupe && editOf !== undefined ? disk.updates.get(updateOf({ ...dedupe, externalId: editOf }))?.seq : undefined;
  const row = seq === undefined || kind !== "message" ? undefined : findOrdered(chat.waiting, seq, seqOf);
  if (!row || row.turnId !== undefined) return undefined;
  row.content = content;
  noteUpdate(disk, request, row.seq);
  return { status: "edited", seq: row.seq };
}

function refuse(disk: Disk, request: AppendRequest): AppendResult {
  const { busyReply } = request;
  if (!busyReply) return { status: "full", reply: undefined };
  noteUpdate(disk, request, 0);
  const chat = meet(disk, request.chat, request.address, request.receivedAtMs);
  if (chat.busyAtMs !== undefined && request.receivedAtMs - chat.busyAtMs < busyReply.everyMs) return { status: "full", reply: undefined };
  chat.busyAtMs = request.receivedAtMs;
  const groupId = `busy.${chat.lastPart + 1}`;
  const [reply] = putParts(chat, [busyReply.content], {
    groupId,
    first: "waiting",
    rest: "waiting",
    atMs: request.receivedAtMs,
    inReplyTo: [],
  });
  return { status: "full", reply };
}

function accept(disk: Disk, chat: Chat, request: AppendRequest, runId: string | undefined): AppendResult {
  const row: Row = {
    seq: ++chat.lastSeq,
    kind: request.kind,
    turnClass: request.turnClass,
    content: request.content,
    sender: request.sender && { ...request.sender },
    receivedAtMs: request.receivedAtMs,
    status: "waiting",
    turnId: undefined,
    runId,
  };
  const isSole = row.kind === "message" && chat.waiting.length === 0 && !chat.openTurn && chat.state !== "quarantined";
  // A name that the chat knows already is no claim: one append of a batch must not fail the others.
  const asked = isSole && request.claim && !chat.turns.has(request.claim.turnId) ? request.claim : undefined;
  chat.rows.push(row);
  (row.kind === "message" ? chat.waiting : chat.commands).push(row);
  chat.busy.add(chat);
  chat.lastMessageAtMs = request.receivedAtMs;
  // Its person is there again.
  if (chat.settings.unreachable !== undefined) {
    const { unreachable: _, ...settings } = chat.settings;
    chat.settings = settings;
  }
  noteUpdate(disk, request, row.seq);
  const claim = asked && begin(disk, chat, { ...asked, atMs: request.receivedAtMs }, [row]);
  return { status: "accepted", seq: row.seq, chat: request.open ? recordOf(chat) : undefined, claim };
}

function noteUpdate(disk: Disk, { dedupe, receivedAtMs }: AppendRequest, seq: number): void {
  if (dedupe) disk.updates.set(updateOf(dedupe), { bodyHash: dedupe.bodyHash, seq, atMs: receivedAtMs });
}

export function waiting(disk: Disk, key: ChatKey, page: PageRequest): Page<InboxRow> {
  const chat = disk.chats.get(key);
  if (!chat) return { items: [], next: undefined };
  const after = Number(page.cursor ?? 0);
  const rows = [chat.waiting, chat.commands]
    .flatMap((queue) => {
      const first = placeFrom(queue, after + 1, seqOf);
      return queue.slice(first, first + page.limit + 1);
    })
    .sort((a, b) => a.seq - b.seq);
  const items = rows.slice(0, page.limit).map((row) => rowOf(chat, row));
  return { items, next: rows.length > page.limit ? String(items.at(-1)?.seq) : undefined };
}

export function commands(disk: Disk, key: ChatKey): readonly InboxRow[] {
  const chat = disk.chats.get(key);
  return chat ? chat.commands.slice(0, COMMANDS_MAX).map((row) => rowOf(chat, row)) : [];
}
