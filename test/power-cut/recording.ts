/** What a process did to the files of a folder: every write and sync, in order, as the system saw it. */
import { execFile, spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

/** One call that has ended, in the order of its end. A write that began before a sync ended and ended after it counts as after. */
export type DiskEvent =
  | { readonly kind: "write"; readonly file: string; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: "truncate"; readonly file: string; readonly size: number }
  | { readonly kind: "sync"; readonly file: string }
  /** Its name may come back until the folder is synced. */
  | { readonly kind: "unlink"; readonly file: string }
  | { readonly kind: "syncFolder" }
  /** The process was told that something is stored, and said so. */
  | { readonly kind: "ack"; readonly fact: Fact };

/** What was acknowledged. */
export interface Fact {
  readonly op: "open" | "append" | "commit" | "settle" | "cell" | "refused";
  readonly chat: string;
  readonly n: number;
  readonly seq?: number;
  readonly externalId?: string;
  readonly turnId?: string;
}

const RECORDER = "strace";
const CALLS = "pwrite64,write,ftruncate,fsync,fdatasync,unlink,unlinkat";
const RUN_MS = 120_000;
const LOAD = fileURLToPath(new URL("load.mjs", import.meta.url));

/** Undefined where the system calls of a process can be recorded; otherwise what to do about it. */
export function whyNotRecorded(): string | undefined {
  const found = spawnSync(RECORDER, ["-qq", "-e", "trace=none", "true"]);
  return found.status === 0 ? undefined : `${RECORDER} is missing or may not trace here; install it to cut the power`;
}

/** What the folders of recordings are called. */
export const FOLDER = "satibot-power-";

/** Runs the load over a new database in `dir` until it kills itself. @param sources - folder of the store's sources without types */
export async function record(sources: string, dir: string, rounds: number): Promise<readonly DiskEvent[]> {
  const log = join(dir, "calls.log");
  const files = [sources, join(dir, "store.db"), join(dir, "acks"), String(rounds)];
  const args = ["-f", "-qq", "-xx", "-y", "-s", "4194304", "-e", `trace=${CALLS}`, "-o", log, process.execPath, LOAD, ...files];
  const said = await new Promise<string>((resolve) => {
    execFile(RECORDER, args, { timeout: RUN_MS }, (_, stdout, stderr) => resolve(`${stdout}${stderr}`));
  });
  const events = eventsOf(await readFile(log, "latin1"));
  if (!events.some((event) => event.kind === "ack")) throw new Error(`the load acknowledged nothing; it said: ${said.slice(-2_000)}`);
  return events;
}

const CALL = /^(\d+) +(\w+)\((\d+)<([^>]*)>(?:, "([^"]*)")?(?:, (-?\d+))?(?:, (-?\d+))?/;

/** Reads the recorder's log: a call that other threads interrupt is told in two lines, and counts where it ends. */
export function eventsOf(log: string): readonly DiskEvent[] {
  const begun = new Map<string, string>();
  const events: DiskEvent[] = [];
  for (const line of log.split("\n")) {
    const [pid = ""] = line.split(" ", 1);
    if (line.endsWith("<unfinished ...>")) {
      begun.set(pid, line);
      continue;
    }
    const isResumed = line.includes(" resumed>");
    const call = isResumed ? begun.get(pid) : line;
    const result = Number(/= (-?\d+)(?: |$)/.exec(line.slice(line.lastIndexOf(")")))?.[1] ?? -1);
    if (call === undefined || result < 0) continue;
    events.push(...eventOf(call, result));
  }
  return events;
}

const UNLINK = /^\d+ +unlink(?:at)?\(.*"([^"]*)"/;

function eventOf(call: string, result: number): readonly DiskEvent[] {
  const unlinked = UNLINK.exec(call)?.[1];
  if (unlinked !== undefined) {
    const gone = basename(hex(unlinked).toString("utf8"));
    return isOfStore(gone) ? [{ kind: "unlink", file: gone }] : [];
  }
  const [, , name, , path, data, second, third] = CALL.exec(call) ?? [];
  const file = basename(hex(path ?? "").toString("utf8"));
  if (file === "acks") {
    const lines = hex(data ?? "")
      .toString("utf8")
      .trim()
      .split("\n");
    return lines.map((line) => ({ kind: "ack", fact: JSON.parse(line) as Fact }));
  }
  if (name === "fsync" && file.startsWith(FOLDER)) return [{ kind: "syncFolder" }];
  if (!isOfStore(file)) return [];
  if (name === "fsync" || name === "fdatasync") return [{ kind: "sync", file }];
  if (name === "ftruncate") return [{ kind: "truncate", file, size: Number(second ?? /, (\d+)/.exec(call)?.[1]) }];
  return [{ kind: "write", file, offset: Number(third), bytes: hex(data ?? "").subarray(0, result) }];
}

/** What the next start reads: the index of the log and the lock are made anew. */
function isOfStore(file: string): boolean {
  return file.startsWith("store.db") && !file.endsWith("-shm") && !file.endsWith(".lock");
}

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll("\\x", ""), "hex");
}
