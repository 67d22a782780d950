import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createSystemClock } from "../../src/app/system-clock.ts";
import { createSqliteStore } from "../../src/stores/sqlite/store.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const COMPILE_MS = 60_000;
/** The compiled code stands inside the repository: the binding is found from there. */
let compiled = "";
let folder = "";

/** Appends for ever, in flights of ten over several chats; writes the sequence number and chat of each row once it is acknowledged. */
const APPENDER = `
import { createSqliteStore } from "./src/stores/sqlite/store.js";
import { createSystemClock } from "./src/app/system-clock.js";
const store = createSqliteStore({ file: process.argv[2], clock: createSystemClock() });
await store.start();
console.log("started");
const lane = async (chat) => {
  for (let count = 0; ; count += 1) {
    const externalId = chat + "/" + count;
    const [result] = await store.inbox.append([{
      chat, address: "1", kind: "message", turnClass: "interactive", content: [{ type: "text", text: externalId }], sender: undefined, receivedAtMs: 1,
      dedupe: { scope: "s", externalId, bodyHash: "h" }, inboxMax: 1_000_000, busyReply: undefined, open: false, claim: undefined,
    }]);
    console.log("ack " + chat + " " + result.seq);
  }
};
await Promise.all(Array.from({ length: 10 }, (_, place) => lane("api:" + place)));
`;

beforeAll(() => {
  const cache = join(ROOT, "node_modules", ".cache");
  mkdirSync(cache, { recursive: true });
  compiled = mkdtempSync(join(cache, "sqlite-compiled-"));
  folder = mkdtempSync(join(tmpdir(), "satibot-process-"));
  const sources = ["src/stores/sqlite/store.ts", "src/stores/sqlite/worker.ts", "src/app/system-clock.ts"].map((file) => join(ROOT, file));
  writeFileSync(join(compiled, "tsconfig.json"), JSON.stringify({ extends: join(ROOT, "tsconfig.json"), files: sources, include: [] }));
  const compiler = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  const options = ["-p", compiled, "--noEmit", "false", "--rootDir", ROOT, "--outDir", compiled, "--noCheck"];
  const done = spawnSync(process.execPath, [compiler, ...options], { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`the sources do not compile: ${done.stdout}${done.stderr}`);
  writeFileSync(join(compiled, "package.json"), '{ "type": "module" }');
  writeFileSync(join(compiled, "appender.js"), APPENDER);
}, COMPILE_MS);

afterAll(() => {
  for (const path of [compiled, folder]) rmSync(path, { recursive: true, force: true });
});

interface Appender {
  readonly child: ChildProcess;
  /** Highest sequence number acknowledged, by chat. */
  readonly acked: Map<string, number>;
  readonly until: (isEnough: () => boolean) => Promise<void>;
  readonly ended: Promise<unknown>;
}

function startAppender(file: string): Appender {
  const child = spawn(process.execPath, [join(compiled, "appender.js"), file], { stdio: ["ignore", "pipe", "pipe"] });
  const acked = new Map<string, number>();
  const listeners = new Set<() => void>();
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  createInterface({ input: child.stdout }).on("line", (line) => {
    const [, chat, seq] = line.split(" ");
    if (chat !== undefined) acked.set(chat, Number(seq));
    for (const listener of listeners) listener();
  });
  const ended = once(child, "exit");
  return {
    child,
    acked,
    ended,
    until: (isEnough) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (isEnough()) resolve();
        };
        listeners.add(look);
        void ended.then(() => reject(new Error(`the appender ended: ${errors}`)));
      }),
  };
}

const countOf = (acked: ReadonlyMap<string, number>): number => [...acked.values()].reduce((sum, seq) => sum + seq, 0);

describe("a process on the compiled store", () => {
  it("loses nothing that it acknowledged when it is killed, and its lock with it", async () => {
    const file = join(folder, "killed.db");
    const total = new Map<string, number>();
    for (let round = 1; round <= 3; round += 1) {
      const appender = startAppender(file);
      const goal = countOf(total) + 300;
      // A later process goes on where the killed one stopped: its numbers continue.
      await appender.until(() => countOf(new Map([...total, ...appender.acked])) >= goal);
      appender.child.kill("SIGKILL");
      await appender.ended;
      for (const [chat, seq] of appender.acked) total.set(chat, seq);
    }
    const store = createSqliteStore({ file, clock: createSystemClock() });
    await store.start();
    for (const [chat, seq] of total) {
      const rows: number[] = [];
      let cursor: string | undefined;
      do {
        const page = await store.inbox.waiting(chat as `api:${string}`, { limit: 1_000, cursor });
        rows.push(...page.items.map((row) => row.seq));
        cursor = page.next;
      } while (cursor !== undefined);
      expect(rows.length).toBeGreaterThanOrEqual(seq);
      expect(rows).toEqual(rows.map((_, place) => place + 1));
    }
    await store.stop();
  });

  it("keeps every other process out while it lives", async () => {
    const file = join(folder, "owned.db");
    const appender = startAppender(file);
    await appender.until(() => appender.acked.size > 0);
    const store = createSqliteStore({ file, clock: createSystemClock() });
    await expect(store.start()).rejects.toMatchObject({ code: "STORE_LOCKED" });
    appender.child.kill("SIGKILL");
    await appender.ended;
    await store.start();
    await store.ping();
    await store.stop();
  });
});
