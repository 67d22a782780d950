/** Opens what a power cut left, as the next start would, and looks for all that was acknowledged. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { textOf } from "../../src/core/content.ts";
import type { HistoryEntry, InboxRow, OutboxPart, TurnRecord } from "../../src/ports/store/records.ts";
import { connectWriter } from "../../src/stores/sqlite/connection.ts";
import { createEngine } from "../../src/stores/sqlite/engine.ts";
import { createOperations, type Operations } from "../../src/stores/sqlite/operations.ts";
import { appendRequest } from "../../src/testing/store-rows.ts";
import type { Fact } from "./recording.ts";

interface Kept {
  readonly inbox: readonly InboxRow[];
  readonly turns: readonly TurnRecord[];
  readonly history: readonly HistoryEntry[];
  readonly outbox: readonly OutboxPart[];
}

/** Every broken promise as a sentence. */
export async function faultsAfter(files: ReadonlyMap<string, Uint8Array>, acknowledged: readonly Fact[]): Promise<readonly string[]> {
  const dir = await mkdtemp(join(tmpdir(), "satibot-cut-"));
  try {
    for (const [name, bytes] of files) await writeFile(join(dir, name), bytes);
    return await check(join(dir, "store.db"), acknowledged);
  } catch (error) {
    return [`it does not open: ${error instanceof Error ? error.message : String(error)}`];
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function check(file: string, acknowledged: readonly Fact[]): Promise<readonly string[]> {
  const db = await connectWriter(file);
  try {
    const { integrity_check: verdict } = db.prepare("PRAGMA integrity_check").get() as { integrity_check: string };
    if (verdict !== "ok") return [`its integrity check says ${verdict}`];
    const engine = createEngine(db);
    const operations = createOperations(engine);
    const { read } = operations;
    const faults: string[] = [];
    for (const chat of new Set(acknowledged.flatMap((fact) => (fact.chat === "" ? [] : [fact.chat])))) {
      const key = chat as `sim:${string}`;
      const own = acknowledged.filter((fact) => fact.chat === chat);
      const kept = read["chats.export"](key) as unknown as Kept | undefined;
      faults.push(
        ...(kept ? faultsOfChat(own, kept) : [own.some((fact) => fact.op !== "cell") ? "it is unknown" : ""]).map(
          (fault) => `${chat}: ${fault}`,
        ),
      );
      const cell = Number(read["kv.get"]("offsets", key) ?? 0);
      const told = Math.max(0, ...own.flatMap((fact) => (fact.op === "cell" ? [fact.n] : [])));
      if (cell < told) faults.push(`${chat}: its cell says ${cell}, and ${told} was acknowledged`);
      faults.push(...redelivered(key, own, operations));
    }
    return faults.filter((fault) => !fault.endsWith(": "));
  } finally {
    db.close();
  }
}

const byText = (a = "", b = ""): number => a.localeCompare(b);

function faultsOfChat(own: readonly Fact[], { inbox, turns, history, outbox }: Kept): readonly string[] {
  const faults: string[] = [];
  const rows = new Map(inbox.map((row) => [row.seq, row]));
  for (const { op, n, seq, turnId } of own) {
    if (op === "append" && !(seq !== undefined && textOf(rows.get(seq)?.content ?? []).startsWith(`m${n} `)))
      faults.push(`message ${n} was acknowledged and is lost`);
    if (op === "commit" && turns.find((turn) => turn.turnId === turnId)?.status !== "done")
      faults.push(`turn ${turnId} was acknowledged and is lost`);
    if (op === "settle" && outbox.find((part) => part.turnId === turnId)?.status !== "sent")
      faults.push(`the end of the send of ${turnId} was acknowledged and is lost`);
    if (op === "refused") faults.push(`a call was told to be stored that the store cannot take`);
  }
  // Whole or not at all, acknowledged or not.
  const done = turns.filter((turn) => turn.status === "done").map((turn) => turn.turnId);
  const ended = inbox.filter((row) => row.status === "consumed").map((row) => row.turnId);
  const asked = history.filter((entry) => entry.role === "user").map((entry) => entry.turnId);
  const answered = history.filter((entry) => entry.role === "assistant").map((entry) => entry.turnId);
  const replies = outbox.map((part) => part.turnId);
  for (const [what, ids] of Object.entries({ rows: ended, "history of the person": asked, "history of the bot": answered, replies }))
    if (ids.toSorted(byText).join() !== done.toSorted(byText).join())
      faults.push(`half a commit: ${done.length} turns are done, and the ${what} have ${ids.length}`);
  return faults;
}

/** The platform offers its last updates again: each must be there exactly once, whatever was acknowledged. */
function redelivered(chat: `sim:${string}`, own: readonly Fact[], { read, write }: Operations): readonly string[] {
  const last = Math.max(0, ...own.flatMap((fact) => (fact.op === "append" ? [fact.n] : [])));
  const faults: string[] = [];
  // The one after the last acknowledged may have been stored, or not.
  for (const n of [last, last + 1].filter((one) => one > 0)) {
    const dedupe = { scope: "sim", externalId: `${chat.slice("sim:".length)}.${n}`, bodyHash: `h${n}` };
    const [answer] = write["inbox.append"]([appendRequest({ chat, text: `m${n} `, dedupe })]);
    const seq = answer?.status === "accepted" || answer?.status === "duplicate" ? answer.seq : undefined;
    const kept = read["chats.export"](chat) as unknown as Kept;
    if (n === last && answer?.status !== "duplicate") faults.push(`${chat}: update ${n} came again and is a second message`);
    if (!kept.inbox.some((row) => row.seq === seq && textOf(row.content).startsWith(`m${n} `)))
      faults.push(`${chat}: update ${n} came again, was answered ${answer?.status}, and is lost`);
  }
  return faults;
}
