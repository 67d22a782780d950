/**
 * One connection to Discord's gateway, from login to its end, and what it reports.
 *
 *   opening ── READY ──▶ open ── closed ──▶ recovering ── RESUMED or READY ──▶ open
 *      │ closed            │ final code          │ 45 s
 *      └──────────────────▶└──── ended ◀─────────┘   (reported as lost or refused; the runtime stops the channel)
 * A close that the library mends by itself is no loss: Discord asks each connection to come again every few hours, and a resume brings
 * what was missed, which a new login does not. Until it succeeds no traffic is reported.
 */
import type { ErrorNote } from "../../core/errors.ts";
import type { ChannelHost } from "../../ports/channel.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import { innermost, noteFor } from "./failure.ts";
import type { Redact } from "./failure.ts";
import type { IdentifyPace } from "./identify-pace.ts";
import { FINAL_CODES, openLibrary } from "./library.ts";
import type { Library } from "./library.ts";
import { isSnowflake } from "./snowflake.ts";
import type { WireReady } from "./wire.ts";

export interface Gateway {
  /** Reports that the token is refused, and ends. */
  readonly refuse: (reason: string) => void;
  /** Resolves when the connection is gone. */
  readonly stop: () => Promise<void>;
}

export interface GatewayOptions {
  readonly token: string;
  readonly apiRoot: string;
  readonly clock: Clock;
  readonly name: string;
  readonly log: Log | undefined;
  readonly redact: Redact;
  readonly pace: IdentifyPace;
  readonly report: ChannelHost["report"];
  /** A login, after which nothing older arrives by itself. */
  readonly onLogin: (bot: { readonly id: string; readonly username: string }, applicationId: string) => void;
  readonly onEvent: (t: string, d: unknown) => void;
}

/** How long the library may try to mend a closed connection. */
const RECOVERY_MS_MAX = 45_000;
/** Longest time from start to the first login. */
const OPENING_MS_MAX = 60_000;
/** Traffic is reported at most so often; heartbeats always. */
const TRAFFIC_MS = 1_000;

const LOST_ADVICE = "the network or Discord is down; the connection is tried again";
const TOKEN_ADVICE = "set a valid token (developer portal, Bot › Reset Token) and restart satibot";
const REFUSALS: Readonly<Record<number, ErrorNote>> = {
  4_004: noteFor("TOKEN_REFUSED", `the token is refused (4004); ${TOKEN_ADVICE}`),
  4_010: noteFor("CONFIG_UNSUPPORTED", "the shard is refused (4010); update satibot"),
  4_011: noteFor("CONFIG_UNSUPPORTED", "the bot is in more servers than one connection may serve (4011); remove it from some"),
  4_012: noteFor("CONFIG_UNSUPPORTED", "this version of the gateway is no longer served (4012); update satibot"),
  4_013: noteFor("CONFIG_UNSUPPORTED", "the intents are refused (4013); update satibot"),
  4_014: noteFor(
    "CONFIG_INVALID",
    "the intents are not allowed (4014); switch on Message Content Intent in the developer portal (your application, Bot, Privileged Gateway Intents) and restart satibot",
  ),
};

type State = "opening" | "open" | "recovering" | "ended";

/** What the library's errors carry, by their kind. */
interface LibraryError {
  readonly status?: unknown;
  readonly code?: unknown;
  /** Of a 429, in milliseconds. */
  readonly retryAfter?: unknown;
}

