/** What the machine is, where benches keep their files, and how they print. */
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { availableParallelism, cpus, loadavg } from "node:os";
import { join } from "node:path";

const TMPFS = 0x01021994;
const NAMES: Readonly<Record<number, string>> = { 0xef53: "ext4", 0x58465342: "xfs", 0x9123683e: "btrfs", 0x794c7630: "overlayfs" };
const FSYNC_MS = 300;

/** `npm run bench -- --quick`: smaller counts, to see that all benches run; its figures say little. */
export const isQuick = process.env.BENCH_QUICK === "1";

/** A count for the full run, or the one for `--quick`. */
export const sized = (full: number, quick: number): number => (isQuick ? quick : full);

/** A folder on a real disk, below the working directory; removed when the process ends. Exits where it would be in memory. */
export function openFolder(): string {
  const path = mkdtempSync(join(process.cwd(), ".bench-"));
  process.on("exit", () => rmSync(path, { recursive: true, force: true }));
  if (statfsSync(path).type === TMPFS) {
    console.error("this folder is on tmpfs, which never waits for a disk; run the bench from a folder on a real one");
    process.exit(78);
  }
  console.log(describeMachine(path));
  return path;
}

/** One line: Node, cores, load, file system, syncs a second. */
function describeMachine(folder: string): string {
  const { type } = statfsSync(folder);
  const model = cpus()[0]?.model.trim() ?? "unknown processor";
  const load = (loadavg()[0] ?? 0).toFixed(1);
  return `Node ${process.versions.node}, ${availableParallelism()} × ${model} (load ${load} before), ${NAMES[type] ?? type.toString(16)}, ${syncsPerSecond(folder)} fsync/s`;
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
  return percentile(values, 0.5);
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** `median (lowest–highest)`. */
export function spread(values: readonly number[], digits = 0): string {
  if (values.length === 0 || values.some(Number.isNaN)) return "–";
  const show = (value: number): string => value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${show(median(values))} (${show(Math.min(...values))}–${show(Math.max(...values))})`;
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

/** Collects what nobody holds, so that a heap figure counts only what is held. */
export function heapBytes(): number {
  globalThis.gc?.();
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}
