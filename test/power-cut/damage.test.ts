import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import { adapter } from "./adapters.ts";
import { faultsAfter } from "./check.ts";
import type { Fact } from "./recording.ts";

const LOAD = fileURLToPath(new URL("load.mjs", import.meta.url));
const CHATS = 12;
/** Every chat is looked at, and nothing is expected of it but to be whole. */
const WHOLE: readonly Fact[] = Array.from({ length: CHATS }, (_, chat) => ({ op: "cell", chat: `sim:${chat}`, n: 0 }));

interface Left {
  readonly main: Buffer;
  readonly log: Buffer;
  readonly acknowledged: readonly Fact[];
}

/** What a process leaves that was killed under load. */
async function leave(rounds: number): Promise<Left> {
  const worker = adapter();
  const dir = await mkdtemp(join(tmpdir(), "satibot-damage-"));
  try {
    const file = join(dir, "store.db");
    await new Promise<void>((resolve) => {
      execFile(process.execPath, [LOAD, worker.folder, file, join(dir, "acks"), String(rounds)], { timeout: 60_000 }, () => resolve());
    });
    const lines = (await readFile(join(dir, "acks"), "utf8")).trim().split("\n");
    const acknowledged = lines.map((line) => JSON.parse(line) as Fact);
    return { main: await readFile(file), log: await readFile(`${file}-wal`), acknowledged };
  } finally {
    worker.remove();
    await rm(dir, { recursive: true, force: true });
  }
}

const files = (main: Uint8Array, log: Uint8Array | undefined): ReadonlyMap<string, Uint8Array> =>
  new Map([["store.db", main], ...(log ? [["store.db-wal", log] as const] : [])]);

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 0xff;
  return copy;
}

let left: Left;
let other: Left;
beforeAll(async () => {
  left = await leave(14);
  other = await leave(3);
}, 60_000);

describe("a damaged log", () => {
  it("loses nothing when the damage comes after the last acknowledged commit", async () => {
    const garbage = Buffer.alloc(10_000, 0xa5);
    expect(await faultsAfter(files(left.main, Buffer.concat([left.log, garbage])), left.acknowledged)).toEqual([]);
    expect(await faultsAfter(files(left.main, left.log), left.acknowledged)).toEqual([]);
  });

  it("opens whole at an earlier commit when it ends early, wherever that is", async () => {
    const random = createSeededRandom(1);
    for (let n = 0; n < 25; n += 1) {
      const size = Math.floor(random.next() * left.log.length);
      expect(await faultsAfter(files(left.main, left.log.subarray(0, size)), WHOLE), `cut to ${size} of ${left.log.length} bytes`).toEqual(
        [],
      );
    }
  });

  it("opens whole at an earlier commit when a byte of it is another, wherever that is", async () => {
    const random = createSeededRandom(2);
    for (let n = 0; n < 25; n += 1) {
      const at = n < 5 ? n * 8 : Math.floor(random.next() * left.log.length);
      expect(await faultsAfter(files(left.main, flipped(left.log, at)), WHOLE), `byte ${at} of ${left.log.length}`).toEqual([]);
    }
  });

  it("opens whole at the last checkpoint when it is missing or of another database", async () => {
    expect(await faultsAfter(files(left.main, undefined), WHOLE)).toEqual([]);
    expect(await faultsAfter(files(left.main, Buffer.alloc(left.log.length, 0x5a)), WHOLE)).toEqual([]);
  });
});

describe("a damaged file", () => {
  const refusals = /does not open: .*(backup|move)|integrity check|^$/;

  it.for([
    ["is no database", () => Buffer.from("this is not the file you are looking for".repeat(200))],
    ["has another header", () => Buffer.concat([Buffer.alloc(100, 0xff), left.main.subarray(100)])],
    ["has lost its first page", () => Buffer.concat([Buffer.alloc(4_096), left.main.subarray(4_096)])],
    ["ends in the middle of a page", () => left.main.subarray(0, left.main.length - 6_000)],
    ["is of another database", () => other.main],
  ] as const)("that %s is refused with what to do, or found by its check, and ends nothing", async ([, damage]) => {
    const faults = await faultsAfter(files(damage(), undefined), WHOLE);
    expect(faults.join("\n")).toMatch(refusals);
  });

  it("that is empty begins anew", async () => {
    expect(await faultsAfter(files(Buffer.alloc(0), undefined), WHOLE)).toEqual([]);
  });

  it("with a page of garbage never ends the process, and is whole, refused or found by its check", async () => {
    const random = createSeededRandom(3);
    const pages = Math.floor(left.main.length / 4_096);
    const seen = new Set<string>();
    for (let n = 0; n < 20; n += 1) {
      const page = 1 + Math.floor(random.next() * (pages - 1));
      const main = Buffer.from(left.main);
      main.fill(0xee, page * 4_096, (page + 1) * 4_096);
      const faults = (await faultsAfter(files(main, undefined), WHOLE)).join("\n");
      expect(faults, `page ${page}`).toMatch(refusals);
      seen.add(faults === "" ? "whole" : "found");
    }
    expect(seen).toContain("found");
  });
});
