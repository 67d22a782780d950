/**
 * The next release: this one, compiled, with one more version of the chat machine (a field more in its context), one more migration of the
 * store, and nothing else. It stands beside the build that it is made of, and is removed when the test ends.
 */
import { spawn } from "node:child_process";
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { buildPackage } from "../e2e/package-build.ts";
import { OPTIONS_VARIABLE, type LedgerDaemonOptions } from "../e2e/ledger-daemon.ts";

/** What is written otherwise, file by file. Each form occurs at least once. */
const CHANGES: readonly [file: string, form: RegExp, inPlace: string][] = [
  ["machines/chat.machine.js", /CHAT_SCHEMA_VERSION = 1;/g, "CHAT_SCHEMA_VERSION = 2;"],
  ["machines/chat.machine.js", /schemaVersion: CHAT_SCHEMA_VERSION,/g, 'schemaVersion: CHAT_SCHEMA_VERSION, mood: "calm",'],
  ["src/runtime/quarantine.js", /schemaVersion: CHAT_SCHEMA_VERSION,/g, 'schemaVersion: CHAT_SCHEMA_VERSION, mood: "calm",'],
  ["machines/chat-migrations.js", /schemaVersion: isCount,/g, "schemaVersion: isCount, mood: isText,"],
  [
    "machines/chat-migrations.js",
    /CHAT_MIGRATIONS = \[\];/g,
    'CHAT_MIGRATIONS = [(chat) => ({ ...chat, context: { ...chat.context, mood: "migrated" } })];',
  ],
  // Behind whichever migration is the last.
  ["src/stores/sqlite/migrations.js", /(MIGRATIONS = \[[^\]]*)\];/g, '$1, (db) => db.exec("ALTER TABLE chats ADD COLUMN mood TEXT")];'],
];

export interface NextRelease {
  /** Starts its daemon; answers its process. */
  readonly start: (options: LedgerDaemonOptions, dir: string) => Running;
  readonly remove: () => Promise<void>;
}

export interface Running {
  readonly hasEnded: () => boolean;
  readonly output: () => string;
  readonly end: (signal: NodeJS.Signals) => Promise<void>;
}

export async function nextRelease(): Promise<NextRelease> {
  const { ledgerDaemon } = await buildPackage();
  const home = dirname(dirname(dirname(dirname(ledgerDaemon))));
  const next = `${home}.next.${process.pid}`;
  await cp(home, next, { recursive: true });
  for (const [file, form, inPlace] of CHANGES) {
    const path = join(next, "dist", file);
    const source = await readFile(path, "utf8");
    if (source.search(form) === -1) throw new Error(`${file} has no ${form.source} any more; bring next-release.ts up to date`);
    await writeFile(path, source.replace(form, inPlace));
  }
  return {
    start: (options, dir) => {
      const env = { PATH: process.env.PATH, HOME: dir, [OPTIONS_VARIABLE]: JSON.stringify(options) };
      const child = spawn(process.execPath, [join(next, "dist/test/e2e/ledger-daemon.js")], {
        cwd: dir,
        env,
        stdio: ["ignore", "pipe", "pipe"],
      });
      let output = "";
      for (const pipe of [child.stdout, child.stderr]) pipe.on("data", (chunk: Buffer) => (output += chunk.toString("utf8")));
      let isOver = false;
      const ended = new Promise<void>((resolve) => {
        child.once("close", () => {
          isOver = true;
          resolve();
        });
      });
      return {
        hasEnded: () => isOver,
        output: () => output.slice(-4_000),
        end: async (signal) => {
          if (!isOver) child.kill(signal);
          await ended;
        },
      };
    },
    remove: () => rm(next, { recursive: true, force: true }),
  };
}
