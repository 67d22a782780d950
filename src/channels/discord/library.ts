/**
 * discord.js as it is used here: its client keeps the connection (login, heartbeat, resume, reconnect), and what Discord tells is taken
 * from it before it is made into the library's objects, which nobody here reads.
 *
 * Three things are added, since a stopped channel must leave nothing behind. Between two connections the library sleeps half a second and
 * then connects without asking whether it was destroyed meanwhile; so the last question it asks before that, for its session, is never
 * answered once the channel stops. A shard that is destroyed while it connects would connect again; it may not. And it waits half a minute
 * for the goodbye of a peer that has just been found dead; here the connection is cut after two seconds, or at once if it is not open yet.
 */
import type { Client } from "discord.js";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { IdentifyPace } from "./identify-pace.ts";
import { settlesWithin } from "./pause.ts";
import { API_VERSION } from "./rest.ts";

export interface LibraryListener {
  readonly onDispatch: (t: string, d: unknown) => void;
  readonly onHeartbeat: () => void;
  /** What went wrong before a close; it says more than the code. */
  readonly onError: (error: unknown) => void;
  readonly onClosed: (code: number) => void;
}

export interface Library {
  /** Resolves once logged in. Rejects when that cannot succeed; while the network is down it does neither. */
  readonly login: () => Promise<void>;
  /** Resolves when no socket and no timer is left. Call once. */
  readonly destroy: () => Promise<void>;
  /** How many logins Discord still allows today, as it last said. */
  readonly logins: () => { readonly left: number; readonly resetMs: number } | undefined;
}

export interface LibraryOptions {
  readonly token: string;
  readonly apiRoot: string;
  readonly clock: Clock;
  readonly pace: IdentifyPace;
  readonly name: string;
  readonly log: Log | undefined;
  readonly listener: LibraryListener;
}

/** Longest wait for the other end to say goodbye. */
const GOODBYE_MS_MAX = 2_000;
/** A little more than the library sleeps between two connections. */
const SLEEP_MS_MAX = 1_000;
/** Longest time for the request that asks for the gateway's address. */
const REQUEST_MS = 30_000;
/** Status of a shard that neither connects nor is connected. */
const IDLE = 0;
/** Closes after which the library does not connect again. @see https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes */
export const FINAL_CODES: ReadonlySet<number> = new Set([4_004, 4_010, 4_011, 4_012, 4_013, 4_014]);

type BuildStrategy = NonNullable<NonNullable<Client["options"]["ws"]>["buildStrategy"]>;
type ShardManager = Parameters<BuildStrategy>[0];
type RetrieveSession = ShardManager["options"]["retrieveSessionInfo"];

/** A connection as the `ws` package makes it. */
interface Socket {
  readonly readyState: number;
  readonly on: (event: "error" | "close", listener: () => void) => void;
  readonly terminate: () => void;
}
const SOCKET_CONNECTING = 0;
const SOCKET_CLOSED = 3;

interface Shard {
  readonly status: number;
  readonly connection: Socket | null;
  /** With `recover` it connects again, after its sleep. */
  destroy: (options?: { readonly recover?: number | undefined }) => Promise<void>;
}

/** The library keeps its shards to itself; without them a dead connection could not be ended. */
function shardsOf(strategy: object | undefined): readonly Shard[] {
  const shards: unknown = strategy && Reflect.get(strategy, "shards");
  return shards instanceof Map ? [...(shards as Map<number, Shard>).values()] : [];
}

