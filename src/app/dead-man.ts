/**
 * A dead man's switch: a URL of a service outside is asked from time to time while the daemon really works, so that the service can tell a
 * person when it stops hearing. What the process cannot say of itself, that it is gone, is said by the silence.
 */
import type { CancelTimer, Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { PingConfig } from "./config/heartbeat-fields.ts";

export interface DeadManOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** True while the event loop advances and the store commits. May reject. */
  readonly isAlive: () => Promise<boolean>;
  /** Asks the URL with GET; answers the status. Default: `fetch`, given up after 10 seconds, redirects not followed. */
  readonly get?: (url: string) => Promise<number>;
}

export interface DeadManSwitch {
  /** From now on this URL is asked, at once and then at its interval; undefined asks none. Nothing happens when it is the same. */
  readonly configure: (ping: PingConfig | undefined) => void;
  /** Asks no more. Idempotent. */
  readonly stop: () => void;
}

/** Longest that one call may take. */
const CALL_MAX_MS = 10_000;

/** Failures are logged once, and their end; the URL never is. */
export function createDeadManSwitch({ clock, log, isAlive, get = getStatus }: DeadManOptions): DeadManSwitch {
  let current: PingConfig | undefined;
  let cancel: CancelTimer | undefined;
  /** What was wrong at the last round. */
  let trouble: string | undefined;

  const note = (found: string | undefined): void => {
    if (found === trouble) return;
    if (found !== undefined) log.warn({ why: found }, "the dead man's switch was not pinged; its service may raise an alarm");
    else log.info({}, "the dead man's switch is pinged again");
    trouble = found;
  };

  const round = async (ping: PingConfig): Promise<void> => {
    const dueMs = clock.monotonic() + ping.everyMs;
    const found = await attempt(ping.url);
    // Another URL, or none, was configured meanwhile.
    if (current !== ping) return;
    note(found);
    cancel = clock.setTimer(Math.max(0, dueMs - clock.monotonic()), () => void round(ping));
  };

  /** What went wrong; undefined when nothing did. */
  const attempt = async (url: string): Promise<string | undefined> => {
    if (!(await isAlive().catch(() => false))) return "the event loop stalls or the store does not commit";
    try {
      const status = await get(url);
      if (status < 300) return undefined;
      return status < 400
        ? `it answered with a redirect (${status}), which is not followed; write the address that it leads to in heartbeat.pingUrl`
        : `it answered with status ${status}; check heartbeat.pingUrl`;
    } catch (error) {
      return `it could not be reached (${reasonOf(error)}); check heartbeat.pingUrl and the network`;
    }
  };

  return {
    configure: (ping) => {
      if (ping?.url === current?.url && ping?.everyMs === current?.everyMs) return;
      cancel?.();
      current = ping;
      trouble = undefined;
      if (ping) void round(ping);
    },
    stop: () => {
      current = undefined;
      cancel?.();
    },
  };
}

async function getStatus(url: string): Promise<number> {
  const response = await fetch(url, { redirect: "manual", signal: AbortSignal.timeout(CALL_MAX_MS) });
  await response.body?.cancel();
  return response.status;
}

/** A code or a name, never a message: those of networks hold addresses. */
function reasonOf(error: unknown): string {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if ("code" in at && typeof at.code === "string") return at.code;
    if (at.cause === undefined) return at.name;
  }
  return "unknown";
}
