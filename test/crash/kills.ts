/** The instants at which the daemon is killed: each hits a certain thing that it does. */
import { stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../../src/ports/random.ts";
import type { TelegramServer } from "../../src/testing/telegram-server.ts";
import type { Daemon } from "../e2e/rig.ts";

export const PHASES = ["load", "start-up", "recovery", "passivation", "checkpoint", "drain", "send"] as const;
export type Phase = (typeof PHASES)[number];

export interface KillWorld {
  readonly random: Random;
  readonly telegram: TelegramServer;
  /** The database file: only a checkpoint writes it. */
  readonly file: string;
  /** Starts a process without waiting for it. */
  readonly launch: () => Daemon;
}

const BOOT_MS = 500;
const DRAIN_MS = 150;
/** Chats are passivated by the maintenance of each second. */
const MAINTENANCE_MS = 1_000;
const CHECKPOINT_WAIT_MS = 3_000;

/** Lets the daemon run as the phase asks, and kills it there. Answers how many processes died. */
export async function killIn(phase: Phase, daemon: Daemon, { random, telegram, file, launch }: KillWorld): Promise<number> {
  const between = (fromMs: number, toMs: number): Promise<void> => sleep(fromMs + random.next() * (toMs - fromMs));
  switch (phase) {
    case "load":
      await between(500, 2_500);
      break;
    case "start-up": {
      await between(500, 1_500);
      await daemon.kill();
      const doomed = launch();
      await between(0, BOOT_MS);
      await doomed.kill();
      return 2;
    }
    case "recovery":
      await between(0, 80);
      break;
    case "passivation":
      await between(MAINTENANCE_MS - 10, MAINTENANCE_MS + 60);
      break;
    case "checkpoint":
      await untilWritten(file);
      await between(0, 4);
      break;
    case "drain":
      await between(500, 1_500);
      daemon.signal("SIGTERM");
      await between(0, DRAIN_MS);
      break;
    case "send": {
      await between(300, 1_500);
      const before = telegram.sends().length;
      telegram.fail({ kind: "takenThenSilent" });
      const deadlineMs = performance.now() + 1_000;
      while (telegram.sends().length === before && performance.now() < deadlineMs) await sleep(1);
      break;
    }
  }
  await daemon.kill();
  return 1;
}

async function untilWritten(file: string): Promise<void> {
  const writtenAt = async (): Promise<number> => (await stat(file).catch(() => undefined))?.mtimeMs ?? 0;
  const before = await writtenAt();
  const deadlineMs = performance.now() + CHECKPOINT_WAIT_MS;
  while ((await writtenAt()) === before && performance.now() < deadlineMs) await sleep(1);
}
