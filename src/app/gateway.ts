/** The event loop with its ways in: channels, HTTP and the configured cron jobs. */
import { ConfigError } from "../core/errors.ts";
import type { Channel } from "../ports/channel.ts";
import type { CronJobInput } from "../runtime/job-api.ts";
import type { EventLoop, PairingCode, ReloadAnswer } from "../runtime/api.ts";
import { createEchoAgent } from "../agents/echo.ts";
import { SILENT, assembleWithHost, storeOf, type EventLoopOptions } from "./event-loop.ts";
import type { NamedHooks } from "../http/hooks.ts";
import type { HttpServer } from "../http/server.ts";
import { warnOfAbsentTargets } from "./absent-targets.ts";
import { openChannels } from "./channels.ts";
import type { NamedChannels } from "./channels/options.ts";
import type { HeartbeatConfig } from "./config/heartbeat-fields.ts";
import { heartbeatOf } from "./heartbeat-file.ts";
import { limitsOf, type LimitOptions } from "./limit-options.ts";
import type { Screen } from "./screen.ts";
import { createSystemClock } from "./system-clock.ts";
import { createSystemRandom } from "./system-random.ts";

export interface GatewayOptions extends Omit<EventLoopOptions, "limits"> {
  readonly limits?: LimitOptions;
  /** By instance name (`telegram`, `telegram-2`), or channels of your own. `web`, the page at `/`, is on unless it is `false`; `terminal` is off unless it is `true`. */
  readonly channels?: NamedChannels | readonly Channel[];
  /** `false` opens no port. Default 127.0.0.1:7330. */
  readonly http?:
    | false
    | { readonly host?: string; readonly port?: number; readonly token?: string; readonly allowedHosts?: readonly string[] };
  /** Triggers at `/hooks/<name>`, each with a token of its own and the chat that it writes to. */
  readonly hooks?: NamedHooks;
  /** These jobs and no others of origin `config`; absent leaves those of an earlier start. */
  readonly cron?: readonly CronJobInput[];
  /** The runtime looks around by itself. Absent: it does not. */
  readonly heartbeat?: HeartbeatConfig | undefined;
  /** `POST /api/reload`. Absent: that route answers that there is no configuration to read. */
  readonly reload?: () => Promise<ReloadAnswer>;
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
  /** From the next request on there are these hooks. @throws ConfigError CONFIG_INVALID, also without HTTP; then there are those of before */
  readonly setHooks: (hooks: NamedHooks) => void;
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
  let http: HttpServer | undefined;
  const hasPage =
    options.http !== false && (Array.isArray(options.channels) || (options.channels as NamedChannels | undefined)?.web !== false);
  // Channels and HTTP load only when they are configured.
  let loop: EventLoop | undefined;
  let starting: Promise<void> | undefined;
  const random = options.random ?? createSystemRandom();

  const build = async (): Promise<EventLoop> =>
    assembleWithHost({
      agent: options.agent ?? createEchoAgent({ clock }),
      store: storeOf(options.store ?? "memory:", clock),
      clock,
      random,
      log,
      limits: limitsOf(options.limits),
      overlap: options.overlap,
      heartbeat: options.heartbeat && heartbeatOf(options.heartbeat),
      channels: await openChannels(options.channels ?? {}, {
        clock,
        random,
        log,
        hasPage,
        loop: gateway,
        quit: options.onQuit ?? (() => void gateway.shutdown()),
        attach: options.screen?.attach ?? (() => undefined),
      }),
      tellCode:
        options.tellCode ?? (({ channel }) => log.warn({ channel }, `nobody may write yet; \`satibot pair code ${channel}\` makes a code`)),
    });

  /** Serves nothing before its start, but what is wrong with it is told before anything is opened. */
  const serverOf = async (running: EventLoop): Promise<HttpServer | undefined> => {
    if (options.http !== false) {
      const { createHttpServer } = await import("../http/server.ts");
      const { hooks, reload } = options;
      return createHttpServer({ ...HTTP_DEFAULTS, ...options.http, page: hasPage, hooks, reload, loop: running, clock, log });
    }
    if (options.hooks) throw new ConfigError("CONFIG_INVALID", "hooks need HTTP; leave `http` out, or remove them", { path: "hooks" });
    return undefined;
  };

  const start = (): Promise<void> => {
    starting ??= (async () => {
      loop = await build();
      const server = await serverOf(loop);
      await loop.start();
      try {
        address = await server?.start();
      } catch (error) {
        await loop.shutdown();
        throw error;
      }
      http = server;
      // Without a list the jobs of an earlier one stay.
      if (options.cron) {
        await loop.reconcileJobs(options.cron);
        const { channels } = await loop.status();
        warnOfAbsentTargets(
          options.cron,
          channels.map(({ name }) => name),
          log,
        );
      }
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
    setHooks: (hooks) => {
      if (http) return http.setHooks(hooks);
      throw new ConfigError("CONFIG_INVALID", "hooks need HTTP; leave `http` out, or remove them", { path: "hooks" });
    },
    addChatMessage: async (...args) => running().addChatMessage(...args),
    send: async (...args) => running().send(...args),
    stream: (...args) => running().stream(...args),
    mayBegin: (key) => running().mayBegin(key),
    addCronJob: async (...args) => running().addCronJob(...args),
    removeCronJob: async (...args) => running().removeCronJob(...args),
    reconcileJobs: async (...args) => running().reconcileJobs(...args),
    job: async (...args) => running().job(...args),
    jobs: async (...args) => running().jobs(...args),
    jobRuns: async (...args) => running().jobRuns(...args),
    pauseJob: async (...args) => running().pauseJob(...args),
    resumeJob: async (...args) => running().resumeJob(...args),
    runJob: async (...args) => running().runJob(...args),
    planJob: async (...args) => running().planJob(...args),
    nextInstants: (...args) => running().nextInstants(...args),
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
    access: { configure: (channel, access) => running().access.configure(channel, access) },
    outbox: {
      list: async (filter, page) => running().outbox.list(filter, page),
      retry: async (id) => running().outbox.retry(id),
      purge: async (id) => running().outbox.purge(id),
    },
    webhook: async (...args) => running().webhook(...args),
    status: async () => running().status(),
    health: async () => running().health(),
    isReady: () => loop?.isReady() ?? false,
    configure: async (settings) => running().configure(settings),
  };
  return gateway;
}

/**
 * The gateway that a configuration file describes, with a log to standard output.
 * @param configPath - absent: `satibot.config.*` in the working directory, or the defaults
 * @throws ConfigError naming each bad key
 */
createGateway.fromConfig = async (configPath?: string): Promise<Gateway> => {
  const [{ loadConfig }, { optionsOf }] = await Promise.all([import("./config/config.ts"), import("./gateway-options.ts")]);
  const config = await loadConfig({ cwd: process.cwd(), env: process.env, configPath });
  return createGateway(await optionsOf(config));
};
