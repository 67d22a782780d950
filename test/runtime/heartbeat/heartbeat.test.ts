import { describe, expect, it } from "vitest";
import { textOf } from "../../../src/core/content.ts";
import { TerminalError } from "../../../src/core/errors.ts";
import type { Agent, Turn } from "../../../src/ports/agent.ts";
import type { HeartbeatOptions } from "../../../src/runtime/api.ts";
import { createMemoryStore, type MemoryStore } from "../../../src/stores/memory/store.ts";
import { createVirtualClock } from "../../../src/testing/virtual-clock.ts";
import { openRuntime, type RigOptions } from "../rig.ts";

const MINUTE = 60_000;
const HALF_HOUR = 30 * MINUTE;
const HOUR = 60 * MINUTE;
const START = Date.UTC(2026, 0, 1);
const CHAT = "system:heartbeat";

interface BeatRig extends Omit<RigOptions, "agent" | "clock" | "alter"> {
  readonly heartbeat?: Partial<HeartbeatOptions> | false;
  /** What a heartbeat is answered. */
  readonly answer?: (turn: Turn, count: number, signal: AbortSignal) => AsyncIterable<string> | string;
  readonly startMs?: number;
}

/** A runtime whose agent echoes people and answers heartbeats as told; `file.text` is HEARTBEAT.md. */
async function open({ heartbeat = {}, answer = () => "HEARTBEAT_OK", startMs = START, ...options }: BeatRig = {}) {
  const turns: Turn[] = [];
  const file: { text: string | undefined | Error; hangs?: Promise<void> } = { text: "- look at the mail" };
  const agent: Agent = async function* (turn, { signal }) {
    if (turn.trigger !== "heartbeat") return yield `re ${turn.messages[0]?.text}`;
    turns.push(turn);
    const said = answer(turn, turns.length, signal);
    if (typeof said === "string") yield said;
    else yield* said;
  };
  const beat: HeartbeatOptions = {
    everyMs: HALF_HOUR,
    source: "/etc/HEARTBEAT.md",
    instructions: async () => {
      await file.hangs;
      if (file.text instanceof Error) throw file.text;
      return file.text;
    },
    ...(heartbeat === false ? {} : heartbeat),
  };
  const rig = await openRuntime({
    ...options,
    agent,
    clock: createVirtualClock({ startMs }),
    alter: (parts) => (heartbeat === false ? parts : { ...parts, heartbeat: beat }),
  });
  return { ...rig, turns, file, beat };
}

const runsOf = async (store: MemoryStore) => (await store.jobs.runs("heartbeat", { limit: 100 })).items;

describe("the heartbeat", () => {
  it("asks the agent at its interval, in a chat and a class of its own, what the file says and how the runtime is", async () => {
    const { clock, turns } = await open();
    await clock.advance(HALF_HOUR - 1_000);
    expect(turns).toEqual([]);
    await clock.advance(HALF_HOUR + 1_000);
    expect(turns.map(({ chat, trigger }) => [chat, trigger])).toEqual([
      [CHAT, "heartbeat"],
      [CHAT, "heartbeat"],
    ]);
    const text = turns[0]?.messages[0]?.text ?? "";
    for (const part of [
      "answer exactly HEARTBEAT_OK",
      "- look at the mail",
      "- turns: ",
      "- channels: 1 of 1 online",
      "- event loop delay",
    ])
      expect(text).toContain(part);
  });

  it("is a job among the others, which shows when it comes and how it went", async () => {
    const { clock, loop } = await open();
    expect(await loop.job("heartbeat")).toMatchObject({ origin: "system", state: "scheduled", turnClass: "heartbeat", chat: CHAT });
    expect((await loop.job("heartbeat")).next.map(({ atMs }) => atMs - START)).toEqual([HALF_HOUR, 2 * HALF_HOUR, 3 * HALF_HOUR]);
    await clock.advance(HALF_HOUR + 1_000);
    expect((await loop.job("heartbeat")).lastRun).toMatchObject({ instantMs: START + HALF_HOUR, status: "succeeded", delivery: "none" });
  });
});

