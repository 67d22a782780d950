/** An upgrade in the middle of conversations: a daemon is killed, and the next release goes on over its file. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createSystemClock } from "../../src/app/system-clock.ts";
import { openDatabase } from "../../src/stores/sqlite/driver.ts";
import { MIGRATIONS } from "../../src/stores/sqlite/migrations.ts";
import { openTelegramServer, type TelegramServer } from "../../src/testing/telegram-server.ts";
import { readLedger } from "../e2e/account.ts";
import type { LedgerDaemonOptions } from "../e2e/ledger-daemon.ts";
import { openRig, until, type Rig } from "../e2e/rig.ts";
import { nextRelease, type NextRelease, type Running } from "./next-release.ts";

/** Chats with a failed turn that waits, and a message behind it: in each settled state in which that can be. */
const WAITING = ["backingOff", "queued", "collecting", "asking", "quarantined"] as const;
const PERSON = 300;
const LATER_MS = 2_000;

let rig: Rig;
let telegram: TelegramServer;
let next: NextRelease;
let running: Running | undefined;
beforeEach(async () => {
  rig = await openRig();
  next = await nextRelease();
  telegram = await openTelegramServer({ clock: createSystemClock() });
});
afterEach(async () => {
  await running?.end("SIGKILL");
  await telegram.close();
  await next.remove();
  await rig.close();
});

async function query<T>(file: string, sql: string): Promise<readonly T[]> {
  const db = await openDatabase(file, { readOnly: true });
  const rows = db.prepare(sql).all() as T[];
  db.close();
  return rows;
}

/** Puts the chats into the states that they are named by, where the daemon has left them backing off. */
async function arrange(file: string): Promise<void> {
  const db = await openDatabase(file);
  const dueAtMs = createSystemClock().now() + LATER_MS;
  for (const state of WAITING) {
    const delay = { backingOff: "retryDelay", asking: "questionTimeout", collecting: "debounce" }[state as string];
    const id = `xstate.after.${delay}.chat.${state}`;
    const timers = delay === undefined ? null : JSON.stringify([{ id, event: { type: id }, dueAtMs }]);
    const error = state === "quarantined" ? JSON.stringify({ code: "CHAT_CRASHED", message: "a bug" }) : null;
    db.prepare(
      "UPDATE chats SET state = ?, snapshot = json_set(snapshot, '$.value', ?), timers = ?, timer_at = ?, error = ? WHERE key = ?",
    ).run(state, state, timers, timers === null ? null : dueAtMs, error, `api:${state}`);
  }
  db.exec(`INSERT INTO journal SELECT id, json_extract(turn, '$[0]'), 0, 'step', 'count', '7', 1 FROM chats WHERE key = 'api:backingOff'`);
  db.exec(`UPDATE chats SET turn = json_set(turn, '$[9]', 1) WHERE key = 'api:backingOff'`);
  db.close();
}

const answersOf = async (chat: string): Promise<readonly string[]> => {
  const { outbox } = await rig.api.chat(chat);
  return outbox.map((part) => part.text.split(" ").slice(0, 2).join(" "));
};

