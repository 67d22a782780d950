import { describe, expect, it } from "vitest";
import { report } from "../e2e/rig.ts";
import { adapter, BROKEN } from "./adapters.ts";
import { cutPower, type PowerCutResult } from "./power-cut.ts";
import { eventsOf, whyNotRecorded } from "./recording.ts";

const reason = whyNotRecorded();
const SEED = Number(process.env.CUT_SEED ?? Date.now() % 1_000_000);

async function cut(worker: ReturnType<typeof adapter>, options: { cuts: number; faultsMax?: number }): Promise<PowerCutResult> {
  try {
    return await cutPower({ sources: worker.folder, seed: SEED, rounds: 12, ...options });
  } finally {
    worker.remove();
  }
}

describe.skipIf(reason !== undefined)(`a power cut${reason === undefined ? "" : ` (${reason})`}`, () => {
  it("loses nothing that was acknowledged, and leaves no half of anything", { timeout: 120_000 }, async () => {
    const { faults, ...facts } = await cut(adapter(), { cuts: 60 });
    expect(faults, `CUT_SEED=${SEED}`).toEqual([]);
    expect(facts.acknowledged).toBeGreaterThan(500);
    expect(facts.syncs).toBeGreaterThan(20);
    report("power cuts", { seed: SEED, ...facts });
  });

  it.for(Object.entries(BROKEN))("finds an adapter that %s", { timeout: 120_000 }, async ([, changes]) => {
    const { faults } = await cut(adapter(changes), { cuts: 150, faultsMax: 1 });
    expect(faults.join("\n")).toMatch(/lost|second message|half a commit|cannot take/);
  });
});

describe("the recorder's log", () => {
  const hex = (text: string): string => [...Buffer.from(text)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
  const path = hex("/tmp/dir/store.db-wal");

  it("is read in the order in which calls end", () => {
    const log = [
      `11 pwrite64(23<${path}>, "${hex("abc")}", 3, 8192 <unfinished ...>`,
      `12 fdatasync(23<${path}>) = 0`,
      "11 <... pwrite64 resumed>) = 3",
      `11 ftruncate(23<${path}>, 512) = 0`,
      `12 write(24<${hex("/tmp/dir/acks")}>, "${hex('{"op":"cell","chat":"sim:1","n":1}\n')}", 35) = 35`,
    ].join("\n");
    expect(eventsOf(log)).toEqual([
      { kind: "sync", file: "store.db-wal" },
      { kind: "write", file: "store.db-wal", offset: 8_192, bytes: Buffer.from("abc") },
      { kind: "truncate", file: "store.db-wal", size: 512 },
      { kind: "ack", fact: { op: "cell", chat: "sim:1", n: 1 } },
    ]);
  });

  it("leaves out calls that failed, and files of others", () => {
    const log = [
      `11 pwrite64(23<${path}>, "${hex("abc")}", 3, 0) = -1 ENOSPC (No space left)`,
      `11 write(1<${hex("pipe:[7]")}>, "${hex("x")}", 1) = 1`,
    ].join("\n");
    expect(eventsOf(log)).toEqual([]);
  });
});