describe("a file that asks for nothing", () => {
  it.each([
    ["is missing", undefined, "there is no /etc/HEARTBEAT.md"],
    ["is empty", "", "asks for nothing"],
    ["holds comments and headings only", "# Tasks\n<!-- none -->\n- [ ]\n", "asks for nothing"],
  ])("wakes no agent when it %s; the run says why, and the log once", async (_, text, why) => {
    const { clock, turns, file, store, lines } = await open();
    file.text = text;
    await clock.advance(3 * HALF_HOUR + 1_000);
    expect(turns).toEqual([]);
    const runs = await runsOf(store);
    expect(runs.map(({ status, delivery }) => [status, delivery])).toEqual(Array.from({ length: 3 }, () => ["skipped", "none"]));
    expect(runs[0]?.error).toMatchObject({ code: "HEARTBEAT_EMPTY", message: expect.stringContaining(why) });
    expect(lines.filter((line) => line.includes("has nothing to do"))).toHaveLength(1);
    file.text = "- now look";
    await clock.advance(HALF_HOUR);
    expect(turns).toHaveLength(1);
  });

  it("is told from one that cannot be read", async () => {
    const { clock, turns, file, store, lines } = await open();
    file.text = new Error("EACCES: permission denied");
    await clock.advance(2 * HALF_HOUR + 1_000);
    expect(turns).toEqual([]);
    expect((await runsOf(store))[0]?.error).toMatchObject({ code: "HEARTBEAT_UNREADABLE", message: expect.stringContaining("EACCES") });
    expect(lines.filter((line) => line.includes("cannot read what it is to look after"))).toHaveLength(1);
  });
});

describe("the answer that nothing needs attention", () => {
  it.each(["HEARTBEAT_OK", "  HEARTBEAT_OK\n"])("reaches nobody, and is kept in the heartbeat's own history: %j", async (answer) => {
    const { clock, store, platform } = await open({ answer: () => answer, heartbeat: { deliverTo: ["sim:1"] } });
    await clock.advance(HALF_HOUR + 10_000);
    expect(await store.outbox.list({}, { limit: 10 })).toMatchObject({ items: [] });
    expect(platform.taken()).toEqual([]);
    expect((await store.chats.history(CHAT, 10)).map(({ role }) => role)).toEqual(["user", "assistant"]);
    expect(await store.chats.history("sim:1", 10)).toEqual([]);
    expect((await runsOf(store))[0]).toMatchObject({ status: "succeeded", delivery: "none" });
  });

  it.each(["HEARTBEAT_OK.", "All is well. HEARTBEAT_OK", "heartbeat_ok", "**HEARTBEAT_OK**"])("is exact: %s is said", async (answer) => {
    const { clock, said } = await open({ answer: () => answer, heartbeat: { deliverTo: ["api:me"] } });
    await clock.advance(HALF_HOUR + 10_000);
    expect(await said("api:me")).toEqual([answer]);
  });
});

describe("an answer that needs attention", () => {
  it("goes to the chats that are to hear it, into their history too, so that a reply has its context", async () => {
    const { clock, platform, store, post } = await open({ answer: () => "The disk is nearly full.", heartbeat: { deliverTo: ["sim:1"] } });
    post("hello", "1");
    await clock.advance(MINUTE);
    await clock.advance(HALF_HOUR);
    const texts = platform.taken().map(({ content }) => textOf(content));
    expect(texts).toEqual(["re hello", "The disk is nearly full."]);
    expect((await store.chats.history("sim:1", 10)).map(({ content }) => textOf(content)).at(-1)).toBe("The disk is nearly full.");
    expect((await runsOf(store))[0]).toMatchObject({ status: "succeeded", delivery: "delivered" });
  });

  it("stays in its own chat when nobody is to hear it", async () => {
    const { clock, store } = await open({ answer: () => "The disk is nearly full." });
    await clock.advance(HALF_HOUR + 10_000);
    expect((await store.outbox.list({}, { limit: 10 })).items).toEqual([]);
    expect((await store.chats.history(CHAT, 10)).at(-1)?.content).toEqual([{ type: "text", text: "The disk is nearly full." }]);
  });

  it("and people's messages never meet: each is answered by a turn of its own", async () => {
    const { clock, said, say } = await open({ answer: () => "Look!", heartbeat: { deliverTo: ["api:me"] } });
    await say("one", "api:me");
    await clock.advance(HALF_HOUR + 10_000);
    await say("two", "api:me");
    await clock.advance(MINUTE);
    expect(await said("api:me")).toEqual(["re one", "Look!", "re two"]);
  });

  it("tells the first of a series of failures, and goes on", async () => {
    const failing = (count: number): boolean => count <= 3 || count === 5;
    const { clock, said, store, loop } = await open({
      answer: (_, count) => {
        if (failing(count)) throw new TerminalError("AGENT_FAILED", `the model is away (${count})`);
        return "HEARTBEAT_OK";
      },
      heartbeat: { deliverTo: ["api:me"] },
    });
    await clock.advance(5 * HALF_HOUR + 10_000);
    expect((await runsOf(store)).map(({ status }) => status).reverse()).toEqual(["failed", "failed", "failed", "succeeded", "failed"]);
    expect(await said("api:me")).toEqual([expect.stringContaining("away (1)"), expect.stringContaining("away (5)")]);
    expect(await loop.job("heartbeat")).toMatchObject({ status: "active" });
  });
});

