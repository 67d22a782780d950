/** The configuration changes under a running daemon: on the real command line, by signal, by request and by its file. */
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { WireJob } from "../../src/http/wire-jobs.ts";
import type { WirePage } from "../../src/http/wire.ts";
import { openRig, until, type Rig } from "./rig.ts";

const TEST_MS = 60_000;
const PATIENCE_MS = 10_000;

let rig: Rig;
beforeEach(async () => {
  rig = await openRig();
});
afterEach(() => rig.close());

/** Puts another file in its place, as editors do. */
async function configure(config: object | string): Promise<void> {
  const file = join(rig.dir, "satibot.config.json");
  await writeFile(`${file}.new`, typeof config === "string" ? config : JSON.stringify(config));
  await rename(`${file}.new`, file);
}

const job = (id: string, every: string): object => ({ id, message: `from ${id}`, schedule: { every }, deliver: { chat: "api:me" } });
const texts = async (chat: string): Promise<readonly string[]> => (await rig.api.chat(chat)).outbox.map(({ text }) => text);
const ids = async (): Promise<readonly string[]> => (await rig.api.jobs()).items.map(({ id }) => id);

it(
  "is applied by a signal and by a command while a turn runs, which is neither aborted nor repeated",
  async () => {
    await configure({ limits: { concurrentTurns: 1 }, cron: [job("old", "1h")] });
    const daemon = rig.start();
    await daemon.ready();
    await rig.api.sendMessage("api:slow", { text: "/slow 3s done" });
    await until("the turn runs", async () => (await rig.api.system()).queue.running === 1, PATIENCE_MS);
    await rig.api.sendMessage("api:waits", { text: "hello" });

    await configure({ limits: { concurrentTurns: 4 }, cron: [job("new", "1h")], http: { port: 1 } });
    daemon.signal("SIGHUP");
    await until("the signal was heeded", async () => (await rig.api.system()).queue.slots === 4, PATIENCE_MS);
    expect(await ids()).toEqual(["new"]);
    await until("the chat that waited for a slot is answered", async () => (await texts("api:waits")).length === 1, PATIENCE_MS);

    await configure({ limits: { concurrentTurns: 2 }, cron: [job("new", "2h")] });
    const reloaded = await rig.cli(["config", "reload"]);
    expect(reloaded).toMatchObject({ code: 0, stdout: "In force now: cron.new, limits.concurrentTurns.\n" });
    await until("the turn ends", async () => (await texts("api:slow")).length > 0, PATIENCE_MS);
    expect(await texts("api:slow")).toEqual(["done"]);
    expect(daemon.output()).toContain('"why":"SIGHUP"');
    daemon.signal("SIGTERM");
    await daemon.endsWith(0);
  },
  TEST_MS,
);

it(
  "is refused as a whole when one line is wrong: the command says which and ends with 78, and the daemon goes on",
  async () => {
    await configure({ cron: [job("kept", "1h")] });
    const daemon = rig.start();
    await daemon.ready();
    await configure({ cron: [job("other", "1h")], limits: { maxAttempts: 0 } });
    const refused = await rig.cli(["config", "reload"]);
    expect(refused).toMatchObject({ code: 78, stdout: "" });
    expect(refused.stderr).toContain("limits.maxAttempts");
    expect(refused.stderr).toContain("The daemon goes on with what it had.");
    expect(await ids()).toEqual(["kept"]);
    expect(daemon.output()).toContain("the one before it stays in force");
    daemon.signal("SIGTERM");
    await daemon.endsWith(0);
  },
  TEST_MS,
);

it(
  "is read again when its file changes, where that is asked for",
  async () => {
    await configure({ reload: { watch: true }, cron: [job("first", "1h")] });
    const daemon = rig.start();
    // While it starts, where that takes longer.
    await until("it listens", async () => (await rig.readiness()) !== undefined, PATIENCE_MS);
    await configure({ reload: { watch: true }, cron: [job("second", "1h")] });
    await daemon.ready();
    await until("the change is noticed", async () => (await ids()).join() === "second", PATIENCE_MS);
    await configure('{ "cron": [');
    await until("the half file is told of", () => daemon.output().includes("the one before it stays in force"), PATIENCE_MS);
    expect(await ids()).toEqual(["second"]);
    daemon.signal("SIGTERM");
    await daemon.endsWith(0);
  },
  TEST_MS,
);

it(
  "listing jobs moves none: a job that was listed all the time fires once, and one of a stopped daemon waits for its next start",
  async () => {
    await configure({});
    const first = rig.start();
    await first.ready();
    const added = await rig.cli(["cron", "add", "once", "--at", "in 4s", "--message", "ding", "--deliver", "api:me", "--json"]);
    const [instant] = (JSON.parse(added.stdout) as WireJob).nextInstants;
    for (let looks = 0; looks < 3; looks += 1) {
      const listed = JSON.parse((await rig.cli(["cron", "list", "--json"])).stdout) as WirePage<WireJob>;
      // None is left once it has fired.
      expect([instant, undefined]).toContain(listed.items[0]?.nextInstants[0]);
    }
    await until("it fires", async () => (await rig.api.runs("once")).items[0]?.status === "succeeded", PATIENCE_MS);
    expect((await rig.api.runs("once")).items).toHaveLength(1);

    await rig.cli(["cron", "add", "later", "--every", "1h", "--message", "dong"]);
    first.signal("SIGTERM");
    await first.endsWith(0);
    const stored = async (): Promise<WireJob | undefined> => {
      const { stdout, stderr } = await rig.cli(["cron", "list", "--json"]);
      expect(stderr).toContain("this is what the store holds");
      return (JSON.parse(stdout) as WirePage<WireJob>).items.find(({ id }) => id === "later");
    };
    const before = await stored();
    expect(before?.nextInstants).toHaveLength(3);
    expect(await stored()).toEqual(before);
    expect((await rig.cli(["cron", "runs", "once"])).stdout).toContain("succeeded");
    const second = rig.start();
    await second.ready();
    expect((await rig.api.job("later")).nextInstants).toEqual(before?.nextInstants);
    second.signal("SIGTERM");
    await second.endsWith(0);
  },
  TEST_MS,
);

it(
  "begins a heartbeat, which speaks to the chat it was told to, and ends it again",
  async () => {
    await configure({});
    const daemon = rig.start();
    await daemon.ready();
    await writeFile(join(rig.dir, "HEARTBEAT.md"), "# Tasks\n- look at the mail\n");
    await configure({ heartbeat: { every: "1s", deliver: { chat: "api:me" } } });
    expect((await rig.cli(["config", "reload"])).stdout).toBe("In force now: heartbeat.\n");
    await until(
      "it speaks",
      async () => (await texts("api:me").catch(() => [])).some((text) => text.includes("look at the mail")),
      PATIENCE_MS,
    );
    expect((await rig.api.job("heartbeat")).origin).toBe("system");
    await writeFile(join(rig.dir, "HEARTBEAT.md"), "# Tasks\n");
    await until("it has nothing to do", async () => (await rig.api.runs("heartbeat")).items[0]?.status === "skipped", PATIENCE_MS);
    await configure({ heartbeat: false });
    await rig.cli(["config", "reload"]);
    expect(await ids()).toEqual([]);
    daemon.signal("SIGTERM");
    await daemon.endsWith(0);
  },
  TEST_MS,
);
