import { onTestFinished } from "vitest";
import { createTerminalChannel, type TerminalChannel, type TerminalOptions } from "../../../src/channels/terminal/channel.ts";
import { RequestError } from "../../../src/core/errors.ts";
import type { Agent } from "../../../src/ports/agent.ts";
import type { EventLoop } from "../../../src/runtime/api.ts";
import { assembleEventLoop, type EventLoopParts } from "../../../src/runtime/event-loop.ts";
import { createMemoryStore, type MemoryStore } from "../../../src/stores/memory/store.ts";
import { createSeededRandom } from "../../../src/testing/seeded-random.ts";
import { createVirtualClock, type VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { createFakeTerminal, type FakeTerminal } from "./fake-terminal.ts";

const unknown = async (): Promise<never> => {
  throw new RequestError("CHAT_UNKNOWN", "never met");
};

/** A loop in which nothing happens. */
export const idleLoop: TerminalOptions["loop"] = {
  stream: async function* (_key, { signal } = {}) {
    await new Promise((resolve) => signal?.addEventListener("abort", resolve, { once: true }));
    yield* [];
  },
  status: unknown,
  chats: async () => ({ items: [], next: undefined }),
  why: unknown,
  chat: unknown,
};

export interface TerminalRig {
  readonly clock: VirtualClock;
  readonly loop: EventLoop;
  readonly store: MemoryStore;
  readonly terminal: FakeTerminal;
  readonly channel: TerminalChannel;
  readonly quits: () => number;
  /** Types a text, presses Enter, and lets `ms` pass. */
  readonly say: (text: string, ms?: number) => Promise<void>;
  /** Presses keys and lets what they cause be drawn. */
  readonly press: (keys: string) => Promise<void>;
  readonly shutdown: () => Promise<void>;
}

/** Answers word by word, 100 ms each; `!slow` waits 3 s first, `!flaky` fails at its first attempt after two words. */
export function speakingAgent(clock: VirtualClock): Agent {
  const pause = (ms: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const abort = (): void => {
        cancel();
        reject(new Error("aborted"));
      };
      const cancel = clock.setTimer(ms, () => {
        signal.removeEventListener("abort", abort);
        resolve();
      });
      signal.addEventListener("abort", abort, { once: true });
    });
  return async function* (turn, { signal }) {
    const text = turn.messages.map((message) => message.text).join("\n");
    if (text.startsWith("!slow")) await pause(3_000, signal);
    for (const [place, word] of `re: ${text}`.split(/(?<= )/).entries()) {
      if (text.startsWith("!flaky") && turn.attempt === 1 && place === 2) throw new Error("lost the thread");
      yield word;
      await pause(100, signal);
    }
  };
}

/** A terminal on a real event loop over the memory store, in virtual time. */
export async function openTerminal(
  options: {
    readonly isTTY?: boolean;
    readonly columns?: number;
    readonly rows?: number;
    readonly env?: Readonly<Record<string, string>>;
    readonly banner?: string;
    readonly store?: MemoryStore;
    readonly startMs?: number;
    /** The test stops it itself. */
    readonly isKept?: boolean;
    readonly limits?: EventLoopParts["limits"];
    readonly agent?: (clock: VirtualClock) => Agent;
  } = {},
): Promise<TerminalRig> {
  const clock = createVirtualClock({ startMs: options.startMs });
  const terminal = createFakeTerminal({ isTTY: options.isTTY ?? true, columns: options.columns, rows: options.rows });
  const store = options.store ?? createMemoryStore();
  const none = (): void => undefined;
  let quits = 0;
  const channel = createTerminalChannel({
    input: terminal.input,
    output: terminal.output,
    clock,
    loop: {
      stream: (...args) => loop.stream(...args),
      status: () => loop.status(),
      chats: (...args) => loop.chats(...args),
      why: (key) => loop.why(key),
      chat: (key) => loop.chat(key),
    },
    onQuit: () => {
      quits += 1;
    },
    banner: options.banner,
    env: options.env ?? { NO_COLOR: "1" },
  });
  const loop = assembleEventLoop({
    store,
    agent: (options.agent ?? speakingAgent)(clock),
    clock,
    random: createSeededRandom(3),
    log: { debug: none, info: none, warn: none, error: none },
    limits: options.limits,
    channels: [channel],
  });
  if (options.isKept !== true) onTestFinished(() => channel.stop());
  const starting = loop.start();
  await clock.advance(10);
  await starting;
  await clock.advance(50);
  const press = async (keys: string): Promise<void> => {
    terminal.type(keys);
    await clock.advance(50);
  };
  return {
    clock,
    loop,
    store,
    terminal,
    channel,
    quits: () => quits,
    press,
    say: async (text, ms = 5_000) => {
      terminal.type(`${text}${options.isTTY === false ? "\n" : "\r"}`);
      await clock.advance(ms);
    },
    shutdown: async () => {
      let isDone = false;
      const done = loop.shutdown().finally(() => (isDone = true));
      for (let round = 0; round < 1_000 && !isDone; round += 1) await clock.advance(50);
      await done;
    },
  };
}
