/** Daemons as real processes in a folder of their own: started, watched, signalled by process id, and cleared away whatever happens. */
import { execFile, spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createApiClient, type ApiClient } from "../../src/http/client.ts";
import { OPTIONS_VARIABLE, type LedgerDaemonOptions } from "./ledger-daemon.ts";
import { buildPackage } from "./package-build.ts";

const LOOK_EVERY_MS = 15;
const READY_MS = 20_000;
const CLI_MS = 20_000;
/** Characters of output kept of one process. */
const OUTPUT_MAX = 200_000;

/** How a process ended, and when. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Daemon {
  readonly pid: number;
  readonly ended: Promise<Ending>;
  readonly hasEnded: () => boolean;
  /** Standard output and error so far, together. */
  readonly output: () => string;
  readonly signal: (signal: NodeJS.Signals) => void;
  /** Resolves when it has ended with this code. @throws Error with what it said, when it ended otherwise */
  readonly endsWith: (code: number) => Promise<void>;
  /** `kill -9`; resolves when the process is gone. */
  readonly kill: () => Promise<void>;
  /** Resolves when `/readyz` says 200. Rejects with what the process said when it ends before. */
  readonly ready: () => Promise<void>;
}

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

type Environment = Readonly<Record<string, string>>;

export interface Rig {
  /** Working directory of all that is started. */
  readonly dir: string;
  readonly port: number;
  readonly url: string;
  readonly api: ApiClient;
  /** `satibot start` with SATIBOT_PORT set. */
  readonly start: (env?: Environment) => Daemon;
  /** The daemon of ledger-daemon.ts; `options` are laid over its defaults. */
  readonly startLedger: (options?: Partial<LedgerDaemonOptions>) => Daemon;
  /** Runs a `satibot` command to its end. */
  readonly cli: (args: readonly string[], env?: Environment) => Promise<CliResult>;
  /** Status of `/readyz`; undefined when nothing answers. */
  readonly readiness: () => Promise<number | undefined>;
  readonly setFlag: (name: string) => Promise<void>;
  readonly clearFlag: (name: string) => Promise<void>;
  readonly ledgerFile: string;
  readonly close: () => Promise<void>;
}

export async function openRig(): Promise<Rig> {
  const build = await buildPackage();
  const dir = await mkdtemp(join(tmpdir(), "satibot-e2e-"));
  const flags = join(dir, "flags");
  await mkdir(flags);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const ledgerFile = join(dir, "ledger.txt");
  const daemons: Daemon[] = [];
  // Nothing of the environment of the test run: a token set there must not open a real channel.
  const clean = { PATH: process.env.PATH ?? "", HOME: dir, SATIBOT_PORT: String(port) };

  const readiness = (): Promise<number | undefined> =>
    fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) }).then(
      (response) => response.body?.cancel().then(() => response.status),
      () => undefined,
    );

  const launch = (args: readonly string[], env: Environment): Daemon => {
    const daemon = watch(args, { cwd: dir, env: { ...clean, ...env } }, readiness);
    daemons.push(daemon);
    return daemon;
  };

  return {
    dir,
    port,
    url,
    api: createApiClient({ baseUrl: url, timeoutMs: 10_000 }),
    start: (env = {}) => launch([build.main, "start"], env),
    startLedger: (options = {}) => {
      const whole: LedgerDaemonOptions = { port, store: join(dir, "ledger.db"), ledger: ledgerFile, flags, ...options };
      return launch([build.ledgerDaemon], { [OPTIONS_VARIABLE]: JSON.stringify(whole) });
    },
    cli: (args, env = {}) =>
      new Promise((resolve) => {
        execFile(
          process.execPath,
          [build.main, ...args],
          { cwd: dir, env: { ...clean, ...env }, timeout: CLI_MS },
          (error, stdout, stderr) => {
            resolve({ code: error ? Number(error.code ?? -1) : 0, stdout, stderr });
          },
        );
      }),
    readiness,
    setFlag: (name) => writeFile(join(flags, name), ""),
    clearFlag: (name) => rm(join(flags, name), { force: true }),
    ledgerFile,
    close: async () => {
      await Promise.all(daemons.map((daemon) => daemon.kill()));
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function watch(
  args: readonly string[],
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
  readiness: () => Promise<number | undefined>,
): Daemon {
  const child = spawn(process.execPath, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let ending: Ending | undefined;
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString("utf8")).slice(-OUTPUT_MAX);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const ended = new Promise<Ending>((resolve, reject) => {
    child.once("error", reject);
    // `close` comes after the last of the output.
    child.once("close", (code, signal) => {
      ending = { code, signal };
      resolve(ending);
    });
  });
  const hasEnded = (): boolean => ending !== undefined;
  return {
    pid: child.pid ?? 0,
    ended,
    hasEnded,
    output: () => output,
    signal: (signal) => void child.kill(signal),
    endsWith: async (code) => {
      const found = await ended;
      if (found.code !== code) throw new Error(`ended with ${JSON.stringify(found)} in place of code ${code}; it said:\n${tail(output)}`);
    },
    kill: async () => {
      if (!hasEnded()) child.kill("SIGKILL");
      await ended;
    },
    ready: async () => {
      await until("the daemon is ready", async () => hasEnded() || (await readiness()) === 200, READY_MS).catch((cause: unknown) => {
        throw new Error(`not ready; it said:\n${tail(output)}`, { cause });
      });
      if (hasEnded()) throw new Error(`the daemon ended (${JSON.stringify(ending)}) before it was ready; it said:\n${tail(output)}`);
    },
  };
}

function tail(output: string): string {
  return output.slice(-4_000);
}

/** Below the ports that the system gives to connections: one of those may be taken between the look and its use. */
const PORTS = { from: 10_000, count: 20_000 };

/** Looks until the condition holds. @throws Error naming what was waited for, after `timeoutMs` */
export async function until(what: string, condition: () => boolean | Promise<boolean>, timeoutMs: number): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await sleep(LOOK_EVERY_MS);
  }
}

/** A port of 127.0.0.1 on which nothing listens. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries += 1) {
    const port = PORTS.from + Math.floor(Math.random() * PORTS.count);
    const probe = createServer().listen(port, "127.0.0.1");
    const isFree = await new Promise<boolean>((resolve) =>
      probe.once("listening", () => resolve(true)).once("error", () => resolve(false)),
    );
    if (!isFree) continue;
    await new Promise((resolve) => probe.close(resolve));
    return port;
  }
  throw new Error("a hundred ports were taken; end what listens on this machine");
}

/** The figures of a test, once, for whoever reads its output. */
export function report(title: string, figures: Readonly<Record<string, string | number>>): void {
  const line = Object.entries(figures).map(([name, value]) => `${name} ${value}`);
  // oxlint-disable-next-line no-console -- the figures are what the test shows
  console.info(`${title}: ${line.join(" · ")}`);
}