it("goes on with every chat where it was, in order, with nothing lost, and leaves a copy of the file as it was", async () => {
  const store = join(rig.dir, "ledger.db");
  const account = { token: telegram.token, apiRoot: telegram.apiRoot, allow: ["*"] };
  const old = rig.startLedger({ telegram: account });
  await old.ready();
  await rig.api.sendMessage("api:idle", { text: "say 1" });
  for (const state of WAITING) await rig.api.sendMessage(`api:${state}`, { text: "throw 1" });
  for (const state of WAITING) await rig.api.sendMessage(`api:${state}`, { text: "say 2" });
  await rig.api.sendMessage("api:running", { text: "stumble 1 30000" });
  await rig.api.sendMessage("api:running", { text: "say 2" });
  telegram.fail({ kind: "error", status: 429, retryAfterS: LATER_MS / 1_000 });
  telegram.say("say 1 3 0", { userId: PERSON });
  await until(
    "each chat has come so far",
    async () => {
      const { items } = await rig.api.chats({ state: "backingOff" });
      const { outbox } = await rig.api.chat(`telegram:${PERSON}`).catch(() => ({ outbox: [] }));
      return items.length === WAITING.length && outbox.length === 3 && (await answersOf("api:idle")).length === 1;
    },
    8_000,
  );
  await old.kill();
  await arrange(store);
  const before = await query<object>(store, "SELECT key, state, snapshot, timers, turn, waiting FROM chats ORDER BY key");
  await rig.setFlag("mended");

  const options: LedgerDaemonOptions = { port: rig.port, store, ledger: rig.ledgerFile, flags: join(rig.dir, "flags"), telegram: account };
  running = next.start(options, rig.dir);
  await until("the next release is ready", async () => running?.hasEnded() === true || (await rig.readiness()) === 200, 10_000);
  expect({ hasEnded: running.hasEnded(), output: running.output() }).toMatchObject({ hasEnded: false });
  expect(await query(store, "SELECT key FROM journal")).toEqual([{ key: "count" }]);
  for (const state of WAITING) await rig.api.sendMessage(`api:${state}`, { text: "say 3" });

  await until(
    "all are answered but the one put aside",
    async () => {
      const counts = await Promise.all(WAITING.map(async (state) => (await answersOf(`api:${state}`)).length));
      return counts.join() === "3,3,3,3,0" && (await answersOf("api:running")).length === 2 && telegram.sends().length === 3;
    },
    10_000,
  );
  expect(await rig.api.chat("api:quarantined")).toMatchObject({ state: "quarantined", waiting: 3, error: { message: "a bug" } });
  expect((await rig.cli(["chats", "retry", "api:quarantined"])).code).toBe(0);
  await until("that one, too", async () => (await answersOf("api:quarantined")).length === 3, 5_000);

  for (const state of WAITING) expect(await answersOf(`api:${state}`)).toEqual(["1 1/1", "2 1/1", "3 1/1"]);
  expect(await answersOf("api:running")).toEqual(["1 1/1", "2 1/1"]);
  expect(telegram.sends().map((send) => send.text.slice(0, 5))).toEqual(["1 1/3", "1 2/3", "1 3/3"]);
  // The turns that were open are the ones that went on.
  const attempts = readLedger(await readFile(rig.ledgerFile, "utf8"));
  for (const chat of [...WAITING, "running"]) {
    const ofFirst = attempts.filter((attempt) => attempt.chat === `api:${chat}` && attempt.n === 1);
    expect(new Set(ofFirst.map((attempt) => attempt.turnId)).size).toBe(1);
  }
  await running.end("SIGTERM");

  type Version = { readonly key: string; readonly version: number; readonly mood: string | null };
  const versions = (file: string) =>
    query<Version>(
      file,
      "SELECT key, json_extract(snapshot, '$.context.schemaVersion') AS version, json_extract(snapshot, '$.context.mood') AS mood FROM chats WHERE snapshot IS NOT NULL ORDER BY key",
    );
  const now = await versions(store);
  expect(now.map((chat) => chat.version)).toEqual(now.map((chat) => (chat.key === "api:idle" || chat.key.startsWith("telegram") ? 1 : 2)));
  expect(now.find((chat) => chat.key === "api:asking")?.mood).toBe("migrated");

  const copy = `${store}.v${MIGRATIONS.length}`;
  expect(await query(copy, "PRAGMA user_version")).toEqual([{ user_version: MIGRATIONS.length }]);
  expect(await query(copy, "PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }]);
  expect(await query(copy, "SELECT key, state, snapshot, timers, turn, waiting FROM chats ORDER BY key")).toEqual(before);
  const listed = await rig.cli(["chats", "list", "--json"], { SATIBOT_STORE: `sqlite:${copy}` });
  expect((JSON.parse(listed.stdout) as { readonly items: readonly unknown[] }).items).toHaveLength(before.length);
});
