/**
 * Rows of chats that hold what no satibot wrote, in a real file under a real daemon: it starts, all other chats are answered, each damaged
 * one is put aside alone, and a person brings it back from the command line, over HTTP, and after a restart.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDatabase } from "../../src/stores/sqlite/driver.ts";
import { freePort, openRig, until, type Daemon, type Rig } from "../e2e/rig.ts";

/** The column, and what is written over it while a failed turn waits. */
const DAMAGE: readonly [column: string, sql: string][] = [
  ["turn", "'not JSON'"],
  ["turn", "'{}'"],
  ["turn", `'["t","started",1,0,0,1,"interactive","x",null,0,null]'`],
  ["turn", "'null'"],
  ["snapshot", "'not JSON'"],
  ["snapshot", "'null'"],
  ["snapshot", `'{"value":"idle","context":null}'`],
  ["snapshot", "json_set(snapshot, '$.context.waiting', 'x')"],
  ["snapshot", "json_set(snapshot, '$.context.schemaVersion', 99)"],
  ["snapshot", "hex(randomblob(2000000))"],
  ["timers", "'not JSON'"],
  ["timers", "'{}'"],
  ["timers", `'[{"id":1}]'`],
  ["timers", `'[{"id":"x","event":{"type":"xstate.after.retryDelay.chat.backingOff"},"dueAtMs":-1}]'`],
  ["settings", "'not JSON'"],
  ["settings", "'[]'"],
];
const BAD = DAMAGE.map((_, place) => `api:bad-${String(place).padStart(2, "0")}`);
/** Its rows are damaged, not its machine: it goes on. */
const ROWS = "api:rows";
const GOOD = ["api:a", "api:bad-00x", "api:z"];
const HOWS = ["cli retry", "cli retry --skip", "cli reset", "http retry", "http retry --skip", "http reset"] as const;

let rig: Rig;
let daemon: Daemon;
beforeAll(async () => {
  rig = await openRig();
});
afterAll(() => rig.close());

const start = async (): Promise<Daemon> => {
  const next = rig.startLedger({ limits: { idleTimeout: "1h" } });
  await next.ready();
  return next;
};

async function sql(...statements: readonly string[]): Promise<void> {
  const db = await openDatabase(join(rig.dir, "ledger.db"));
  for (const statement of statements) db.exec(statement);
  db.close();
}

/** What a column of a chat holds now. */
async function column(chat: string, name: string): Promise<unknown> {
  const db = await openDatabase(join(rig.dir, "ledger.db"), { readOnly: true });
  const row = db.prepare(`SELECT ${name} AS value FROM chats WHERE key = ?`).get(chat) as { value: unknown };
  db.close();
  return row.value;
}

const say = async (chat: string, n: number): Promise<void> => void (await rig.api.sendMessage(chat, { text: `say ${n}` }));
/** Numbers of the messages that were answered, in order. */
const answered = async (chat: string): Promise<readonly number[]> => {
  const { history } = await rig.api.chat(chat);
  return history.filter((entry) => entry.role === "assistant").map((entry) => Number(entry.text.split(" ")[0]));
};
const isAnswered = (chat: string, n: number) => async (): Promise<boolean> => (await answered(chat)).includes(n);

async function expectAside(): Promise<void> {
  const { items } = await rig.api.chats({ state: "quarantined", limit: 100 });
  expect(items.map(({ key, error }) => [key, error?.code])).toEqual(BAD.map((key) => [key, "SNAPSHOT_UNREADABLE"]));
  for (const chat of BAD) {
    const { outbox } = await rig.api.chat(chat);
    expect(outbox.filter((part) => part.text.includes("put it aside"))).toHaveLength(1);
  }
}

