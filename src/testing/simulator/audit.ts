/** Compares, at the end of a simulated world, what people said and heard with what the store keeps of it. */
import type { ChatKey } from "../../core/chat-key.ts";
import { textOf } from "../../core/content.ts";
import type { RunRecord } from "../../ports/store/job-records.ts";
import type { HistoryEntry, InboxRow, OutboxPart } from "../../ports/store/records.ts";
import type { Store } from "../../ports/store/store.ts";
import type { FakePlatform } from "../fake-channel.ts";
import type { Account } from "./account.ts";
import { repliesTo } from "./agent.ts";
import type { Dice } from "./faults.ts";
import { PLATFORM, POISONED } from "./plan.ts";

interface Kept {
  readonly chat: { readonly state: string; readonly waiting: number; readonly waitingCommands: number };
  readonly inbox: readonly InboxRow[];
  readonly history: readonly HistoryEntry[];
  readonly outbox: readonly OutboxPart[];
}

/** The one chat of the simulated cron job. */
export const JOB = "tick";
export const JOB_CHAT: ChatKey = `cron:${JOB}`;
export const JOB_EVERY_MS = 7_000;
/** When the job was there, epoch ms. */
export interface JobLife {
  readonly beganAtMs: number;
  readonly endedAtMs: number;
}
const RESTING: ReadonlySet<string> = new Set(["idle", "queued", "backingOff", "asking", "quarantined"]);

/** Writes what is wrong into the account. */
export async function audit(store: Store, platform: FakePlatform, account: Account, dice: Dice, job: JobLife): Promise<void> {
  const chats = new Set<ChatKey>([...account.sayings().keys(), ...account.outgoing().keys(), JOB_CHAT]);
  for (const chat of chats) {
    const kept = (await store.chats.export(chat)) as unknown as Kept | undefined;
    const check = { chat, violate: (what: string) => account.violate(`${chat}: ${what}`) };
    if (!kept) {
      if ((account.sayings().get(chat) ?? []).length > 0) check.violate("is unknown to the store");
      continue;
    }
    auditChat(check, kept);
    auditRows(check, kept, account, dice);
    if (chat.startsWith(PLATFORM)) auditSends(check, kept, platform);
    for (const text of account.outgoing().get(chat) ?? [])
      if (!kept.outbox.some((part) => textOf(part.content) === text)) check.violate(`"${text}" was acknowledged and is nowhere`);
  }
  await auditJob(store, account, dice, job);
}

interface Check {
  readonly chat: ChatKey;
  readonly violate: (what: string) => void;
}

function auditChat({ violate }: Check, { chat, inbox, history }: Kept): void {
  if (chat.waiting !== 0 || chat.waitingCommands !== 0)
    violate(`${chat.waiting} messages and ${chat.waitingCommands} commands wait at the end`);
  if (!RESTING.has(chat.state)) violate(`ends ${chat.state}`);
  const seqs = history.flatMap((entry) => (entry.role === "user" && entry.seq !== undefined ? [entry.seq] : []));
  const consumed = inbox.filter((row) => row.kind === "message" && row.status === "consumed").map((row) => row.seq);
  if (seqs.join() !== consumed.join()) violate(`its history has the messages ${seqs.join()}, its turns consumed ${consumed.join()}`);
}

/** Every message ended once, in order, and was answered exactly if a turn consumed it. */
function auditRows({ chat, violate }: Check, { inbox, outbox }: Kept, account: Account, dice: Dice): void {
  const rows = inbox.filter((row) => textOf(row.content) !== "");
  const said = account.sayings().get(chat) ?? [];
  const kept = rows.filter((row) => row.sender?.id !== JOB_CHAT).map((row) => textOf(row.content));
  if (chat !== JOB_CHAT && kept.join() !== said.map((saying) => saying.text).join())
    violate(`people said ${said.map((saying) => saying.text).join()}; kept is ${kept.join()}`);
  for (const [place, saying] of said.entries())
    if (saying.seq !== undefined && rows[place] && rows[place].seq !== saying.seq)
      violate(`"${saying.text}" was acknowledged as ${saying.seq} and is ${rows[place].seq}`);
  const hasCommands = rows.some((row) => row.kind === "command");
  const turns = new Set<string>();
  for (const row of rows) {
    const text = textOf(row.content);
    if (row.kind !== "message") continue;
    if (row.status === "waiting") violate(`"${text}" still waits`);
    // A later instant may take the place of the job's.
    if (row.status === "dropped" && !hasCommands && chat !== JOB_CHAT) violate(`"${text}" was dropped without a command`);
    if (row.status === "dropped" && outbox.some((part) => textOf(part.content) === `re ${text}`))
      violate(`"${text}" was dropped and answered`);
    if (row.status === "failed" && chat !== POISONED && !account.mayHaveFailed(row.turnId ?? ""))
      violate(`"${text}" was given up without a cause`);
    if (row.status === "failed" && chat !== POISONED && chat !== JOB_CHAT && repliesOf(outbox, `${row.turnId}.error`).length !== 1)
      violate(`"${text}" failed, and its person was told ${repliesOf(outbox, `${row.turnId}.error`).length} times`);
    if (row.status !== "consumed") continue;
    if (turns.has(row.turnId ?? "")) violate(`turn ${row.turnId} consumed more than its message`);
    turns.add(row.turnId ?? "");
    if (chat === JOB_CHAT) continue;
    const expected = Array.from({ length: repliesTo(dice, text) }, (_, n) => (n === 0 ? `re ${text}` : `re ${text} part ${n + 1}`));
    const answered = repliesOf(outbox, row.turnId ?? "");
    if (answered.join() !== expected.join())
      violate(`"${text}" was answered ${answered.join() || "by nothing"} instead of ${expected.join()}`);
  }
}

