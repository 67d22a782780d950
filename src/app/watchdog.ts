/**
 * Tells systemd how the daemon is: ready, alive, stopping. systemd kills and restarts a service of which it hears nothing for WatchdogSec;
 * a wedged event loop sends nothing. A store that does not commit is no reason: a restart does not empty a disk, and `/healthz` tells of it.
 * The protocol is a datagram on a unix socket; Node has none of these, so `systemd-notify` sends it.
 * @see https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
 */
import { execFile } from "node:child_process";
import type { CancelTimer, Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Environment } from "./config/environment.ts";

/** A sender that takes longer is given up. */
const CALL_MAX_MS = 10_000;
/** Shortest pause between two signs of life, whatever systemd asks for. */
const INTERVAL_MIN_MS = 100;

export interface WatchdogOptions {
  /** NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID are read; without the first nothing is ever sent. */
  readonly env: Environment;
  readonly clock: Clock;
  /** Sends one assignment of the protocol, such as `READY=1`; rejects when it could not. Default: `systemd-notify`. */
  readonly run?: (assignment: string) => Promise<void>;
  /** Of this process; default the real one. */
  readonly pid?: number;
  readonly log?: Log;
}

export interface Watchdog {
  /** The daemon accepts messages; from now on signs of life follow, two in each WATCHDOG_USEC. */
  readonly ready: () => void;
  /** The drain has begun; no sign of life is needed any more. Idempotent. */
  readonly stopping: () => void;
  /** Ends all timers. Idempotent. */
  readonly stop: () => void;
}

/** Never throws and never keeps the daemon from its work: what cannot be sent is logged once. */
export function createWatchdog(options: WatchdogOptions): Watchdog {
  const { env, clock, log, run = senderOf(env), pid = process.pid } = options;
  if ((env.NOTIFY_SOCKET ?? "") === "") return { ready: () => undefined, stopping: () => undefined, stop: () => undefined };
  const intervalMs = intervalOf(env, pid);
  let state: "starting" | "ready" | "stopping" | "stopped" = "starting";
  let cancel: CancelTimer | undefined;
  let isBroken = false;

  const send = async (assignment: string): Promise<void> => {
    try {
      await run(assignment);
      isBroken = false;
    } catch (error) {
      if (!isBroken) log?.warn({ err: error, assignment }, "systemd could not be told; is systemd-notify installed?");
      isBroken = true;
    }
  };

  // The next beat is set after this one has ended, so that slow ones never overlap.
  const schedule = (dueMs: number): void => {
    cancel = clock.setTimer(Math.max(0, dueMs - clock.monotonic()), () => {
      const nextMs = Math.max(dueMs + (intervalMs ?? 0), clock.monotonic());
      void send("WATCHDOG=1").then(() => {
        if (state === "ready") schedule(nextMs);
      });
    });
  };

  return {
    ready: () => {
      if (state !== "starting") return;
      state = "ready";
      void send("READY=1");
      if (intervalMs !== undefined) schedule(clock.monotonic() + intervalMs);
    },
    stopping: () => {
      if (state === "stopping" || state === "stopped") return;
      state = "stopping";
      cancel?.();
      void send("STOPPING=1");
    },
    stop: () => {
      state = "stopped";
      cancel?.();
    },
  };
}

/** Half of what systemd waits for, in milliseconds; undefined when it expects no signs of life of this process. */
function intervalOf(env: Environment, pid: number): number | undefined {
  const [wholeUs, meant] = [Number(env.WATCHDOG_USEC), env.WATCHDOG_PID ?? ""];
  if (!Number.isFinite(wholeUs) || wholeUs <= 0 || (meant !== "" && meant !== String(pid))) return undefined;
  return Math.max(INTERVAL_MIN_MS, Math.floor(wholeUs / 1_000 / 2));
}

function senderOf(env: Environment): (assignment: string) => Promise<void> {
  return (assignment) =>
    new Promise((resolve, reject) => {
      const given = { PATH: env.PATH, NOTIFY_SOCKET: env.NOTIFY_SOCKET };
      execFile("systemd-notify", [assignment], { env: given, timeout: CALL_MAX_MS }, (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
}
