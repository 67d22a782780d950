/** The event loop with its ways in: channels, HTTP and the configured cron jobs. */
import { ConfigError } from "../core/errors.ts";
import { parseDuration } from "../core/duration.ts";
import { DEFAULT_LIMITS, type Limits } from "../core/limits.ts";
import type { Channel } from "../ports/channel.ts";
import type { Log } from "../ports/log.ts";
import type { CronJobInput, EventLoop, PairingCode } from "../runtime/api.ts";
import { wirePairingCode } from "../http/wire.ts";
import { createEchoAgent } from "../agents/echo.ts";
import { SILENT, assembleWithHost, storeOf, type EventLoopOptions } from "./event-loop.ts";
import { openChannels, type NamedChannels } from "./channels.ts";
import type { Config } from "./config/config.ts";
import { createLog } from "./log.ts";
import { viewPairingCode } from "./pairing-notice.ts";
import { createScreen, type Screen } from "./screen.ts";
import { createSystemClock } from "./system-clock.ts";
import { createSystemRandom } from "./system-random.ts";

/** Durations as text ("5m") or milliseconds, by the names of the configuration. */
export type LimitOptions = Partial<Record<"concurrentTurns" | "inboxPerChat" | "maxAttempts", number>> &
  Partial<
    Record<
      | "turnTimeout"
      | "idleTimeout"
      | "drainTimeout"
      | "outboxMaxAge"
      | "eventRetention"
      | "dedupeRetention"
      | "inboxRetention"
      | "historyRetention",
      string | number
    >
  >;

export interface GatewayOptions extends Omit<EventLoopOptions, "limits"> {
  readonly limits?: LimitOptions;
  /** By instance name (`telegram`, `telegram-2`), or channels of your own. `web`, the page at `/`, is on unless it is `false`; `terminal` is off unless it is `true`. */
  readonly channels?: NamedChannels | readonly Channel[];
  /** `false` opens no port. Default 127.0.0.1:7330. */
  readonly http?:
    | false
    | { readonly host?: string; readonly port?: number; readonly token?: string; readonly allowedHosts?: readonly string[] };
  readonly cron?: readonly CronJobInput[];
  /** Shows a pairing code to whoever runs the bot. Absent: the log says how to get one. */
  readonly tellCode?: (code: PairingCode) => void;
  /** Written to by others too: is told of the prompt above which it has to write. */
  readonly screen?: Pick<Screen, "attach">;
  /** The person at the terminal wants to leave. Default: `shutdown`. */
  readonly onQuit?: () => void;
}

export interface Gateway extends EventLoop {
  /** Where HTTP listens once started; undefined without HTTP. */
  readonly address: () => { readonly host: string; readonly port: number } | undefined;
}

const HTTP_DEFAULTS = { host: "127.0.0.1", port: 7330 };
/** Time that requests under way get when the gateway stops. */
const HTTP_GRACE_MS = 1_000;

/**
 * The event loop plus channels, HTTP and cron jobs. Touches no signal, no exit code and no configuration file.
 * @throws ConfigError for what is wrong or not supported; `start` throws it for a locked store or a port in use
 */