function repliesOf(outbox: readonly OutboxPart[], groupId: string): readonly string[] {
  return outbox.filter((part) => part.turnId === groupId).map((part) => textOf(part.content));
}

/** What the platform took is what is stored as sent, in order; a second copy only where its part is marked ambiguous. */
function auditSends({ chat, violate }: Check, { outbox }: Kept, platform: FakePlatform): void {
  const parts = new Map(outbox.map((part) => [`${part.turnId}/${part.part}`, part]));
  const taken = platform.taken().filter((one) => one.chat === chat);
  const firsts: OutboxPart[] = [];
  const seen = new Set<string>();
  // An edit may have been taken without an answer, and refused when it was tried again: then its part is another message, or dead.
  const edited = new Set<string>();
  for (const { idempotencyKey: key, content, isEdited } of taken) {
    const part = parts.get(key);
    if (!part && isLeftDraft(key, outbox)) continue;
    if (!part) {
      violate(`"${textOf(content)}" was sent and is stored nowhere`);
      continue;
    }
    if (textOf(part.content) !== textOf(content)) violate(`part ${key} was sent as "${textOf(content)}"`);
    if (seen.has(key) && !edited.has(key) && !part.ambiguous) violate(`part ${key} was sent twice without being marked ambiguous`);
    // A draft was there before what was said while it grew.
    if (!seen.has(key) && !isEdited) firsts.push(part);
    seen.add(key);
    if (isEdited) edited.add(key);
  }
  const ids = firsts.map((part) => Number(part.id));
  if (ids.join() !== [...ids].sort((a, b) => a - b).join()) violate(`its parts were sent as ${ids.join()}`);
  const refused = new Set<string>();
  for (const part of outbox) {
    const key = `${part.turnId}/${part.part}`;
    const wasTaken = seen.has(key);
    if (part.status === "sent" && !wasTaken) violate(`part ${part.id} is called sent and never arrived`);
    if (part.status === "dead" && wasTaken && !edited.has(key) && !part.ambiguous) violate(`part ${part.id} is called dead and arrived`);
    if (part.status === "dead") refused.add(part.turnId);
    if (part.status === "sent" && refused.has(part.turnId)) violate(`part ${part.id} was sent after a refused one of its reply`);
    if (part.status !== "sent" && part.status !== "dead") violate(`part ${part.id} is left as ${part.status}`);
  }
}

/** A draft of which it is unknown whether it arrived, or whose message was refused since: its reply is another message. */
function isLeftDraft(key: string, outbox: readonly OutboxPart[]): boolean {
  if (!key.endsWith("/draft")) return false;
  const turnId = key.slice(0, -"/draft".length);
  const reply = outbox.filter((part) => part.turnId === turnId || part.turnId === `${turnId}.draft`);
  return reply.length === 0 || reply.some((part) => part.ambiguous || part.status === "dead");
}

/** Each instant ran once, every run ended, and the job has not fallen silent. */
async function auditJob(store: Store, account: Account, dice: Dice, { beganAtMs, endedAtMs }: JobLife): Promise<void> {
  const runs: RunRecord[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await store.jobs.runs(JOB, { limit: 1_000, ...(cursor === undefined ? {} : { cursor }) });
    runs.push(...page.items);
    cursor = page.next;
    if (cursor === undefined) break;
  }
  const instants = runs.map((run) => run.instantMs).sort((a, b) => a - b);
  if (new Set(instants).size !== instants.length) account.violate(`${JOB_CHAT}: an instant ran twice`);
  for (const run of runs) {
    if (run.status === "running") account.violate(`${JOB_CHAT}: the run of ${run.instantMs} never ended`);
    if (run.delivery === "waiting") account.violate(`${JOB_CHAT}: nobody knows whether the run of ${run.instantMs} was delivered`);
  }
  const kept = (await store.chats.export(JOB_CHAT)) as unknown as Kept | undefined;
  const rows = kept?.inbox.length ?? 0;
  if (rows !== runs.filter((run) => run.status !== "missed" && run.status !== "skipped").length)
    account.violate(`${JOB_CHAT}: ${runs.length} runs have ${rows} messages`);
  if (dice.has("clockStep")) return;
  // Down for a moment at most, and busy for a moment: two instants may be passed over, not more.
  const lastMs = instants.at(-1) ?? beganAtMs;
  if (endedAtMs - lastMs > 4 * JOB_EVERY_MS) account.violate(`${JOB_CHAT}: silent for ${endedAtMs - lastMs} ms before it was removed`);
  for (const [place, instantMs] of instants.entries())
    if (place > 0 && (instantMs - (instants[place - 1] ?? 0)) % JOB_EVERY_MS !== 0)
      account.violate(`${JOB_CHAT}: the instant ${instantMs} has drifted`);
}
