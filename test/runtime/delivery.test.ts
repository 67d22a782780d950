import { describe, expect, it } from "vitest";
import { textOf } from "../../src/core/content.ts";
import { createMemoryStore } from "../../src/stores/memory/store.ts";
import { createFakePlatform } from "../../src/testing/fake-channel.ts";
import { openRuntime } from "./rig.ts";

describe("delivery", () => {
  it("answers on the platform, in order, and stores the platform's ids", async () => {
    const { post, platform, clock, store } = await openRuntime();
    for (const id of ["1", "2", "3"]) post(`m${id}`, id);
    await clock.advance(100);
    expect(platform.taken().map((part) => textOf(part.content))).toEqual(["re m1", "re m2", "re m3"]);
    const { items } = await store.outbox.list({ chat: "sim:1" }, { limit: 10 });
    expect(items.map((part) => [part.status, part.platformId, part.attempts])).toEqual([1, 2, 3].map((id) => ["sent", String(id), 1]));
  });

  it("obeys retry_after of any size, unclamped, also over a restart", async () => {
    const store = createMemoryStore();
    const platform = createFakePlatform();
    platform.script({ kind: "unavailable", retryAfterMs: 6_775_000 });
    const first = await openRuntime({ store, platform });
    first.post("hello", "1");
    await first.clock.advance(1_000);
    await first.settled(first.loop.shutdown());
    const second = await openRuntime({ store, platform });
    await second.clock.advance(6_700_000);
    expect(platform.takenCount()).toBe(0);
    await second.clock.advance(100_000);
    expect(platform.takenCount()).toBe(1);
  });

  it("marks a repetition ambiguous and counts it, and nothing else is repeated", async () => {
    const { post, platform, clock, store } = await openRuntime();
    platform.script({ kind: "ambiguous", taken: true });
    post("hello", "1");
    await clock.advance(5_000);
    expect(platform.taken().map((part) => part.idempotencyKey)).toHaveLength(2);
    expect((await store.outbox.list({ chat: "sim:1" }, { limit: 10 })).items).toMatchObject([
      { ambiguous: true, attempts: 2, status: "sent" },
    ]);
  });

  it("dead-letters the rest of a refused reply, and later replies go on", async () => {
    const { post, platform, clock, said, store } = await openRuntime({
      agent: async function* (turn) {
        yield [{ type: "text", text: `${turn.messages[0]?.text} a` }];
        yield [{ type: "text", text: `${turn.messages[0]?.text} b` }];
      },
    });
    platform.script({ kind: "refused" });
    post("1", "1");
    await clock.advance(10);
    post("2", "2");
    await clock.advance(1_000);
    expect(await said("sim:1")).toEqual(["1 a", "1 b", "2 a", "2 b"]);
    expect((await store.outbox.list({ chat: "sim:1" }, { limit: 10 })).items.map((part) => part.status)).toEqual([
      "dead",
      "dead",
      "sent",
      "sent",
    ]);
  });

  it("waits for its channel, and sends what waited when it comes back", async () => {
    const { post, platform, clock, loop, settled } = await openRuntime();
    post("hello", "1");
    await clock.advance(100);
    platform.setOnline(false);
    await clock.advance(100);
    await settled(loop.send("sim:1", "while you were away"));
    await clock.advance(5_000);
    expect(platform.takenCount()).toBe(1);
    platform.setOnline(true);
    await clock.advance(70_000);
    expect(platform.taken().map((part) => textOf(part.content))).toEqual(["re hello", "while you were away"]);
  });

  it("expires what could not be sent in time, and says so", async () => {
    const { post, platform, clock, loop, settled, store } = await openRuntime({ limits: { outboxMaxAgeMs: 600_000 } });
    post("hello", "1");
    await clock.advance(100);
    platform.setOnline(false);
    await clock.advance(100);
    await settled(loop.send("sim:1", "too late"));
    await clock.advance(700_000);
    expect((await store.outbox.list({ chat: "sim:1" }, { limit: 10 })).items.map((part) => part.status)).toEqual(["sent", "expired"]);
  });

  it("splits long texts by what the platform takes, without loss", async () => {
    const long = `${"word ".repeat(3_000)}end`;
    const { post, platform, clock } = await openRuntime({
      agent: async function* () {
        yield long;
      },
    });
    post("go", "1");
    await clock.advance(1_000);
    const texts = platform.taken().map((part) => textOf(part.content));
    expect(texts.length).toBeGreaterThan(1);
    expect(texts.join("")).toBe(long);
  });

  it("takes a redelivered update once", async () => {
    const { post, platform, clock } = await openRuntime();
    post("hello", "1");
    post("hello", "1");
    await clock.advance(100);
    post("hello", "1");
    await clock.advance(100);
    expect(platform.takenCount()).toBe(1);
  });
});