export function createGateway(options: GatewayOptions = {}): Gateway {
  const clock = options.clock ?? createSystemClock();
  const log = options.log ?? SILENT;
  let address: { host: string; port: number } | undefined;
  let http: { readonly stop: (options?: { graceMs?: number }) => Promise<void> } | undefined;
  const hasPage =
    options.http !== false && (Array.isArray(options.channels) || (options.channels as NamedChannels | undefined)?.web !== false);
  // Channels and HTTP load only when they are configured.
  let loop: EventLoop | undefined;
  let starting: Promise<void> | undefined;

  const build = async (): Promise<EventLoop> =>
    assembleWithHost({
      agent: options.agent ?? createEchoAgent({ clock }),
      store: storeOf(options.store ?? "memory:", clock),
      clock,
      random: options.random ?? createSystemRandom(),
      log,
      limits: limitsOf(options.limits),
      overlap: options.overlap,
      channels: await openChannels(options.channels ?? {}, {
        clock,
        hasPage,
        loop: gateway,
        quit: options.onQuit ?? (() => void gateway.shutdown()),
        attach: options.screen?.attach ?? (() => undefined),
      }),
      tellCode:
        options.tellCode ?? (({ channel }) => log.warn({ channel }, `nobody may write yet; \`satibot pair code ${channel}\` makes a code`)),
    });

  const start = (): Promise<void> => {
    starting ??= (async () => {
      loop = await build();
      await loop.start();
      if (options.http !== false) {
        const { createHttpServer } = await import("../http/server.ts");
        const server = createHttpServer({ ...HTTP_DEFAULTS, ...options.http, page: hasPage, loop, clock, log });
        try {
          address = await server.start();
        } catch (error) {
          await loop.shutdown();
          throw error;
        }
        http = server;
      }
      for (const job of options.cron ?? []) await addUnlessKnown(loop, job);
    })();
    return starting;
  };

  const running = (): EventLoop => {
    if (loop) return loop;
    throw new ConfigError("WRONG_STATE", "the gateway is not started; await gateway.start() first");
  };

  const gateway: Gateway = {
    start,
    run: async () => {
      await start();
      await running().run();
      await http?.stop({ graceMs: HTTP_GRACE_MS });
    },
    shutdown: async () => {
      await starting?.catch(() => undefined);
      await loop?.shutdown();
      await http?.stop({ graceMs: HTTP_GRACE_MS });
    },
    address: () => address,
    addChatMessage: async (...args) => running().addChatMessage(...args),
    send: async (...args) => running().send(...args),
    stream: (...args) => running().stream(...args),
    mayBegin: (key) => running().mayBegin(key),
    addCronJob: async (...args) => running().addCronJob(...args),
    removeCronJob: async (...args) => running().removeCronJob(...args),
    jobs: async (...args) => running().jobs(...args),
    jobRuns: async (...args) => running().jobRuns(...args),
    stop: async (...args) => running().stop(...args),
    reset: async (...args) => running().reset(...args),
    retry: async (...args) => running().retry(...args),
    passivate: async (...args) => running().passivate(...args),
    export: async (...args) => running().export(...args),
    erase: async (...args) => running().erase(...args),
    why: async (...args) => running().why(...args),
    chat: async (...args) => running().chat(...args),
    chats: async (...args) => running().chats(...args),
    events: async (...args) => running().events(...args),
    pairing: {
      list: async () => running().pairing.list(),
      issue: async (channel) => running().pairing.issue(channel),
      approve: async (channel, id) => running().pairing.approve(channel, id),
      revoke: async (channel, id) => running().pairing.revoke(channel, id),
    },
    outbox: {
      list: async (filter, page) => running().outbox.list(filter, page),
      retry: async (id) => running().outbox.retry(id),
      purge: async (id) => running().outbox.purge(id),
    },
    webhook: async (...args) => running().webhook(...args),
    status: async () => running().status(),
    health: async () => running().health(),
    isReady: () => loop?.isReady() ?? false,
  };
  return gateway;
}

/**
 * The gateway that a configuration file describes, with a log to standard output.
 * @param configPath - absent: `satibot.config.*` in the working directory, or the defaults
 * @throws ConfigError naming each bad key
 */
createGateway.fromConfig = async (configPath?: string): Promise<Gateway> => {
  const { loadConfig } = await import("./config/config.ts");
  const config = await loadConfig({ cwd: process.cwd(), env: process.env, configPath });
  return createGateway(await optionsOf(config));
};

