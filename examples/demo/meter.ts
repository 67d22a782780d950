/** What is measured of one run: each message from its arrival at the platform until the platform has accepted the reply. */
import { clock } from "./clock.ts";
import type { PlatformName } from "./cast.ts";
import type { PlayedMessage } from "./play.ts";

export interface Measures {
  readonly messages: number;
  /** From the beginning until the last reply was accepted. */
  readonly elapsedMs: number;
  readonly latencyP50Ms: number;
  readonly latencyP99Ms: number;
  /** Messages that had arrived and no agent worked on yet. */
  readonly waitingMax: number;
  /** The same, averaged over the time of the run. */
  readonly waitingMean: number;
  /** Of the whole process, all threads, user and system; without what was done aside. */
  readonly cpuMs: number;
}

export interface PlatformCounts {
  received: number;
  sent: number;
  /** Attempts that the platform refused. */
  refused: number;
}

export interface Meter {
  /** Time and CPU count from here on; to be called once, before the first message arrives. */
  readonly begin: () => void;
  readonly arrived: (message: PlayedMessage) => void;
  /** Calls `run`; what it costs until it returns is no part of the CPU time. */
  readonly aside: (run: () => void) => void;
  /** The agent begins; calls after the first change nothing. */
  readonly begun: (message: PlayedMessage) => void;
  readonly refused: (message: PlayedMessage) => void;
  /** Returns the latency in milliseconds. */
  readonly answered: (message: PlayedMessage) => number;
  readonly counts: () => { readonly arrived: number; readonly begun: number; readonly answered: number };
  readonly platform: (name: PlatformName) => Readonly<PlatformCounts>;
  readonly elapsedMs: () => number;
  /** Resolves once every message is answered. */
  readonly done: Promise<void>;
  /** To be read once `done`. */
  readonly measures: () => Measures;
}

/** @param total - messages of the play; at least 1 */
export function createMeter(total: number): Meter {
  let startMs = clock.monotonic();
  let cpuAtStart = process.cpuUsage();
  const arrivedAtMs = new Map<number, number>();
  const begun = new Set<number>();
  const latenciesMs: number[] = [];
  const platforms: Record<PlatformName, PlatformCounts> = {
    telegram: { received: 0, sent: 0, refused: 0 },
    discord: { received: 0, sent: 0, refused: 0 },
    whatsapp: { received: 0, sent: 0, refused: 0 },
  };
  let asideMs = 0;
  let waitingMax = 0;
  let waitingTime = 0;
  let lookedAtMs = startMs;
  let end: { readonly atMs: number; readonly cpuMs: number } | undefined;
  let finish = (): void => undefined;
  const done = new Promise<void>((resolve) => {
    finish = resolve;
  });

  const waiting = (): number => arrivedAtMs.size - begun.size;
  /** Before each change: adds how long so many have waited. */
  const look = (): void => {
    const nowMs = clock.monotonic();
    waitingTime += waiting() * (nowMs - lookedAtMs);
    lookedAtMs = nowMs;
  };

  return {
    begin: () => {
      startMs = clock.monotonic();
      lookedAtMs = startMs;
      cpuAtStart = process.cpuUsage();
      asideMs = 0;
    },
    aside: (run) => {
      const before = process.cpuUsage();
      run();
      asideMs += cpuSince(before);
    },
    arrived: ({ number, person }) => {
      look();
      arrivedAtMs.set(number, clock.monotonic());
      platforms[person.platform].received += 1;
      waitingMax = Math.max(waitingMax, waiting());
    },
    begun: ({ number }) => {
      look();
      begun.add(number);
    },
    refused: ({ person }) => {
      platforms[person.platform].refused += 1;
    },
    answered: ({ number, person }) => {
      const nowMs = clock.monotonic();
      const latencyMs = nowMs - (arrivedAtMs.get(number) ?? Number.NaN);
      latenciesMs.push(latencyMs);
      platforms[person.platform].sent += 1;
      if (latenciesMs.length === total) {
        look();
        end = { atMs: nowMs, cpuMs: cpuSince(cpuAtStart) - asideMs };
        finish();
      }
      return latencyMs;
    },
    counts: () => ({ arrived: arrivedAtMs.size, begun: begun.size, answered: latenciesMs.length }),
    platform: (name) => platforms[name],
    elapsedMs: () => (end?.atMs ?? clock.monotonic()) - startMs,
    done,
    measures: () => {
      if (!end) throw new Error(`${total - latenciesMs.length} messages are not answered yet; wait for done`);
      const elapsedMs = end.atMs - startMs;
      return {
        messages: total,
        elapsedMs,
        latencyP50Ms: percentile(latenciesMs, 0.5),
        latencyP99Ms: percentile(latenciesMs, 0.99),
        waitingMax,
        waitingMean: waitingTime / elapsedMs,
        cpuMs: end.cpuMs,
      };
    },
  };
}

function cpuSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

/** By nearest rank: a latency that one of the messages really had. */
function percentile(latenciesMs: readonly number[], part: number): number {
  const sorted = latenciesMs.toSorted((a, b) => a - b);
  return sorted[Math.ceil(part * sorted.length) - 1] ?? Number.NaN;
}
