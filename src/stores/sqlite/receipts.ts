/** What platforms say of parts that they took. */
import type { ReceiptRow } from "../../ports/store/outbox-store.ts";
import { chain } from "./chain.ts";
import { readable, text, type ChatRow } from "./chat-row.ts";
import type { Engine } from "./engine.ts";
import { noteOfRun } from "./parts.ts";
import type { PartSql } from "./rows.ts";

/** Newest parts of a chat in which a receipt looks for its own: mostly it is among the last ones. */
const PARTS_BACK = [20, 500];
/** A later word of lower rank, which platforms may send out of order, changes nothing. */
const RANKS = { delivered: 1, read: 2, failed: 3 } as const;

function partOf(engine: Engine, chat: ChatRow, platformId: string): PartSql | undefined {
  for (const limit of PARTS_BACK) {
    const newest = chain<PartSql>(engine, "outbox", { chatId: chat.id, head: chat.outbox, limit });
    const part = newest.findLast((row) => row.platform_id === platformId);
    if (part || newest.length < limit) return part;
  }
  return undefined;
}

export function receive(engine: Engine, receipts: readonly ReceiptRow[]): readonly number[] {
  const unknown: number[] = [];
  for (const [place, { chat: key, platformId, receipt, error }] of receipts.entries()) {
    const chat = engine.chat(key);
    const part = chat && partOf(engine, chat, platformId);
    if (!part) {
      unknown.push(place);
      continue;
    }
    const before = readable<{ readonly status: keyof typeof RANKS }>(part.receipt);
    if (before && RANKS[before.status] >= RANKS[receipt.status]) continue;
    engine.run("UPDATE outbox SET receipt = ? WHERE id = ?", text(receipt), part.id);
    if (receipt.status !== "failed" || part.status !== "sent") continue;
    engine.run("UPDATE outbox SET status = 'dead', error = ? WHERE id = ?", text(error), part.id);
    if (part.run_id !== null) noteOfRun(engine, part.run_id, { unsettled: 0, undelivered: 1 });
  }
  return unknown;
}
