// A process that stores what chats do, and writes a line for each thing it was told is stored. Run under a recorder; it ends by SIGKILL.
// Arguments: folder of the sources without types, database file, file of acknowledgements, rounds.
import { openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, file, acks, rounds] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(folder, path)).href);
const { createSqliteStore } = await load("src/stores/sqlite/store.js");
const { startThreadOf } = await load("src/stores/sqlite/thread.js");

const CHATS = 12;
const clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer: (ms, run) => {
    const timer = setTimeout(() => run(), ms);
    return () => clearTimeout(timer);
  },
  soon: (run) => void setImmediate(() => run()),
};
const store = createSqliteStore({ file, clock, startThread: startThreadOf(pathToFileURL(join(folder, "src/stores/sqlite/worker.js"))) });
const out = openSync(acks, "a");
const acknowledged = (fact) => void writeSync(out, `${JSON.stringify(fact)}\n`);
const text = (value) => [{ type: "text", text: value }];
const snapshot = (atMs) => ({
  snapshot: { value: "idle", context: { schemaVersion: 1 } },
  state: "idle",
  sinceMs: atMs,
  timers: [],
  events: [{ type: "turn.committed" }],
  stateBefore: "committing",
  error: undefined,
  atMs,
});

/** One message from its acceptance to its sent reply. */
async function cycle(chat, n) {
  const atMs = Date.now();
  const key = `sim:${chat}`;
  const update = {
    chat: key,
    address: String(chat),
    kind: "message",
    turnClass: "interactive",
    content: text(`m${n} ${"x".repeat((n * 37) % 900)}`),
    sender: undefined,
    receivedAtMs: atMs,
    dedupe: { scope: "sim", externalId: `${chat}.${n}`, bodyHash: `h${n}` },
    inboxMax: 100,
    busyReply: undefined,
    open: false,
    claim: undefined,
  };
  // A few at once, so that a group has members of its own kind.
  const [[result]] = await Promise.all([store.inbox.append([update]), n % 5 === 0 ? fail(chat, n) : undefined]);
  acknowledged({ op: "append", chat: key, externalId: `${chat}.${n}`, seq: result.seq, n });
  const claim = await store.turns.claim({ chat: key, turnId: `t${chat}.${n}`, rowsMax: 1, suspect: false, atMs });
  const committed = await store.turns.commit({
    chat: key,
    fence: claim.fence,
    turnId: claim.turnId,
    rows: claim.rows.map((row) => ({ seq: row.seq, status: "consumed" })),
    history: [
      { role: "user", content: text(`m${n}`), atMs, seq: result.seq, turnId: claim.turnId },
      { role: "assistant", content: text(`re m${n}`), atMs, turnId: claim.turnId },
    ],
    parts: [text(`re m${n}`)],
    delivery: "sending",
    run: undefined,
    write: snapshot(atMs),
  });
  acknowledged({ op: "commit", chat: key, turnId: claim.turnId, seq: result.seq, n });
  const [part] = committed.parts;
  const outcome = { type: "sent", platformId: `p${n}` };
  await store.outbox.settle({ chat: key, id: part.id, attempt: part.attempts, outcome, lazy: n % 2 === 0, atMs }, undefined);
  acknowledged({ op: "settle", chat: key, turnId: claim.turnId, n });
  await store.kv.set("offsets", key, n);
  acknowledged({ op: "cell", chat: key, n });
}

/** A call that the store refuses, in one group with others: a value that JSON cannot say. */
async function fail(chat, n) {
  await store.kv.set("refused", `${chat}.${n}`, 10n).then(
    () => acknowledged({ op: "refused", chat: `sim:${chat}`, n }),
    () => undefined,
  );
}

await store.start();
acknowledged({ op: "open", chat: "", n: 0 });
await Promise.all(
  Array.from({ length: CHATS }, async (_, chat) => {
    for (let n = 1; n <= Number(rounds); n += 1) await cycle(chat, n);
  }),
);
process.kill(process.pid, "SIGKILL");
