/** What the machine is, and where benches keep their files. */
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";

const TMPFS = 0x01021994;
const NAMES: Readonly<Record<number, string>> = { 0xef53: "ext4", 0x58465342: "xfs", 0x9123683e: "btrfs", 0x794c7630: "overlayfs" };
const FSYNC_MS = 500;

/** A folder on a real disk, below the working directory; removed by `close`. Exits where it would be in memory. */
export function openFolder(): { readonly path: string; readonly close: () => void } {
  const path = mkdtempSync(join(process.cwd(), ".bench-"));
  if (statfsSync(path).type === TMPFS) {
    rmSync(path, { recursive: true });
    console.error("this folder is on tmpfs, which never waits for a disk; run the bench from a folder on a real one");
    process.exit(78);
  }
  return { path, close: () => rmSync(path, { recursive: true, force: true }) };
}

/** One line: Node, cores, file system, syncs a second. */
export function describeMachine(folder: string): string {
  const { type } = statfsSync(folder);
  const model = cpus()[0]?.model.trim() ?? "unknown processor";
  return `Node ${process.versions.node}, ${availableParallelism()} × ${model}, ${NAMES[type] ?? type.toString(16)}, ${syncsPerSecond(folder)} fsync/s`;
}

function syncsPerSecond(folder: string): number {
  const handle = openSync(join(folder, "sync"), "w");
  const block = Buffer.alloc(4_096, 1);
  const endMs = performance.now() + FSYNC_MS;
  let count = 0;
  for (; performance.now() < endMs; count += 1) {
    writeSync(handle, block, 0, block.length, 0);
    fsyncSync(handle);
  }
  closeSync(handle);
  return Math.round((count * 1_000) / FSYNC_MS);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** A table with its columns aligned. */
export function printTable(title: string, rows: readonly (readonly (string | number)[])[]): void {
  const texts = rows.map((row) => row.map(String));
  const widths = (texts[0] ?? []).map((_, column) => Math.max(...texts.map((row) => row[column]?.length ?? 0)));
  console.log(`\n${title}`);
  for (const row of texts)
    console.log(
      `  ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join("  ")}`,
    );
}

export function release(): void {
  globalThis.gc?.();
  globalThis.gc?.();
}
