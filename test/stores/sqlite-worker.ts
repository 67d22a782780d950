/**
 * The worker, its types stripped, in a folder that node runs as it is: starts ten times faster than from the sources. Only the files that
 * the worker reaches are in it; they stand inside the repository, since the binding is found from there.
 */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import ts from "typescript";
import { startThreadOf, type StartThread } from "../../src/stores/sqlite/thread.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FOLDERS = ["src/core", "src/ports", "src/stores/sqlite"];
const OPTIONS: ts.TranspileOptions = {
  compilerOptions: {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.ESNext,
    verbatimModuleSyntax: true,
    rewriteRelativeImportExtensions: true,
  },
};

export interface StrippedWorker {
  /** Where `src` is, without types. */
  readonly folder: string;
  readonly startThread: StartThread;
  readonly remove: () => void;
}

export function stripWorker(): StrippedWorker {
  const parent = join(ROOT, "node_modules", ".cache");
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, "sqlite-worker-"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  for (const from of FOLDERS) {
    for (const entry of readdirSync(join(ROOT, from), { withFileTypes: true, recursive: true })) {
      if (!entry.isFile() || !entry.name.endsWith(".ts")) continue;
      const source = join(entry.parentPath, entry.name);
      const target = join(folder, relative(ROOT, source).replace(/\.ts$/, ".js"));
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, ts.transpileModule(readFileSync(source, "utf8"), OPTIONS).outputText);
    }
  }
  return {
    folder,
    startThread: startThreadOf(pathToFileURL(join(folder, "src/stores/sqlite/worker.js"))),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
