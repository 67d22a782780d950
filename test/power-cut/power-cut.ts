/** A recording of the store under load, cut off at many points, each opened as the next start would. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import { faultsAfter } from "./check.ts";
import { Disk } from "./cut.ts";
import { FOLDER, record, type DiskEvent, type Fact } from "./recording.ts";

export interface PowerCutOptions {
  /** Folder of the store's sources without types. */
  readonly sources: string;
  readonly cuts: number;
  readonly seed: number;
  /** Messages of each of the twelve chats. */
  readonly rounds: number;
  /** Faults after which no further cut is tried. Default 10. */
  readonly faultsMax?: number;
  readonly onCut?: (done: number) => void;
}

export interface PowerCutResult {
  readonly writes: number;
  readonly syncs: number;
  readonly acknowledged: number;
  readonly cuts: number;
  /** Cuts that found writes that were not synced, part of which reached the disk. */
  readonly torn: number;
  readonly faults: readonly string[];
}

/** @throws Error when the load could not be recorded */
export async function cutPower(options: PowerCutOptions): Promise<PowerCutResult> {
  const dir = await mkdtemp(join(tmpdir(), FOLDER));
  try {
    return await cutRecording(await record(options.sources, dir, options.rounds), options);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function cutRecording(events: readonly DiskEvent[], options: PowerCutOptions): Promise<PowerCutResult> {
  const random = createSeededRandom(options.seed);
  const opened = events.findIndex((event) => event.kind === "ack");
  const points = new Set<number>([events.length]);
  while (points.size < Math.min(options.cuts, events.length - opened))
    points.add(opened + 1 + Math.floor(random.next() * (events.length - opened - 1)));
  const disk = new Disk();
  const acknowledged: Fact[] = [];
  const faults: string[] = [];
  let played = 0;
  let cuts = 0;
  let torn = 0;
  for (const point of [...points].sort((a, b) => a - b)) {
    for (; played < point; played += 1) {
      const event = events[played]!;
      disk.play(event);
      if (event.kind === "ack") acknowledged.push(event.fact);
    }
    // Every other time some of what was not synced is there.
    const share = random.next();
    const reaches = cuts % 2 === 1 ? () => random.next() < share : undefined;
    if (reaches) torn += 1;
    cuts += 1;
    const found = await faultsAfter(disk.afterCut(reaches), acknowledged);
    faults.push(...found.map((fault) => `cut ${point} of ${events.length}${reaches ? ", torn" : ""}: ${fault}`));
    options.onCut?.(cuts);
    if (faults.length >= (options.faultsMax ?? 10)) break;
  }
  const count = (kind: DiskEvent["kind"]): number => events.filter((event) => event.kind === kind).length;
  return { writes: count("write"), syncs: count("sync"), acknowledged: count("ack"), cuts, torn, faults };
}
