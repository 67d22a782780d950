/** How chats are shown to people. */
import { oneLine } from "./text.ts";
import { facts, table } from "./table.ts";
import { relative, when } from "./when.ts";
import type { WireChat, WireChatDetail, WireEvent, WirePage, WireWhy } from "../../http/wire.ts";

/** Width and time that a view is drawn for. */
export interface View {
  readonly columns: number | undefined;
  readonly nowMs: number;
}

const HISTORY_SHOWN = 10;
const OUTBOX_SHOWN = 10;

export function viewChats(page: WirePage<WireChat>, { columns, nowMs }: View): string {
  return table<WireChat>(
    page.items,
    [
      { title: "CHAT", cell: (chat) => chat.key, shrinksTo: 16 },
      { title: "STATE", cell: (chat) => chat.state },
      { title: "SINCE", cell: (chat) => when(chat.since, nowMs) },
      { title: "WAITING", cell: (chat) => (chat.waiting === 0 ? "" : String(chat.waiting)), right: true },
      { title: "LAST MESSAGE", cell: (chat) => when(chat.lastMessageAt ?? undefined, nowMs) },
      { title: "LAST REPLY", cell: (chat) => (chat.lastReplyAt == null ? "" : relative(chat.lastReplyAt - nowMs)) },
      { title: "ERROR", cell: (chat) => (chat.error == null ? "" : `${chat.error.code}: ${chat.error.message}`), shrinksTo: 12 },
    ],
    columns,
  );
}

export function viewChat(chat: WireChatDetail, view: View): string {
  const { columns, nowMs } = view;
  const head = facts(
    [
      ["chat", chat.key],
      ["state", `${chat.state}, since ${when(chat.since, nowMs)}`],
      ["address", chat.address],
      ["overlap", chat.overlap],
      ["waiting", String(chat.waiting)],
      [
        "turn",
        chat.turn == null
          ? undefined
          : `${chat.turn.turnId}, attempt ${chat.turn.attempt}, started ${when(chat.turn.startedAt, nowMs)}, ${chat.turn.steps} steps`,
      ],
      ["last message", when(chat.lastMessageAt ?? undefined, nowMs)],
      ["last reply", when(chat.lastReplyAt ?? undefined, nowMs)],
      ["error", chat.error == null ? undefined : `${chat.error.code}: ${chat.error.message}`],
      ["revision", String(chat.revision)],
      ["refused since", when(chat.unreachableSince, nowMs)],
    ],
    columns,
  );
  const history = chat.history.slice(-HISTORY_SHOWN);
  const unsettled = chat.outbox.filter((part) => part.status !== "sent").slice(-OUTBOX_SHOWN);
  const sections = [
    section("Timers", chat.timers.length, () =>
      table(
        chat.timers,
        [
          { title: "DUE", cell: (timer) => when(timer.dueAt, nowMs) },
          { title: "TIMER", cell: (timer) => timer.id, shrinksTo: 16 },
        ],
        columns,
      ),
    ),
    section("Waiting", chat.waitingRows.length, () =>
      table(
        chat.waitingRows,
        [
          { title: "SEQ", cell: (row) => String(row.seq), right: true },
          { title: "RECEIVED", cell: (row) => when(row.receivedAt, nowMs) },
          { title: "KIND", cell: (row) => row.kind },
          { title: "TEXT", cell: (row) => row.text, shrinksTo: 12 },
        ],
        columns,
      ),
    ),
    section(`Conversation (last ${history.length})`, history.length, () =>
      table(
        history,
        [
          { title: "AT", cell: (entry) => when(entry.at, nowMs) },
          { title: "WHO", cell: (entry) => entry.role },
          { title: "TEXT", cell: (entry) => entry.text, shrinksTo: 12 },
        ],
        columns,
      ),
    ),
    section("Replies not delivered", unsettled.length, () =>
      table(
        unsettled,
        [
          { title: "ID", cell: (part) => part.id, right: true },
          { title: "STATUS", cell: (part) => part.status },
          { title: "PART", cell: (part) => (part.of === 1 ? "" : `${part.part}/${part.of}`) },
          { title: "TRIES", cell: (part) => String(part.attempts), right: true },
          { title: "NEXT TRY", cell: (part) => when(part.nextTryAt ?? undefined, nowMs) },
          { title: "ERROR", cell: (part) => part.error?.message ?? "", shrinksTo: 12 },
          { title: "TEXT", cell: (part) => part.text, shrinksTo: 12 },
        ],
        columns,
      ),
    ),
  ];
  return [head, ...sections.filter((text) => text !== "")].join("\n\n");
}

function section(title: string, count: number, body: () => string): string {
  return count === 0 ? "" : `${title}\n${body()}`;
}

export function viewWhy(why: WireWhy, { nowMs }: View): string {
  const lines = [
    `${oneLine(why.key)} is ${oneLine(why.state)} since ${when(why.since, nowMs)}.`,
    oneLine(why.sentence),
    why.waitsFor == null ? "" : `It waits for: ${oneLine(why.waitsFor)}`,
    ...(why.endsBy ?? []).map((end) => `It ends by ${oneLine(end.event)}${end.atMs == null ? "" : ` at ${when(end.atMs, nowMs)}`}`),
  ];
  return lines.filter((line) => line !== "").join("\n");
}

export function viewEvents(page: WirePage<WireEvent>, { columns, nowMs }: View): string {
  return table(
    page.items,
    [
      { title: "REV", cell: (row) => String(row.revision), right: true },
      { title: "AT", cell: (row) => when(row.at, nowMs) },
      { title: "STATE", cell: (row) => (row.stateBefore === row.stateAfter ? row.stateAfter : `${row.stateBefore} -> ${row.stateAfter}`) },
      { title: "EVENTS", cell: (row) => row.events.map((event) => event.type).join(", "), shrinksTo: 12 },
    ],
    columns,
  );
}
