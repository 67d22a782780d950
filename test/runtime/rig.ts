import type { Content } from "../../src/core/content.ts";
import type { Agent } from "../../src/ports/agent.ts";
import type { StreamEvent } from "../../src/runtime/api.ts";
import { assembleEventLoop, type EventLoopParts } from "../../src/runtime/event-loop.ts";
import { createMemoryStore, type MemoryStore } from "../../src/stores/memory/store.ts";
import { createFakeChannel, createFakePlatform } from "../../src/testing/fake-channel.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import { createVirtualClock, type VirtualClock } from "../../src/testing/virtual-clock.ts";

export interface RigOptions {
  readonly agent?: Agent;
  readonly store?: MemoryStore;
  readonly limits?: EventLoopParts["limits"];
  /** Begins on the first of January 2026 by default. */
  readonly clock?: VirtualClock;
  readonly platform?: ReturnType<typeof createFakePlatform>;
  readonly alter?: (parts: EventLoopParts) => EventLoopParts;
}

export const echo: Agent = async function* (turn) {
  yield `re ${turn.messages.map((message) => message.text).join(" + ")}`;
};

/** A whole runtime in virtual time on the memory store, with one fake platform called `sim`. */
export async function openRuntime(options: RigOptions = {}) {
  const clock = options.clock ?? createVirtualClock();
  const store = options.store ?? createMemoryStore();
  const platform = options.platform ?? createFakePlatform();
  const lines: string[] = [];
  const note = (facts: object, line: string): void =>
    void lines.push(`${line} ${JSON.stringify(facts, (_, value: unknown) => (value instanceof Error ? value.message : value))}`);
  const parts: EventLoopParts = {
    store,
    agent: options.agent ?? echo,
    clock,
    random: createSeededRandom(7),
    log: { debug: note, info: note, warn: note, error: note },
    limits: options.limits,
    channels: [createFakeChannel({ clock, platform, name: "sim" })],
  };
  const loop = assembleEventLoop(options.alter?.(parts) ?? parts);
  /** Lets time pass until a promise settles, at most an hour of it. */
  const settled = async <T>(promise: Promise<T>): Promise<T> => {
    let isDone = false;
    const done = promise.finally(() => {
      isDone = true;
    });
    done.catch(() => undefined);
    for (let round = 0; round < 3_600 && !isDone; round += 1) await clock.advance(round < 50 ? 1 : 1_000);
    return done;
  };
  await settled(loop.start());
  const say = async (text: string, key = "api:a"): Promise<void> => {
    await settled(loop.addChatMessage(key, text));
  };
  const post = (text: string, id: string, chat: `${string}:${string}` = "sim:1"): void =>
    platform.post({ chat, address: "1", externalId: id, content: [{ type: "text", text }], sender: { id: "1" } });
  /** Texts of all parts of a chat, in order. */
  const said = async (key = "api:a"): Promise<readonly string[]> => {
    const { items } = await store.outbox.list({ chat: key as `${string}:${string}` }, { limit: 100 });
    return items.map((part) => textsOf(part.content));
  };
  return { clock, store, platform, loop, lines, settled, say, post, said };
}

function textsOf(content: Content): string {
  return content.map((item) => (item.type === "text" ? item.text : item.type)).join();
}

/** Collects the events of a stream until told to stop. */
export function collect(stream: AsyncIterable<StreamEvent>): readonly StreamEvent[] {
  const events: StreamEvent[] = [];
  void (async () => {
    for await (const event of stream) events.push(event);
  })();
  return events;
}
