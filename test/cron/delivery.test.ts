/** What a run says, to which chats, and what its history tells of that. */
import { describe, expect, it } from "vitest";
import { TerminalError } from "../../src/core/errors.ts";
import { textContent, textOf } from "../../src/core/content.ts";
import { createFakePlatform } from "../../src/testing/fake-channel.ts";
import { HOUR_MS, MINUTE_MS, SECOND_MS, addJob, linesOf, openLife, runsOf } from "./rig.ts";

const failing = async function* (): AsyncGenerator<string> {
  yield "";
  throw new TerminalError("AGENT_FAILED", "no key");
};
const silent = async function* (): AsyncGenerator<string> {
  yield "";
};

describe("a result", () => {
  it("goes to every chat of the job and into its history, so that a reply has its context", async () => {
    const rig = await openLife({
      agent: async function* (turn) {
        if (turn.trigger === "cron") yield "the report";
        else yield (await turn.history()).map((entry) => textOf(entry.content)).join(" | ");
      },
    });
    await rig.say("hello", "api:ann");
    await addJob(rig, { deliver: { chats: ["api:ann", "sim:7"] } });
    await rig.clock.advance(HOUR_MS + SECOND_MS);
    expect(await runsOf(rig)).toMatchObject([{ status: "succeeded", delivery: "delivered" }]);
    expect(rig.platform.taken().map(({ content }) => textOf(content))).toEqual(["the report"]);
    await rig.say("what was that?", "api:ann");
    await rig.clock.advance(SECOND_MS);
    expect((await rig.said("api:ann")).at(-1)).toContain("the report");
    // The job's own chat has the question too.
    expect((await rig.settled(rig.loop.chat("cron:job"))).history.map((entry) => entry.role)).toEqual(["user", "assistant"]);
  });

  it("is split as each platform needs it, and delivered once each part has its message id", async () => {
    const platform = createFakePlatform({ latencyMs: () => 10_000 });
    const rig = await openLife({
      platform,
      agent: async function* () {
        yield [...textContent("x".repeat(9_000))];
        yield [...textContent("second")];
      },
    });
    await addJob(rig, { deliver: { chats: ["api:me", "sim:7"] } });
    await rig.clock.advance(HOUR_MS + 15_000);
    expect(await runsOf(rig)).toMatchObject([{ status: "succeeded", delivery: "waiting" }]);
    expect(await rig.settled(rig.loop.job("job"))).toMatchObject({ state: "delivering" });
    await rig.clock.advance(MINUTE_MS);
    expect(await runsOf(rig)).toMatchObject([{ delivery: "delivered" }]);
    expect(await rig.said("api:me")).toHaveLength(2);
    expect((await rig.said("sim:7")).length).toBeGreaterThan(2);
    const { items } = await rig.store.outbox.list({ chat: "sim:7" }, { limit: 100 });
    for (const part of items) expect(part).toMatchObject({ status: "sent", platformId: expect.any(String) as string });
    expect((await rig.settled(rig.loop.job("job"))).state).toBe("scheduled");
  });

  it("that one platform refuses is delivered to the others, and called not delivered", async () => {
    const platform = createFakePlatform({ decide: () => ({ kind: "refused" }) });
    const rig = await openLife({ platform });
    await addJob(rig, { deliver: { chats: ["sim:7", "api:me"] } });
    await rig.clock.advance(HOUR_MS + SECOND_MS);
    expect(await rig.said("api:me")).toEqual(["re tick"]);
    expect(await runsOf(rig)).toMatchObject([{ status: "succeeded", delivery: "failed" }]);
  });

  it("goes nowhere from a job that delivers nothing", async () => {
    const rig = await openLife();
    await addJob(rig);
    await rig.clock.advance(HOUR_MS + SECOND_MS);
    expect(await runsOf(rig)).toMatchObject([{ status: "succeeded", delivery: "none" }]);
    expect((await rig.store.outbox.list({}, { limit: 10 })).items).toEqual([]);
  });
});

