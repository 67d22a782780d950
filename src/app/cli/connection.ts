import { DaemonUnreachableError } from "../../http/client.ts";
import { CommandError, type CliIo, EXIT } from "./io.ts";
import { type ClientConfig, loadClientConfig } from "../config/config.ts";
import { variable } from "../config/environment.ts";
import type { ChatReader, DaemonApi, JobReader } from "./chat-reader.ts";

/** Options that every command takes which talks to the daemon. */
export interface ConnectionOptions {
  readonly config?: string;
  readonly url?: string;
  readonly token?: string;
}

/** How a command gets at a daemon and at the store of a stopped one. */
export interface Access {
  readonly api: (options: { readonly baseUrl: string; readonly token: string | undefined }) => DaemonApi;
  /** Undefined when there is no such store. @throws ConfigError when it cannot be read */
  readonly store: (file: string) => Promise<StoppedStore | undefined>;
}

/** The store of a stopped daemon, read-only. */
export interface StoppedStore extends ChatReader, JobReader {
  readonly counts: () => Promise<{
    readonly known: number;
    readonly quarantined: number;
    readonly waitingRows: number;
    readonly deadParts: number;
  }>;
  readonly close: () => void;
}

/** Calls the daemon. @throws CommandError 69 when nothing answers there */
export async function withDaemon<T>(
  io: CliIo,
  access: Access,
  options: ConnectionOptions,
  use: (api: DaemonApi) => Promise<T>,
): Promise<T> {
  const target = await findDaemon(io, options);
  return call(access, target, use);
}

/** Asks the daemon or, when none answers and no `--url` was given, the store that it left. A note on standard error says which. */
export async function withReader<T>(
  io: CliIo,
  access: Access,
  options: ConnectionOptions,
  use: { readonly daemon: (api: DaemonApi) => Promise<T>; readonly store: (store: StoppedStore, location: string) => Promise<T> },
): Promise<T> {
  const target = await findDaemon(io, options);
  try {
    return await call(access, target, use.daemon);
  } catch (error) {
    if (!(error instanceof CommandError) || error.exitCode !== EXIT.unreachable || target.store?.kind !== "sqlite") throw error;
    const store = await access.store(target.store.file);
    if (store === undefined) throw error;
    try {
      io.err(`satibot: no daemon at ${target.baseUrl}; this is what the store holds (${target.store.file})`);
      return await use.store(store, target.store.file);
    } finally {
      store.close();
    }
  }
}

interface Target {
  readonly baseUrl: string;
  readonly token: string | undefined;
  readonly store: ClientConfig["store"] | undefined;
}

async function findDaemon(io: CliIo, { config: configPath, url, token }: ConnectionOptions): Promise<Target> {
  if (url !== undefined) {
    if (!URL.canParse(url) || !/^https?:/.test(url))
      throw new CommandError(EXIT.usage, `--url ${url}: write the daemon's address, such as http://127.0.0.1:7330`);
    return { baseUrl: url.replace(/\/+$/, ""), token: token ?? variable(io.env, "SATIBOT_TOKEN"), store: undefined };
  }
  const config = await loadClientConfig({ cwd: io.cwd, env: io.env, ...(configPath === undefined ? {} : { configPath }) });
  return { baseUrl: urlOf(config.http), token: token ?? config.http.token, store: config.store };
}

/** The address under which the daemon of this configuration is reached from its own machine. */
export function urlOf({ host, port }: ClientConfig["http"]): string {
  const bare = host.replace(/^\[|\]$/g, "");
  const reachable = bare === "0.0.0.0" ? "127.0.0.1" : bare === "::" ? "::1" : bare;
  return `http://${reachable.includes(":") ? `[${reachable}]` : reachable}:${port}`;
}

async function call<T>(access: Access, { baseUrl, token }: Target, use: (api: DaemonApi) => Promise<T>): Promise<T> {
  try {
    return await use(access.api({ baseUrl, token }));
  } catch (error) {
    if (!(error instanceof DaemonUnreachableError)) throw error;
    throw new CommandError(EXIT.unreachable, `${error.message} (\`satibot start\` starts one, --url names another)`, { cause: error });
  }
}