/** Loads discord.js and makes a client that is not connected yet. */
export async function openLibrary({ token, apiRoot, clock, pace, name, log, listener }: LibraryOptions): Promise<Library> {
  const discord = await import("discord.js");
  const { GatewayIntentBits, Options, SimpleShardingStrategy } = discord;
  const end = new AbortController();
  let strategy: InstanceType<typeof SimpleShardingStrategy> | undefined;
  let logins: { left: number; resetMs: number } | undefined;
  let hasEnded = false;
  let isAsleep = false;
  let onGate: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    onGate = resolve;
  });

  /** Everything that a shard tells the library comes through here first. */
  const relay = (manager: ShardManager, event: string, payload: unknown): boolean => {
    if (hasEnded) return false;
    try {
      if (event === "heartbeat") listener.onHeartbeat();
      if (event === "error") listener.onError((payload as { readonly error: unknown }).error);
      if (event === "closed") {
        listener.onClosed((payload as { readonly code: number }).code);
      }
      if (event === "dispatch") {
        const { t, d } = (payload as { readonly data: { readonly t: string; readonly d: unknown } }).data;
        listener.onDispatch(t, d);
        // Of these the library lives; the rest it would only build objects from.
        if (t !== "READY" && t !== "RESUMED") return true;
      }
      return manager.emit(event, payload);
    } catch (error) {
      // An event of an unheard-of shape would end the process otherwise.
      log?.error({ channel: name, event, error: String(error).slice(0, 200) }, "an event of Discord could not be taken; it is passed over");
      return true;
    }
  };

  const buildStrategy: BuildStrategy = (manager) => {
    const retrieveSessionInfo: RetrieveSession = (shardId) => {
      if (shardsOf(strategy).some(({ status }) => status === IDLE)) isAsleep = false;
      if (!hasEnded) return manager.options.retrieveSessionInfo(shardId);
      onGate();
      return new Promise<never>(() => undefined);
    };
    const seen = Object.create(manager, {
      emit: { value: (event: string, payload: unknown) => relay(manager, event, payload) },
      options: { value: { ...manager.options, retrieveSessionInfo } },
    }) as ShardManager;
    const made = new SimpleShardingStrategy(seen);
    const spawn = made.spawn.bind(made);
    made.spawn = async (shardIds) => {
      await spawn(shardIds);
      for (const shard of shardsOf(made)) watchDestroy(shard);
    };
    strategy = made;
    return made;
  };
  const watchDestroy = (shard: Shard): void => {
    const destroy = shard.destroy.bind(shard);
    shard.destroy = (options = {}) => {
      if (hasEnded) return destroy({ ...options, recover: undefined });
      const { connection: socket } = shard;
      if (socket && socket.readyState !== SOCKET_CLOSED) {
        socket.on("error", () => undefined);
        socket.on("close", clock.setTimer(GOODBYE_MS_MAX, socket.terminate.bind(socket)));
      }
      if (options.recover !== undefined && shard.status !== IDLE) isAsleep = true;
      return destroy(options);
    };
  };

  /** The library's one request, over the built-in `fetch`. */
  const makeRequest = async (url: string, init: RequestInit): Promise<Response> => {
    const leave = (): void => request.abort();
    const request = new AbortController();
    const cancel = clock.setTimer(REQUEST_MS, leave);
    end.signal.addEventListener("abort", leave, { once: true });
    try {
      if (end.signal.aborted) leave();
      const response = await fetch(url, { ...init, signal: request.signal });
      const body = (await response
        .clone()
        .json()
        .catch(() => undefined)) as
        | { readonly session_start_limit?: { readonly remaining?: number; readonly reset_after?: number } }
        | undefined;
      const { remaining, reset_after: resetMs } = body?.session_start_limit ?? {};
      if (typeof remaining === "number" && typeof resetMs === "number") logins = { left: remaining, resetMs };
      return response;
    } finally {
      cancel();
      end.signal.removeEventListener("abort", leave);
    }
  };

  const client = new discord.Client({
    intents: [
      GatewayIntentBits.Guilds,
      GatewayIntentBits.GuildMessages,
      GatewayIntentBits.DirectMessages,
      GatewayIntentBits.MessageContent,
    ],
    // Given, so that no environment variable decides it.
    shards: [0],
    shardCount: 1,
    waitGuildTimeout: 0,
    makeCache: Options.cacheWithLimits({ MessageManager: 0, UserManager: 0, GuildMemberManager: 0 }),
    sweepers: {},
    rest: {
      api: apiRoot,
      version: API_VERSION,
      retries: 0,
      offset: 0,
      rejectOnRateLimit: () => true,
      hashSweepInterval: 0,
      handlerSweepInterval: 0,
      makeRequest: makeRequest as never,
    },
    ws: { buildStrategy, buildIdentifyThrottler: () => ({ waitForIdentify: (_, signal) => pace.wait(signal) }) },
  });
  // Errors arrive as closes and rejections too; without a listener the event would end the process.
  client.on("error", () => undefined);

  const destroy = async (): Promise<void> => {
    const shards = shardsOf(strategy);
    const sockets = shards.map(({ connection }) => connection).filter((socket) => socket !== null);
    const closed = sockets.map(
      (socket) =>
        new Promise<void>((resolve) => {
          // The library takes its listener away; an error without one ends the process.
          socket.on("error", () => undefined);
          socket.on("close", resolve);
          if (socket.readyState === SOCKET_CLOSED) resolve();
        }),
    );
    hasEnded = true;
    end.abort();
    for (const socket of sockets) if (socket.readyState === SOCKET_CONNECTING) socket.terminate();
    const destroyed = Promise.all([client.destroy(), ...closed]);
    if (!(await settlesWithin(clock, GOODBYE_MS_MAX, destroyed))) {
      for (const socket of sockets) if (socket.readyState !== SOCKET_CLOSED) socket.terminate();
      await Promise.all(closed);
    }
    if (isAsleep) await settlesWithin(clock, SLEEP_MS_MAX, gate);
  };

  return {
    login: async () => {
      await client.login(token);
    },
    destroy,
    logins: () => logins,
  };
}