describe("what is delivered", () => {
  const cases = [
    ["always", "an answer", ["answer"]],
    ["always", "nothing", ["job: done; there is nothing to say."]],
    ["always", "a failure", ['The cron job "job" failed: no key (AGENT_FAILED).']],
    ["nonEmpty", "an answer", ["answer"]],
    ["nonEmpty", "nothing", []],
    ["nonEmpty", "a failure", ['The cron job "job" failed: no key (AGENT_FAILED).']],
    ["answer", "an answer", ["answer"]],
    ["answer", "nothing", []],
    ["answer", "a failure", []],
    ["failure", "an answer", []],
    ["failure", "nothing", []],
    ["failure", "a failure", ['The cron job "job" failed: no key (AGENT_FAILED).']],
  ] as const;
  const agents = {
    "an answer": async function* () {
      yield "answer";
    },
    nothing: silent,
    "a failure": failing,
  };
  it.each(cases)("of a job with when: %s that comes to %s is %j", async (when, what, expected) => {
    const rig = await openLife({ agent: agents[what] });
    await addJob(rig, { deliver: { chat: "api:me", when } });
    await rig.clock.advance(HOUR_MS + SECOND_MS);
    expect(await rig.said("api:me")).toEqual(expected);
    expect(await runsOf(rig)).toMatchObject([
      { status: what === "a failure" ? "failed" : "succeeded", delivery: expected.length === 0 ? "none" : "delivered" },
    ]);
  });

  it("is nothing when the answer is exactly the text that stands for nothing", async () => {
    let answer = "ALL QUIET";
    const rig = await openLife({
      agent: async function* () {
        yield answer;
      },
    });
    await addJob(rig, { deliver: { chat: "api:me", silence: "ALL QUIET" } });
    await rig.clock.advance(HOUR_MS + SECOND_MS);
    expect(await rig.said("api:me")).toEqual([]);
    answer = "ALL QUIET, but for one thing";
    await rig.clock.advance(HOUR_MS);
    expect(await rig.said("api:me")).toEqual(["ALL QUIET, but for one thing"]);
    expect((await runsOf(rig)).map((run) => run.delivery)).toEqual(["none", "delivered"]);
  });
});

describe("a job with session: chat", () => {
  it("has its turns in the chat itself, between those of the person", async () => {
    const seen: string[] = [];
    const rig = await openLife({
      agent: async function* (turn) {
        seen.push(`${turn.trigger}: ${(await turn.history()).length}`);
        yield `re ${turn.messages[0]?.text}`;
      },
    });
    await rig.say("hello", "api:ann");
    await addJob(rig, { deliver: { chats: ["api:ann", "api:bob"] }, session: "chat" });
    await rig.clock.advance(HOUR_MS + SECOND_MS);
    await rig.say("and now", "api:ann");
    await rig.clock.advance(SECOND_MS);
    expect(await rig.said("api:ann")).toEqual(["re hello", "re tick", "re and now"]);
    expect(await rig.said("api:bob")).toEqual(["re tick"]);
    expect(seen).toEqual(["interactive: 0", "cron: 2", "interactive: 4"]);
    expect(await runsOf(rig)).toMatchObject([{ status: "succeeded", delivery: "delivered" }]);
    expect(await rig.store.chats.open("cron:job")).toBeUndefined();
  });

  it("waits behind what the person said, and fails there with a notice", async () => {
    const rig = await openLife({ agent: failing });
    const fromMs = await addJob(rig, { deliver: { chat: "api:ann" }, session: "chat" });
    await rig.clock.advance(HOUR_MS + SECOND_MS);
    expect(await linesOf(rig, fromMs)).toEqual(["failed +60m"]);
    expect(await rig.said("api:ann")).toEqual(['The cron job "job" failed: no key (AGENT_FAILED).']);
  });
});

it("is failed, and said so, when a person stops its turn", async () => {
  const rig = await openLife({
    agent: async function* (_turn, { signal }) {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      yield "";
    },
  });
  const fromMs = await addJob(rig, { timeout: "2h" });
  await rig.clock.advance(HOUR_MS + SECOND_MS);
  await rig.settled(rig.loop.stop("cron:job"));
  expect(await linesOf(rig, fromMs)).toEqual(["failed +60m"]);
  // What was waiting for it hears of that in time, and the next instant runs.
  await rig.clock.advance(3 * MINUTE_MS);
  expect((await rig.settled(rig.loop.job("job"))).state).toBe("scheduled");
  await rig.clock.advance(HOUR_MS);
  expect(await linesOf(rig, fromMs)).toEqual(["failed +60m", "running +120m"]);
});