describe("a heartbeat beside people", () => {
  /** Answers only when told, whatever its signal says. */
  const held = async function* (): AsyncGenerator<string> {
    await new Promise(() => undefined);
    yield "never";
  };

  it("takes none of their slots, however long it runs", async () => {
    const { clock, said, say } = await open({ answer: held, limits: { concurrentTurns: 1 } });
    await clock.advance(HALF_HOUR + 1_000);
    await say("are you there?");
    await clock.advance(1_000);
    expect(await said()).toEqual(["re are you there?"]);
  });

  it("is never beside another: what comes meanwhile is skipped, and one that hangs ends at its timeout", async () => {
    let running = 0;
    let most = 0;
    const answer = async function* (_turn: Turn, _count: number, signal: AbortSignal): AsyncGenerator<string> {
      running += 1;
      most = Math.max(most, running);
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      running -= 1;
      yield "late";
    };
    const { clock, store, turns } = await open({ answer, heartbeat: { everyMs: 10 * MINUTE, timeoutMs: 25 * MINUTE } });
    await clock.advance(66 * MINUTE);
    expect(most).toBe(1);
    expect(turns.length).toBeGreaterThan(1);
    expect((await runsOf(store)).map(({ status }) => status).reverse()).toEqual([
      "failed",
      "skipped",
      "skipped",
      "failed",
      "skipped",
      "skipped",
    ]);
  });
});

describe("its history", () => {
  it("is bounded: the agent gets the newest entries, and older ones are deleted", async () => {
    const seen: number[] = [];
    const answer = async function* (turn: Turn): AsyncGenerator<string> {
      seen.push((await turn.history()).length);
      yield "HEARTBEAT_OK";
    };
    const { clock, store } = await open({ answer, heartbeat: { everyMs: MINUTE, history: 6 } });
    await clock.advance(100 * MINUTE + 1_000);
    expect(seen).toHaveLength(100);
    expect(Math.max(...seen)).toBe(6);
    expect(await store.chats.history(CHAT, 1_000)).toHaveLength(8);
  });

  it("may be none at all", async () => {
    const seen: number[] = [];
    const answer = async function* (turn: Turn): AsyncGenerator<string> {
      seen.push((await turn.history()).length);
      yield "HEARTBEAT_OK";
    };
    const { clock } = await open({ answer, heartbeat: { everyMs: MINUTE, history: 0 } });
    await clock.advance(5 * MINUTE + 1_000);
    expect(seen).toEqual([0, 0, 0, 0, 0]);
  });
});

describe("active hours", () => {
  it("bound it to a part of the day, from its beginning on", async () => {
    const activeHours = { fromMinute: 8 * 60, toMinute: 10 * 60, timezone: "Europe/Paris" };
    const { clock, turns, loop } = await open({ heartbeat: { everyMs: HOUR, activeHours } });
    expect((await loop.job("heartbeat")).next.map(({ atMs }) => new Date(atMs).toISOString().slice(5, 16))).toEqual([
      "01-01T07:00",
      "01-01T08:00",
      "01-02T07:00",
    ]);
    await clock.advance(26 * HOUR);
    expect(turns).toHaveLength(2);
    expect(turns[0]?.messages[0]?.text).toContain("Thursday 2026-01-01 08:00 +01:00 (Europe/Paris)");
  });
});