/** Starts the connection; its fate arrives through `report`. */
export function openGateway(options: GatewayOptions): Gateway {
  const { token, apiRoot, clock, name, log, redact, pace, report, onLogin, onEvent } = options;
  let state: State = "opening";
  let isStopping = false;
  let library: Library | undefined;
  let ending: Promise<void> | undefined;
  let seenMs = Number.NEGATIVE_INFINITY;
  let lastError = "";
  let account = {};

  /** Never rejects. Also when the runtime has not decided yet: the library must not try on meanwhile. */
  const end = (): Promise<void> => {
    state = "ended";
    cancelTimer();
    ending ??= opened
      .then(() => library?.destroy())
      .catch((error: unknown) => log?.error({ channel: name, error: redact(innermost(error)) }, "discord.js did not end cleanly"));
    return ending;
  };
  const lose = (text: string, retryAfterMs?: number): void => {
    if (state === "ended") return;
    const error = noteFor("CHANNEL_UNAVAILABLE", `${redact(text)}; ${LOST_ADVICE}`);
    report({ type: "connection.lost", error, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
    void end();
  };
  const refuse = (error: ErrorNote): void => {
    if (state === "ended") return;
    report({ type: "connection.refused", error });
    void end();
  };

  let cancelTimer = clock.setTimer(OPENING_MS_MAX, () => lose(`no login within ${OPENING_MS_MAX} ms`));

  const seen = (isAlways: boolean): void => {
    const nowMs = clock.monotonic();
    if (!isAlways && nowMs - seenMs < TRAFFIC_MS) return;
    seenMs = nowMs;
    report({ type: "traffic.seen" });
  };
  const openedNow = (): void => {
    state = "open";
    lastError = "";
    cancelTimer();
    report({ type: "connection.opened", ...account });
    seen(true);
  };
  const loggedIn = ({ user, application }: WireReady): void => {
    const id = user?.id;
    if (!isSnowflake(id)) {
      lose("READY names no bot; check apiRoot");
      return;
    }
    const username = user?.username ?? id;
    account = { account: { name: `@${username}` } };
    openedNow();
    onLogin({ id, username }, application?.id ?? id);
  };

  const onDispatch = (t: string, d: unknown): void => {
    if (state === "ended" || isStopping) return;
    if (t === "READY") loggedIn(d ?? {});
    else if (t === "RESUMED") {
      log?.info({ channel: name }, "resumed; what was missed has been sent again");
      openedNow();
    } else {
      seen(false);
      onEvent(t, d);
    }
  };
  const onClosed = (code: number): void => {
    if (state === "ended" || isStopping) return;
    const refusal = REFUSALS[code];
    if (refusal && FINAL_CODES.has(code)) refuse(refusal);
    else if (state === "opening") lose(`the gateway closed the connection (${code}${lastError}) before the login`);
    else if (state === "open") {
      state = "recovering";
      log?.info({ channel: name, code }, "the gateway closed the connection; it is resumed");
      cancelTimer = clock.setTimer(RECOVERY_MS_MAX, () => lose(`the connection closed (${code}${lastError}) and could not be mended`));
    }
  };

  const onLoginFailed = (error: unknown): void => {
    if (state !== "opening" || isStopping) return;
    const { status, code, retryAfter } = (error ?? {}) as LibraryError;
    const logins = library?.logins();
    if (status === 401 || code === "TokenInvalid") refuse(noteFor("TOKEN_REFUSED", `the token is refused (401); ${TOKEN_ADVICE}`));
    else if (logins?.left === 0) lose("no logins are left for today", logins.resetMs);
    else lose(innermost(error), typeof retryAfter === "number" ? retryAfter : undefined);
  };

  const opened = (async () => {
    try {
      const onHeartbeat = (): void => {
        if (state !== "ended" && !isStopping) seen(true);
      };
      const onError = (error: unknown): void => {
        lastError = `: ${redact(innermost(error))}`;
      };
      const listener = { onDispatch, onClosed, onHeartbeat, onError };
      library = await openLibrary({ token, apiRoot, clock, pace, name, log, listener });
    } catch (error) {
      lose(`discord.js could not be loaded: ${innermost(error)}`);
      return;
    }
    // Not awaited: while the network is down it neither resolves nor rejects.
    if (!isStopping) library.login().catch(onLoginFailed);
  })();

  return {
    refuse: (reason) => refuse(noteFor("TOKEN_REFUSED", `${redact(reason)}; ${TOKEN_ADVICE}`)),
    stop: async () => {
      isStopping = true;
      await end();
    },
  };
}
