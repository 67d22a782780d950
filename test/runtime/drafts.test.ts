import { expect, it } from "vitest";
import { textOf } from "../../src/core/content.ts";
import type { Agent } from "../../src/ports/agent.ts";
import type { Clock } from "../../src/ports/clock.ts";
import { createFakeChannel, createFakePlatform, type FakePlatformOptions } from "../../src/testing/fake-channel.ts";
import { openRuntime, type RigOptions } from "./rig.ts";

/** Speaks one word each half second. */
const slowly = (clock: () => Clock, words: readonly string[]): Agent =>
  async function* (_turn, { signal }) {
    for (const word of words) {
      yield word;
      await new Promise<void>((resolve) => {
        clock().setTimer(500, resolve);
      });
      if (signal.aborted) return;
    }
  };

async function openEditing(agent: (clock: () => Clock) => Agent, options: RigOptions & { readonly world?: FakePlatformOptions } = {}) {
  let clock: Clock | undefined;
  const platform = options.platform ?? createFakePlatform(options.world);
  const rig = await openRuntime({
    ...options,
    platform,
    agent: agent(() => clock!),
    alter: (parts) => {
      clock = parts.clock;
      const limits = { textUnits: 120, canEdit: true, pace: { editMs: 1_000 }, typingMs: 5_000 };
      return { ...parts, channels: [createFakeChannel({ clock: parts.clock, platform, name: "sim", limits })] };
    },
  });
  const shown = (): readonly string[] => platform.taken().map((part) => textOf(part.content));
  return { ...rig, platform, shown };
}

const STORY = ["Once ", "upon ", "a ", "time ", "there ", "was ", "one."];

it("shows a reply while it grows, and the whole in the same message", async () => {
  const { post, clock, platform, shown, store } = await openEditing((now) => slowly(now, STORY));
  post("tell me", "1");
  await clock.advance(400);
  expect(shown()).toEqual([]);
  await clock.advance(1_000);
  expect(shown()[0]).toMatch(/^Once upon/);
  expect((await store.outbox.list({ chat: "sim:1" }, { limit: 9 })).items).toMatchObject([{ status: "draft", isDraft: true }]);
  await clock.advance(5_000);
  expect(shown()).toEqual([STORY.join("")]);
  expect(platform.edits().length).toBeGreaterThan(1);
  expect((await store.outbox.list({ chat: "sim:1" }, { limit: 9 })).items).toMatchObject([
    { status: "sent", ambiguous: false, part: 1, of: 1 },
  ]);
});

it("says a short answer once, without a draft", async () => {
  const { post, clock, platform, shown } = await openEditing((now) => slowly(now, ["Yes."]));
  post("really?", "1");
  await clock.advance(2_000);
  expect(shown()).toEqual(["Yes."]);
  expect(platform.edits()).toEqual([]);
});

it("keeps what does not fit the first message for the messages after it", async () => {
  const words = Array.from({ length: 30 }, (_, place) => `word-${place} `);
  const { post, clock, shown } = await openEditing((now) => slowly(now, words));
  post("go on", "1");
  await clock.advance(20_000);
  expect(shown().join("")).toBe(words.join(""));
  expect(shown().length).toBeGreaterThan(1);
  expect(shown().every((text) => text.length <= 120)).toBe(true);
});

it("lets a command's reply pass the draft", async () => {
  const { post, clock, shown } = await openEditing((now) => slowly(now, STORY));
  post("tell me", "1");
  await clock.advance(1_500);
  post("/whoami", "2");
  await clock.advance(300);
  expect(shown()).toHaveLength(2);
  await clock.advance(5_000);
  expect(shown()[0]).toBe(STORY.join(""));
});

it("waits behind an earlier part that is not sent", async () => {
  const { post, clock, platform, shown, loop } = await openEditing((now) => slowly(now, STORY));
  post("hi", "0");
  await clock.advance(6_000);
  platform.script({ kind: "unavailable", retryAfterMs: 60_000 });
  await loop.send("sim:1", "news");
  post("tell me", "1");
  await clock.advance(2_000);
  expect(shown()).toEqual([STORY.join("")]);
  await clock.advance(70_000);
  expect(shown()).toEqual([STORY.join(""), "news", STORY.join("")]);
});

it("marks what was shown as interrupted when the turn is stopped", async () => {
  const { post, clock, shown, store } = await openEditing((now) => slowly(now, STORY));
  post("tell me", "1");
  await clock.advance(2_600);
  post("/stop", "2");
  await clock.advance(2_000);
  expect(shown()[0]).toMatch(/^Once upon a time.*\[interrupted\]$/s);
  expect(shown()[1]).toContain("topped");
  const { items } = await store.outbox.list({ chat: "sim:1" }, { limit: 9 });
  expect(items.map((part) => part.status)).toEqual(["sent", "sent"]);
});

it("marks it while the attempt after a failure is waited for, and goes on in the same message", async () => {
  let attempts = 0;
  const { post, clock, shown, platform } = await openEditing(
    (now) =>
      async function* (turn, context) {
        attempts += 1;
        yield* slowly(now, STORY.slice(0, 4))(turn, context);
        if (attempts === 1) throw new Error("the model is away");
        yield* slowly(now, STORY.slice(4))(turn, context);
      },
  );
  post("tell me", "1");
  await clock.advance(2_050);
  await clock.advance(200);
  expect(shown()).toEqual(["Once upon a time \n[interrupted]"]);
  await clock.advance(10_000);
  expect(shown()).toEqual([STORY.join("")]);
  expect(platform.takenCount()).toBe(1);
});

it("goes on in the same message after the process has died", async () => {
  const first = await openEditing((now) => slowly(now, STORY));
  first.post("tell me", "1");
  await first.clock.advance(2_100);
  expect(first.shown()).toHaveLength(1);
  first.store.crash();
  const second = await openEditing((now) => slowly(now, STORY), { store: first.store, platform: first.platform });
  await second.clock.advance(20_000);
  expect(second.shown()).toEqual([STORY.join("")]);
});

it("sends the reply anew, marked, when the draft may or may not have arrived", async () => {
  const { post, clock, shown, store, platform } = await openEditing((now) => slowly(now, STORY.slice(0, 2)));
  platform.script({ kind: "ambiguous", taken: false }, { kind: "unavailable", retryAfterMs: 50 });
  post("tell me", "1");
  await clock.advance(10_000);
  expect(shown()).toEqual(["Once upon "]);
  expect((await store.outbox.list({ chat: "sim:1" }, { limit: 9 })).items).toMatchObject([{ status: "sent", ambiguous: true }]);
});

it("comes whole where the draft is refused, or its message is deleted", async () => {
  const { post, clock, shown, platform } = await openEditing((now) => slowly(now, STORY));
  platform.script({ kind: "refused" });
  post("tell me", "1");
  await clock.advance(8_000);
  expect(shown()).toEqual([STORY.join("")]);
  platform.script("sent", { kind: "refused" }, { kind: "refused" });
  post("again", "2");
  await clock.advance(8_000);
  expect(shown().at(-1)).toBe(STORY.join(""));
});

it("shows typing while a turn runs, and not a moment longer", async () => {
  const { post, clock, platform } = await openEditing((now) =>
    slowly(
      now,
      Array.from({ length: 24 }, () => "so "),
    ),
  );
  post("think", "1");
  await clock.advance(11_000);
  expect(platform.typed()).toEqual(["1", "1", "1"]);
  await clock.advance(60_000);
  expect(platform.typed()).toHaveLength(3);
});
