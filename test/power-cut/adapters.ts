/** The sqlite adapter as it is, and broken in ways that adapters are: each by a change of one place of its sources. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stripWorker, type StrippedWorker } from "../stores/sqlite-worker.ts";

interface Change {
  /** Below src/stores/sqlite, without ending. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** Checkpoints come after 100 pages instead of 4,000, so that a short run has many. */
const OFTEN: Change = { file: "connection", from: "const CHECKPOINT_PAGES = 4_000;", to: "const CHECKPOINT_PAGES = 100;" };

export const BROKEN = {
  "does not wait for the disk (synchronous = OFF)": [
    { file: "connection", from: "PRAGMA synchronous = FULL;", to: "PRAGMA synchronous = OFF;" },
  ],
  "waits for the disk at checkpoints only (synchronous = NORMAL)": [
    { file: "connection", from: "PRAGMA synchronous = FULL;", to: "PRAGMA synchronous = NORMAL;" },
  ],
  "notes an update and stores its message in two transactions": [
    {
      file: "inbox",
      from: "    return accept(engine, known ??",
      to: '    if (scope !== null) { engine.db.exec("COMMIT"); engine.db.exec("BEGIN IMMEDIATE"); }\n    return accept(engine, known ??',
    },
  ],
  "acknowledges before COMMIT has returned": [
    {
      file: "transaction",
      from: 'db.exec("BEGIN IMMEDIATE");',
      to: 'if (db.isTransaction) db.exec("COMMIT"); db.exec("BEGIN IMMEDIATE");',
    },
    {
      file: "transaction",
      from: '        db.exec("COMMIT");\n        return results;',
      to: '        setTimeout(() => { if (db.isTransaction) db.exec("COMMIT"); }, 2);\n        return results;',
    },
  ],
  "reports success for members of a group that was rolled back": [
    {
      file: "transaction",
      from: "const results = batch.map((operation) => call(table, operation));",
      to: "let bad; const results = batch.map((operation) => { try { return call(table, operation); } catch (error) { bad = error; } }); if (bad && batch.length > 1) { engine.forget(); db.exec('ROLLBACK'); return results; } if (bad) throw bad;",
    },
  ],
} satisfies Readonly<Record<string, readonly Change[]>>;

/** The sources that a child process can run. @throws Error when a place to change is not there any more */
export function adapter(changes: readonly Change[] = []): StrippedWorker {
  const worker = stripWorker();
  try {
    for (const { file, from, to } of [OFTEN, ...changes]) {
      const path = join(worker.folder, "src/stores/sqlite", `${file}.js`);
      const source = readFileSync(path, "utf8");
      if (source.split(from).length !== 2)
        throw new Error(`${file}: "${from}" is there ${source.split(from).length - 1} times; name the place anew`);
      writeFileSync(
        path,
        source.replace(from, () => to),
      );
    }
    return worker;
  } catch (error) {
    worker.remove();
    throw error;
  }
}
