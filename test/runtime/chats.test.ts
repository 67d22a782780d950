import { createActor, fromCallback } from "xstate";
import { describe, expect, it } from "vitest";
import type { ChatEvent, TurnInput } from "../../machines/chat.machine.ts";
import type { ChatKey } from "../../src/core/chat-key.ts";
import { DEFAULT_LIMITS } from "../../src/core/limits.ts";
import { createChats } from "../../src/runtime/chats.ts";
import type { Kernel } from "../../src/runtime/kernel.ts";
import { createSchedulingQueue } from "../../src/runtime/scheduler.ts";
import { createStreamHub } from "../../src/runtime/stream-hub.ts";
import { createTurnQueue } from "../../src/runtime/turn-queue.ts";
import { createMemoryStore } from "../../src/stores/memory/store.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import { appendRequest, snapshotWrite } from "../../src/testing/store-rows.ts";
import { createVirtualClock } from "../../src/testing/virtual-clock.ts";
import { echo, openRuntime } from "./rig.ts";

async function openChats() {
  const clock = createVirtualClock();
  const store = createMemoryStore();
  await store.start();
  const silent = (): void => undefined;
  const queue = createSchedulingQueue(clock);
  const kernel: Kernel = {
    store,
    clock,
    random: createSeededRandom(1),
    log: { debug: silent, info: silent, warn: silent, error: silent },
    limits: DEFAULT_LIMITS,
    agent: echo,
    queue,
    turnQueue: createTurnQueue({ slots: 1, clock, grant: silent }),
    hub: createStreamHub(),
    lookSoon: () => undefined,
    closed: new AbortController().signal,
  };
  const quarantined: { key: ChatKey; code: string }[] = [];
  const asked: ChatKey[] = [];
  const chats = createChats(
    kernel,
    { debounceMs: 0 },
    {
      implementations: {
        actors: { runTurn: fromCallback<ChatEvent, TurnInput>(silent) },
        actions: {
          requestSlot: ({ context }) => {
            asked.push(context.key);
            if (context.key === "api:bad") throw new TypeError("a bug");
          },
          releaseSlot: silent,
          commitTurn: silent,
        },
      },
      forget: silent,
      quarantine: (key, error) => void quarantined.push({ key, code: error.code }),
    },
  );
  createActor(chats.logic).start();
  const open = async (key: ChatKey): Promise<void> => {
    await store.inbox.append([appendRequest({ chat: key })]);
    chats.wake(key);
    await clock.advance(1);
  };
  return { clock, store, chats, queue, quarantined, asked, open };
}

describe("the registry of chats", () => {
  it("restarts a chat whose machine throws, alone and with backoff, and puts it aside when it goes on", async () => {
    const { chats, clock, quarantined, asked, open } = await openChats();
    await open("api:good");
    await open("api:bad");
    expect(chats.get("api:bad")?.actor).toBeUndefined();
    await clock.advance(30_000);
    expect(asked.filter((key) => key === "api:bad")).toHaveLength(4);
    expect(quarantined).toEqual([{ key: "api:bad", code: "CHAT_CRASHED" }]);
    expect(chats.get("api:good")?.state).toBe("queued");
  });

  it("holds mail back while a chat is being opened, and hands it over in order", async () => {
    const { chats, store, clock } = await openChats();
    await store.inbox.append([appendRequest({ chat: "api:a" })]);
    const record = await store.chats.open("api:a");
    const entry = chats.prepare("api:a");
    chats.send("api:a", { type: "message.received", turnClass: "interactive" });
    expect(entry.actor).toBeUndefined();
    chats.open(entry, record!);
    await clock.advance(1);
    expect(entry.actor?.getSnapshot().context.waiting).toBe(2);
  });

  it("drops its actor and starts again from the store when another writer has fenced it off", async () => {
    const { chats, store, clock, open } = await openChats();
    await open("api:a");
    const entry = chats.get("api:a")!;
    const before = entry.actor;
    await store.chats.reset("api:a", 0);
    expect(await chats.park(entry)).toBe(false);
    await clock.advance(1);
    expect(chats.get("api:a")?.actor).not.toBe(before);
    expect(chats.get("api:a")?.state).toBe("idle");
  });
});

describe("passivation", () => {
  it("costs a known chat no actor and no timer, and the next message finds it as it was", async () => {
    const { say, said, clock, loop, store } = await openRuntime({ limits: { idleTimeoutMs: 10_000 } });
    await say("1");
    await clock.advance(40_000);
    expect((await loop.status()).chats).toMatchObject({ known: 1, live: 0 });
    expect((await loop.chat("api:a")).state).toBe("passivated");
    await say("2");
    await clock.advance(10);
    expect(await said()).toEqual(["re 1", "re 2"]);
    expect((await store.chats.open("api:a"))?.revision).toBe(2);
  });

  it("keeps the timers of a chat that waits, over a restart, for what is left of them", async () => {
    const store = createMemoryStore();
    const attempts: number[] = [];
    const agent: typeof echo = async function* (turn) {
      attempts.push(turn.attempt);
      if (turn.attempt === 1) throw new Error("later");
      yield "now";
    };
    const first = await openRuntime({ store, agent });
    await first.say("go");
    await first.clock.advance(10);
    const [timer] = (await first.loop.chat("api:a")).timers;
    expect(timer?.id).toContain("retryDelay");
    await first.settled(first.loop.shutdown());
    const second = await openRuntime({ store, agent });
    await second.clock.advance(10);
    expect((await second.loop.chat("api:a")).timers).toEqual([timer]);
    await second.clock.advance(timer!.dueAtMs - second.clock.now() - 1);
    expect(attempts).toEqual([1]);
    await second.clock.advance(10);
    expect(attempts).toEqual([1, 2]);
  });

  it("wakes a passivated chat when its stored timer is due", async () => {
    const { clock, loop, store, say } = await openRuntime({ limits: { idleTimeoutMs: 5_000 } });
    await say("1");
    await clock.advance(60_000);
    const record = await store.chats.open("api:a");
    const timers = [
      {
        id: "xstate.after.questionTimeout.chat.asking",
        event: { type: "xstate.after.questionTimeout.chat.asking" },
        dueAtMs: clock.now() + 600_000,
      },
    ];
    const context = { ...(record!.snapshot!.context as object), questionId: "q", delayMs: 600_000 };
    await store.chats.park("api:a", record!.fence, snapshotWrite({ snapshot: { value: "asking", context }, state: "asking", timers }));
    await clock.advance(599_000);
    expect((await loop.chat("api:a")).state).toBe("asking");
    await clock.advance(2_000);
    expect((await loop.chat("api:a")).state).toBe("idle");
  });
});