/** What a checked configuration means for the gateway. */
export async function optionsOf(config: Config): Promise<GatewayOptions & { readonly screen: Screen; readonly log: Log }> {
  const secrets = [config.http.token, ...config.channels.map((channel) => channel.token)].filter((secret) => secret !== undefined);
  const { stdin, stdout, stderr } = process;
  // Undefined, whatever the types say, where there is no terminal.
  const isAtTerminal = Boolean(stdin.isTTY && stdout.isTTY);
  const hasTerminal = config.terminal ?? isAtTerminal;
  // Standard output belongs to the conversation where that is not a prompt.
  const screen = createScreen(hasTerminal && !isAtTerminal ? stderr : stdout);
  const write = hasTerminal ? (line: string) => screen.print(line.trimEnd()) : undefined;
  const log = createLog({
    level: config.log.level ?? (hasTerminal && isAtTerminal ? "warn" : "info"),
    pretty: screen.isTerminal,
    secrets,
    write,
  });
  const { limits } = config;
  const tellCode = (code: PairingCode): void => screen.print(`\n${viewPairingCode(wirePairingCode(code), Date.now(), screen.columns())}\n`);
  return {
    tellCode,
    screen,
    store: config.store.kind === "memory" ? "memory:" : `sqlite:${config.store.file}`,
    log,
    channels: {
      ...Object.fromEntries(config.channels.map(({ name, token, apiRoot, allow }) => [name, { token, apiRoot, allow }])),
      web: config.web,
      terminal: hasTerminal,
    },
    http: config.http,
    cron: config.cron,
    limits: {
      concurrentTurns: limits.concurrentTurns,
      inboxPerChat: limits.inboxPerChat,
      maxAttempts: limits.maxAttempts,
      turnTimeout: limits.turnTimeoutMs,
      idleTimeout: limits.idleTimeoutMs,
      drainTimeout: limits.drainTimeoutMs,
      outboxMaxAge: limits.outboxMaxAgeMs,
      eventRetention: limits.eventRetentionMs,
      dedupeRetention: limits.dedupeRetentionMs,
      inboxRetention: limits.inboxRetentionMs,
      historyRetention: limits.historyRetentionMs,
    },
  };
}

/** A job of the configuration keeps its state over restarts; one that has changed starts anew. */
async function addUnlessKnown(loop: EventLoop, job: CronJobInput): Promise<void> {
  const { items } = await loop.jobs({ limit: 1_000 });
  const known = items.find((item) => item.id === job.id);
  const isSame =
    known &&
    known.message === job.message &&
    known.name === (job.name ?? job.id) &&
    known.deliverTo === job.deliver?.chat &&
    known.nextAtMs !== undefined;
  if (!isSame || !(await hasSameSchedule(known.schedule, job))) await loop.addCronJob(job);
}

async function hasSameSchedule(
  schedule: Awaited<ReturnType<EventLoop["jobs"]>>["items"][number]["schedule"],
  job: CronJobInput,
): Promise<boolean> {
  const { parseSchedule } = await import("../runtime/schedule.ts");
  const anchorMs = schedule.kind === "every" ? schedule.anchorMs : 0;
  return JSON.stringify(parseSchedule(job.schedule, anchorMs)) === JSON.stringify(schedule);
}

function limitsOf(limits: LimitOptions = {}): Limits {
  const duration = (value: string | number | undefined, fallback: number): number =>
    value === undefined ? fallback : parseDuration(value);
  return {
    concurrentTurns: limits.concurrentTurns ?? DEFAULT_LIMITS.concurrentTurns,
    inboxPerChat: limits.inboxPerChat ?? DEFAULT_LIMITS.inboxPerChat,
    maxAttempts: limits.maxAttempts ?? DEFAULT_LIMITS.maxAttempts,
    turnTimeoutMs: duration(limits.turnTimeout, DEFAULT_LIMITS.turnTimeoutMs),
    idleTimeoutMs: duration(limits.idleTimeout, DEFAULT_LIMITS.idleTimeoutMs),
    drainTimeoutMs: duration(limits.drainTimeout, DEFAULT_LIMITS.drainTimeoutMs),
    outboxMaxAgeMs: duration(limits.outboxMaxAge, DEFAULT_LIMITS.outboxMaxAgeMs),
    eventRetentionMs: duration(limits.eventRetention, DEFAULT_LIMITS.eventRetentionMs),
    dedupeRetentionMs: duration(limits.dedupeRetention, DEFAULT_LIMITS.dedupeRetentionMs),
    inboxRetentionMs: duration(limits.inboxRetention, DEFAULT_LIMITS.inboxRetentionMs),
    historyRetentionMs: duration(limits.historyRetention, DEFAULT_LIMITS.historyRetentionMs),
  };
}