describe("configuring it while it runs", () => {
  it("changes the interval, takes it away, and begins it anew", async () => {
    const { clock, turns, loop, beat, settled } = await open();
    await settled(loop.configure({ heartbeat: { ...beat, everyMs: MINUTE } }));
    await clock.advance(5 * MINUTE + 1_000);
    expect(turns).toHaveLength(5);
    await settled(loop.configure({ heartbeat: false }));
    await clock.advance(HOUR);
    expect(turns).toHaveLength(5);
    await expect(loop.job("heartbeat")).rejects.toMatchObject({ code: "JOB_UNKNOWN" });
    await settled(loop.configure({ heartbeat: beat }));
    await clock.advance(HALF_HOUR + 1_000);
    expect(turns).toHaveLength(6);
  });

  it("moves nothing when it is the same, and leaves it alone when something else changes", async () => {
    const { clock, loop, beat, settled } = await open();
    await clock.advance(10 * MINUTE);
    const before = await loop.job("heartbeat");
    await settled(loop.configure({ heartbeat: { ...beat } }));
    await settled(loop.configure({ limits: { maxAttempts: 9 } }));
    expect((await loop.job("heartbeat")).next).toEqual(before.next);
    await settled(loop.configure({ heartbeat: { ...beat, deliverTo: ["api:me"] } }));
    expect((await loop.job("heartbeat")).next).toEqual(before.next);
  });

  it("keeps it paused when a person paused it", async () => {
    const { clock, turns, loop, beat, settled } = await open();
    await settled(loop.pauseJob("heartbeat"));
    await settled(loop.configure({ heartbeat: { ...beat, everyMs: MINUTE } }));
    await clock.advance(HOUR);
    expect(turns).toEqual([]);
    await settled(loop.resumeJob("heartbeat"));
    await clock.advance(2 * MINUTE);
    expect(turns.length).toBeGreaterThan(0);
  });

  it("leaves a job of somebody else alone that has its id, and says so", async () => {
    const { loop, beat, lines, settled } = await open({ heartbeat: false });
    await settled(loop.addCronJob({ id: "heartbeat", message: "mine", schedule: { every: "1h" } }));
    await settled(loop.configure({ heartbeat: beat }));
    expect(await loop.job("heartbeat")).toMatchObject({ origin: "library", message: "mine" });
    expect(lines.join()).toContain("there is a job of this id");
    await settled(loop.removeCronJob("heartbeat"));
    await settled(loop.configure({ heartbeat: beat }));
    await expect(settled(loop.addCronJob({ id: "heartbeat", message: "mine", schedule: { every: "1h" } }))).rejects.toMatchObject({
      code: "JOB_EXISTS",
    });
  });
});

describe("over a restart", () => {
  it("keeps its beat, and makes up for nothing", async () => {
    const store = createMemoryStore();
    const first = await open({ store });
    await first.clock.advance(45 * MINUTE);
    await first.settled(first.loop.shutdown());
    const downUntil = first.clock.now() + 3 * HOUR;
    const second = await open({ store, startMs: downUntil });
    await second.clock.advance(1_000);
    expect(second.turns).toEqual([]);
    await second.clock.advance(HALF_HOUR);
    expect(second.turns).toHaveLength(1);
    expect(second.turns[0]?.messages[0]?.receivedAtMs).toBe(START + 8 * HALF_HOUR);
    expect((await runsOf(second.store)).map(({ status, count }) => [status, count])).toEqual([
      ["succeeded", 1],
      ["missed", 6],
      ["succeeded", 1],
    ]);
  });
});

describe("by hand", () => {
  it("runs at once, and says when there is nothing to do", async () => {
    const { loop, turns, file, settled, clock } = await open();
    expect(await settled(loop.runJob("heartbeat"))).toMatchObject({ status: "running", trigger: "hand" });
    await clock.advance(1_000);
    expect(turns).toHaveLength(1);
    file.text = "";
    await expect(settled(loop.runJob("heartbeat"))).rejects.toMatchObject({
      code: "WRONG_STATE",
      message: expect.stringContaining("asks for nothing"),
    });
  });
});

it("holds up no job while its file cannot be read to the end, and goes on once it can", async () => {
  const { clock, loop, store, turns, file, settled } = await open();
  let answer = (): void => undefined;
  file.hangs = new Promise((resolve) => (answer = resolve));
  await settled(loop.addCronJob({ id: "job", message: "tick", schedule: { every: "10m", anchor: START + MINUTE } }));
  await clock.advance(2 * HOUR);
  const { items } = await store.jobs.runs("job", { limit: 100 });
  expect(items.map(({ status }) => status)).toEqual(Array.from({ length: 12 }, () => "succeeded"));
  const beats = await runsOf(store);
  expect(beats).toHaveLength(4);
  for (const beat of beats) expect(beat).toMatchObject({ status: "skipped", error: { code: "HEARTBEAT_UNREADABLE" } });
  answer();
  await clock.advance(HALF_HOUR + MINUTE);
  expect(turns).toHaveLength(1);
});
