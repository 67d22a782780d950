/** SIGTERM in the middle of work, mostly on the real command line: what runs is finished or put back, and nothing is lost either way. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ApiError, DaemonUnreachableError } from "../../src/http/client.ts";
import { openRig, report, until, type Daemon, type Rig } from "./rig.ts";

const TEST_MS = 60_000;

let rig: Rig;
beforeEach(async () => {
  rig = await openRig();
});
afterEach(() => rig.close());

const chatNames = (count: number): readonly string[] => Array.from({ length: count }, (_, place) => `api:${place}`);

async function configure(limits: Readonly<Record<string, string | number>>): Promise<void> {
  await writeFile(join(rig.dir, "satibot.config.json"), JSON.stringify({ limits }));
}

async function startAndFill(chats: readonly string[], slowness: string): Promise<Daemon> {
  const daemon = rig.start();
  await daemon.ready();
  await Promise.all(chats.map((chat) => rig.api.sendMessage(chat, { text: `/slow ${slowness} done ${chat}`, messageId: "1" })));
  await until(`${chats.length} turns run`, async () => (await rig.api.system()).queue.running === chats.length, 5_000);
  return daemon;
}

/** What each person has been told by now, apologies included. */
async function answers(chats: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(chats.map((chat) => rig.api.chat(chat)));
  return found.flatMap(({ outbox }) => outbox.map((part) => part.text));
}

const expected = (chats: readonly string[]): readonly string[] => chats.map((chat) => `done ${chat}`);

async function timed(run: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await run();
  return Math.round(performance.now() - startedMs);
}

it(
  "ends with 0 within the drain deadline with 100 slow turns in flight, and every person is answered",
  async () => {
    await configure({ concurrentTurns: 100, drainTimeout: "10s" });
    const chats = chatNames(100);
    const first = await startAndFill(chats, "2s");
    // Received while a turn runs: its own turn comes after the restart.
    await rig.api.sendMessage("api:0", { text: "hello", messageId: "2" });
    first.signal("SIGTERM");
    let refusal: unknown;
    await until(
      "intake is closed",
      async () => {
        refusal = await rig.api.sendMessage("api:late", { text: "too late" }).catch((error: unknown) => error);
        return refusal instanceof Error;
      },
      2_000,
    );
    expect(refusal).toBeInstanceOf(ApiError);
    expect(refusal).toMatchObject({ status: 503, code: "DRAINING" });
    expect(await rig.readiness()).toBe(503);
    const drainMs = await timed(() => first.endsWith(0));
    expect(drainMs).toBeLessThan(10_000);

    const second = rig.start();
    await second.ready();
    await until("the waiting message is answered", async () => (await rig.api.chat("api:0")).waiting === 0, 5_000);
    expect((await answers(chats)).toSorted()).toEqual([...expected(chats), "You said: hello"].toSorted());
    report("drain", { turns: chats.length, "ms to exit 0": drainMs });
  },
  TEST_MS,
);

it(
  "puts back turns that outlast the deadline, without counting it as a failure",
  async () => {
    // One counted failure would give a turn up.
    await configure({ concurrentTurns: 100, drainTimeout: "2s", maxAttempts: 1 });
    const chats = chatNames(100);
    const first = await startAndFill(chats, "4s");
    first.signal("SIGTERM");
    const drainMs = await timed(() => first.endsWith(0));
    expect(drainMs).toBeLessThan(2_500);

    const second = rig.start();
    await second.ready();
    await until("all turns run again", async () => (await rig.api.system()).queue.running === chats.length, 5_000);
    expect((await rig.api.chat("api:7")).turn).toMatchObject({ attempt: 2 });
    await until("every person is answered", async () => (await answers(chats)).length === chats.length, 15_000);
    expect(await answers(chats)).toEqual(expected(chats));
    report("drain of turns that outlast it", { turns: chats.length, "ms to exit 0": drainMs });
  },
  TEST_MS,
);

it(
  "leaves a turn that was put back all its attempts",
  async () => {
    const limits = { maxAttempts: 2, drainTimeout: "1s" };
    const first = rig.startLedger({ limits });
    await first.ready();
    await rig.api.sendMessage("api:0", { text: "stumble 1 60000" });
    await until("it runs", async () => (await rig.api.system()).queue.running === 1, 2_000);
    first.signal("SIGTERM");
    await first.endsWith(0);

    // The second attempt is the first that counts, so a third may follow it.
    await rig.startLedger({ limits }).ready();
    await until("it is answered", async () => (await answers(["api:0"])).length > 0, 5_000);
    expect(await answers(["api:0"])).toEqual([expect.stringMatching(/^1 1\/1 \S+ 3$/)]);
  },
  TEST_MS,
);

it(
  "ends at once at a second signal, and loses nothing",
  async () => {
    await configure({ maxAttempts: 1 });
    const chats = chatNames(6);
    const first = await startAndFill(chats, "1s");
    first.signal("SIGTERM");
    await until("the drain has begun", async () => (await rig.readiness()) === 503, 1_000);
    const endMs = await timed(async () => {
      first.signal("SIGINT");
      await first.endsWith(1);
    });
    expect(endMs).toBeLessThan(500);
    await expect(rig.api.system()).rejects.toThrow(DaemonUnreachableError);

    const second = rig.start();
    await second.ready();
    // One at a time: each of them could be the one that ended the process.
    await until("every person is answered", async () => (await answers(chats)).length === chats.length, 15_000);
    expect(await answers(chats)).toEqual(expected(chats));
    report("second signal", { turns: chats.length, "ms to the end": endMs });
  },
  TEST_MS,
);
