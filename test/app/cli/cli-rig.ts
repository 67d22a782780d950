import { runCli } from "../../../src/app/cli/program.ts";
import type { Access, StoppedStore } from "../../../src/app/cli/connection.ts";
import type { DaemonApi } from "../../../src/app/cli/chat-reader.ts";
import { DaemonUnreachableError } from "../../../src/http/client.ts";
import type { WireChat, WireChatDetail } from "../../../src/http/wire.ts";
import type { SystemStatus } from "../../../src/runtime/api.ts";
import type { Tools } from "../../../src/app/cli/tools.ts";

/** 2026-03-01 12:00:00 local time. */
export const NOW = new Date(2026, 2, 1, 12, 0, 0).getTime();

export const chat: WireChat = {
  key: "api:ann",
  channel: "api",
  state: "idle",
  since: NOW - 3_000,
  waiting: 0,
  lastMessageAt: NOW - 3_000,
  lastReplyAt: NOW - 2_000,
};
const part = { chat: "api:ann", seq: 7, content: [], inReplyTo: [4] };
export const detail: WireChatDetail = {
  ...chat,
  address: "",
  overlap: "queue",
  timers: [{ id: "retry", event: "x", dueAt: NOW + 60_000 }],
  waitingRows: [{ seq: 4, kind: "message", text: "are you\nthere?\u001b[31m", receivedAt: NOW - 1_500 }],
  turn: { turnId: "t1", attempt: 2, startedAt: NOW - 4_000, steps: 1 },
  history: [{ role: "user", text: "hello", at: NOW - 86_400_000 }],
  outbox: [
    { ...part, id: "7", part: 1, of: 2, text: "done", status: "sent", attempts: 1 },
    { ...part, id: "8", part: 2, of: 2, text: "lost", status: "dead", attempts: 3, error: { code: "CHANNEL_REFUSED", message: "blocked" } },
  ],
  revision: 5,
};
export const system: SystemStatus = {
  version: "1.2.3",
  state: "running",
  startedAt: NOW - 7_200_000,
  node: "n1",
  store: "sqlite:./x.db",
  queue: { waiting: 1, running: 2, slots: 16, abandoned: 0, byClass: {} },
  timers: 3,
  chats: { known: 10, live: 2, quarantined: 1 },
  loopDelayMs: { p50: 0.2, p99: 1.5 },
  memoryBytes: 90 * 1024 * 1024,
  channels: [
    {
      name: "telegram",
      kind: "telegram",
      state: "online",
      since: NOW - 5_000,
      reason: undefined,
      lastTrafficAt: undefined,
      counters: { received: 0, sent: 0, failed: 0 },
    },
  ],
};

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** Calls to the daemon: name and arguments. */
  readonly calls: readonly unknown[][];
}

export interface RigOptions {
  readonly api?: Partial<DaemonApi>;
  readonly store?: Partial<StoppedStore>;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly columns?: number;
  readonly startDaemon?: Tools["startDaemon"];
}

/** Runs a command line beside a daemon that answers by `api`; without `api` nothing listens there. */
export async function run(args: readonly string[], options: RigOptions = {}): Promise<Ran> {
  const [out, err, calls]: [string[], string[], unknown[][]] = [[], [], []];
  const access: Access = {
    api: (target) => {
      calls.push(["connect", target]);
      const refuse = () => Promise.reject(new DaemonUnreachableError(`no satibot answers at ${target.baseUrl}`));
      const absent: Partial<DaemonApi> = {
        system: refuse,
        chats: refuse,
        chat: refuse,
        why: refuse,
        events: refuse,
        sendMessage: refuse,
        reset: refuse,
        reload: refuse,
        jobs: refuse,
        job: refuse,
        runs: refuse,
      };
      return recording(options.api ?? absent, calls);
    },
    store: () => Promise.resolve(options.store === undefined ? undefined : ({ close: () => undefined, ...options.store } as StoppedStore)),
  };
  const code = await runCli(args, {
    version: "1.2.3",
    access,
    startDaemon: options.startDaemon ?? (() => Promise.resolve(0)),
    io: {
      out: (text) => void out.push(text),
      err: (text) => void err.push(text),
      columns: options.columns,
      env: options.env ?? {},
      cwd: options.cwd ?? import.meta.dirname,
      now: () => NOW,
    },
  });
  return { code, out: out.join("\n"), err: err.join("\n"), calls };
}

function recording(api: Partial<DaemonApi>, calls: unknown[][]): DaemonApi {
  return Object.fromEntries(
    Object.entries(api).map(([name, answer]) => [
      name,
      (...args: unknown[]) => {
        calls.push([name, ...args]);
        return (answer as (...given: unknown[]) => unknown)(...args);
      },
    ]),
  ) as Partial<DaemonApi> as DaemonApi;
}
