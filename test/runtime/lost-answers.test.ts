import { describe, expect, it } from "vitest";
import { AmbiguousError } from "../../src/core/errors.ts";
import { createMemoryStore } from "../../src/stores/memory/store.ts";
import { createFakePlatform } from "../../src/testing/fake-channel.ts";
import { openRuntime } from "./rig.ts";

/** A store whose next answer to a call of this name is lost: it is done, and the caller hears a failure. */
function losing(): {
  readonly store: ReturnType<typeof createMemoryStore>;
  readonly lose: (call: string) => void;
  readonly lost: () => number;
} {
  let wanted: string | undefined;
  let lost = 0;
  const after = (call: string): void => {
    if (call !== wanted) return;
    wanted = undefined;
    lost += 1;
    throw new AmbiguousError("STORE_UNAVAILABLE", "the answer was lost");
  };
  const lose = (call: string): void => {
    wanted = call;
  };
  return { store: createMemoryStore({ before: () => undefined, after }), lose, lost: () => lost };
}

describe("an answer of the store that is lost", () => {
  it.for(["inbox.append", "turns.claim", "turns.commit", "outbox.settle"] as const)(
    "to %s costs a moment, and neither a message nor a second copy",
    async (call) => {
      const { store, lose, lost } = losing();
      const platform = createFakePlatform();
      const { clock, loop, post, settled } = await openRuntime({ store, platform });
      post("first", "u1");
      await clock.advance(100);
      lose(call);
      // Two at once: the second waits for a claim of its own, and its part for a take.
      post("second", "u2");
      post("third", "u3");
      await clock.advance(10_000);
      expect(lost()).toBe(1);
      expect(platform.taken().map((part) => part.content)).toEqual(
        ["re first", "re second", "re third"].map((text) => [{ type: "text", text }]),
      );
      const { items } = await settled(store.outbox.list({ chat: "sim:1" }, { limit: 10 }));
      expect(items.map(({ status, ambiguous }) => ({ status, ambiguous }))).toEqual(Array(3).fill({ status: "sent", ambiguous: false }));
      expect((await settled(loop.status())).queue).toMatchObject({ running: 0, waiting: 0 });
    },
  );

  it("to the taking of a part sends it once, and calls it certain", async () => {
    const { store, lose, lost } = losing();
    const platform = createFakePlatform();
    const { clock, post, settled } = await openRuntime({ store, platform });
    lose("outbox.take");
    post("/start", "u1");
    await clock.advance(10_000);
    expect(lost()).toBe(1);
    expect(platform.taken()).toHaveLength(1);
    const { items } = await settled(store.outbox.list({ chat: "sim:1" }, { limit: 10 }));
    expect(items).toMatchObject([{ status: "sent", ambiguous: false, attempts: 1 }]);
  });

  it("to a turn that is given up tells its person once, and counts no failure twice", async () => {
    const { store, lose, lost } = losing();
    const platform = createFakePlatform();
    const attempts: number[] = [];
    const { clock, post } = await openRuntime({
      store,
      platform,
      limits: { maxAttempts: 3 },
      agent: async function* (turn) {
        attempts.push(turn.attempt);
        lose("turns.fail");
        if (turn.attempt < 9) throw new Error("not today");
        yield "never";
      },
    });
    post("hello", "u1");
    await clock.advance(600_000);
    expect(lost()).toBe(3);
    expect(attempts).toEqual([1, 2, 3]);
    expect(platform.taken()).toHaveLength(1);
  });

  it("to /stop stops the turn all the same", async () => {
    const { store, lose, lost } = losing();
    const platform = createFakePlatform();
    const { clock, loop, post, settled } = await openRuntime({
      store,
      platform,
      agent: async function* () {
        yield await new Promise<string>(() => undefined);
      },
    });
    post("hello", "u1");
    await clock.advance(100);
    lose("chats.command");
    post("/stop", "u2");
    await clock.advance(5_000);
    expect(lost()).toBe(1);
    expect((await settled(loop.chat("sim:1"))).state).toBe("idle");
    expect((await settled(loop.status())).queue).toMatchObject({ running: 0, waiting: 0 });
    expect(platform.taken()).toHaveLength(1);
  });
});

it("sends a reply when its time has come, also when the clock was set back while it waited, and lets no later one expire", async () => {
  const platform = createFakePlatform();
  platform.script({ kind: "unavailable", retryAfterMs: 60_000 });
  const { clock, post } = await openRuntime({ platform });
  post("hello", "u1");
  await clock.advance(1_000);
  clock.step(-2 * 86_400_000);
  await clock.advance(62_000);
  expect(platform.taken()).toHaveLength(1);
  post("again", "u2");
  await clock.advance(2_000);
  expect(platform.taken()).toHaveLength(2);
});