describe("rows that hold what nobody wrote", () => {
  it("stop neither the start nor any other chat, and stay as they are", async () => {
    daemon = await start();
    for (const chat of [...BAD, ...GOOD, ROWS]) await say(chat, 1);
    for (const chat of [...BAD, ...GOOD]) await until(`${chat} is answered`, isAnswered(chat, 1), 5_000);
    for (const chat of [...BAD, ROWS]) await rig.api.sendMessage(chat, { text: "throw 2" });
    await until(
      "the turns have failed",
      async () => (await rig.api.chats({ state: "backingOff", limit: 100 })).items.length === BAD.length + 1,
      5_000,
    );
    await daemon.kill();
    await sql(
      ...DAMAGE.map(([name, value], place) => `UPDATE chats SET ${name} = ${value}, timer_at = 1 WHERE key = '${BAD[place]}'`),
      "UPDATE chats SET error = 'not JSON' WHERE key = 'api:z'",
      ...[
        "inbox SET content = 'not JSON', sender = 'x'",
        "ledger SET events = '{', turn = 'x', history = 'not JSON'",
        "outbox SET content = '5', in_reply_to = ''",
      ].map((change) => `UPDATE ${change} WHERE chat = (SELECT id FROM chats WHERE key = '${ROWS}')`),
      `INSERT INTO jobs (id, body, origin, disable_after, status, next_at, start_at, runs, failures, created_at, changed_at) VALUES
        ('bad', 'not JSON', 'library', 10, 'active', 1700000000000, 1700000000000, 0, 0, 0, 0),
        ('worse', '{"id":"worse","message":"x","schedule":{"kind":"cron","expression":"nonsense","timezone":"UTC"}}', 'library', 10, 'active', 1700000000000, 1700000000000, 0, 0, 0, 0)`,
    );
    const before = await Promise.all(DAMAGE.map(([name], place) => column(BAD[place] ?? "", name)));
    daemon = await start();
    for (const chat of GOOD) await say(chat, 2);
    for (const chat of GOOD) await until(`${chat} is answered`, isAnswered(chat, 2), 5_000);
    for (const chat of [...BAD, ...GOOD]) await say(chat, 3);
    for (const chat of GOOD) await until(`${chat} is answered`, isAnswered(chat, 3), 5_000);
    await until(
      "all are put aside",
      async () => (await rig.api.chats({ state: "quarantined", limit: 100 })).items.length === BAD.length,
      5_000,
    );
    await expectAside();
    await say(ROWS, 3);
    await until(`${ROWS} goes on`, isAnswered(ROWS, 3), 5_000);
    expect((await rig.cli(["chats", "export", ROWS])).stdout).toContain("damaged in the store");
    expect((await rig.cli(["outbox", "list"])).code).toBe(0);
    await daemon.kill();
    daemon = await start();
    for (const chat of [...BAD, ...GOOD]) await say(chat, 4);
    for (const chat of GOOD) await until(`${chat} is answered`, isAnswered(chat, 4), 5_000);
    await expectAside();
    for (const [place, [name]] of DAMAGE.entries()) expect(await column(BAD[place] ?? "", name)).toEqual(before[place]);
    // The file says the same when no daemon does.
    const away = { SATIBOT_STORE: "sqlite:ledger.db", SATIBOT_PORT: String(await freePort()) };
    const { stdout } = await rig.cli(["chats", "list", "--state", "quarantined", "--json"], away);
    expect((JSON.parse(stdout) as { items: { key: string }[] }).items.map((chat) => chat.key)).toEqual(BAD);
    expect((await rig.cli(["chats", "export", "api:bad-04"])).stdout).toContain('"damaged"');
    expect(daemon.output()).toContain("cron job cannot be read");
  });

  it("come back as a person wants it, in order, with what waited", async () => {
    await rig.setFlag("mended");
    const act = async (chat: string, how: (typeof HOWS)[number]): Promise<void> => {
      const [way, verb = "", skip] = how.split(" ");
      if (way === "http") return void (await (verb === "reset" ? rig.api.reset(chat) : rig.api.retry(chat, { skip: skip !== undefined })));
      const { code, stdout, stderr } = await rig.cli(["chats", verb, chat, ...(skip === undefined ? [] : [skip])], {
        SATIBOT_PORT: String(rig.port),
      });
      expect({ code, stderr, stdout }).toEqual({ code: 0, stderr: "", stdout: expect.stringContaining(chat) });
    };
    const hows = BAD.map((_, place) => HOWS[place % HOWS.length] ?? "http retry");
    // The last of them after a restart.
    const late = BAD.length - 4;
    for (const [place, chat] of BAD.entries()) {
      if (place === late) {
        await daemon.kill();
        daemon = await start();
      }
      await act(chat, hows[place] ?? "http retry");
    }
    for (const chat of BAD) await say(chat, 5);
    for (const [place, chat] of BAD.entries()) {
      await until(`${chat} is answered`, isAnswered(chat, 5), 5_000).catch(async (cause: unknown) => {
        throw new Error(`${chat} ${DAMAGE[place]?.join(" ")} after ${hows[place]}: ${(await rig.api.why(chat)).sentence}`, { cause });
      });
      const isReset = hows[place]?.endsWith("reset") === true;
      // A reset archives what was said; a skip drops the turn that failed, where there is one to be read.
      const hasTurn = DAMAGE[place]?.[0] !== "turn";
      const isSkipped = hows[place]?.endsWith("--skip") === true && hasTurn;
      const all = isSkipped ? [1, 3, 4, 5] : [1, 2, 3, 4, 5];
      expect([chat, hows[place], await answered(chat)]).toEqual([chat, hows[place], isReset ? [5] : all]);
      expect(await rig.api.chat(chat)).toMatchObject({ state: "idle", waiting: 0 });
    }
    expect((await rig.api.chats({ state: "quarantined" })).items).toEqual([]);
    // What could not be read is kept beside.
    const { archivedSnapshots } = JSON.parse((await rig.cli(["chats", "export", "api:bad-04"])).stdout) as { archivedSnapshots: unknown };
    expect(archivedSnapshots).toMatchObject([{ snapshot: "not JSON" }]);
  });
});
