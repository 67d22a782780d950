import { readFile, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadConfig } from "../../../src/app/config/config.ts";
import { withEnvironmentFile } from "../../../src/app/config/environment-file.ts";
import { createGateway } from "../../../src/app/gateway.ts";
import { optionsOf } from "../../../src/app/gateway-options.ts";
import { createSystemClock } from "../../../src/app/system-clock.ts";
import { textOf } from "../../../src/core/content.ts";
import { createSqliteStore } from "../../../src/stores/sqlite/store.ts";
import { NOW } from "../cli/cli-rig.ts";
import { type Folders, messages, migrate, openFolders, reportOf, treeOf, writeSession } from "./migrate-rig.ts";

const ANN = "telegram:6496574212";

/** The daemon on what was taken over, without its bot. */
async function openDaemon({ cwd }: Folders) {
  const config = await loadConfig({ cwd, env: withEnvironmentFile({}, cwd) });
  const gateway = createGateway({ ...(await optionsOf(config)), log: undefined, channels: {}, http: { port: 0 } });
  await gateway.start();
  return gateway;
}

describe("migrate", () => {
  it("leaves a daemon that knows the conversations and the next instants of the jobs", async () => {
    const place = await openFolders(true);
    await reportOf(place);
    const gateway = await openDaemon(place);
    try {
      const at = gateway.address();
      const response = await fetch(`http://127.0.0.1:${at?.port}/api/chats/${encodeURIComponent(ANN)}`);
      const chat = (await response.json()) as {
        state: string;
        address: string;
        waiting: number;
        history: { role: string; text: string; at: number }[];
      };
      expect(chat.history.map(({ role, text }) => [role, text])).toEqual([
        ["user", "What is the weather in Kyoto?"],
        ["assistant", "Sunny, 21 °C. 🌸"],
        ["user", "Thank you"],
        ["assistant", "You are welcome."],
      ]);
      expect(chat).toMatchObject({ address: "6496574212", waiting: 0 });
      expect(chat.history.every(({ at: atMs }, index) => index === 0 || atMs > (chat.history[index - 1]?.at ?? 0))).toBe(true);
      const { items } = await gateway.jobs({ limit: 10 });
      const [report, year] = items;
      expect(report).toMatchObject({ id: "1770000000001", message: "Write the report of ${TODAY}", deliverTo: [ANN] });
      expect(Math.abs((report?.nextAtMs ?? 0) - Date.now() - 86_400_000)).toBeLessThan(60_000);
      expect(year).toMatchObject({ name: "New year", nextAtMs: 4_102_444_800_000, deliverTo: ["telegram:777000111"] });
      // The chat that a job delivers to can be reached although nobody wrote there yet.
      expect((await gateway.chat("telegram:777000111"))?.address).toBe("777000111");
    } finally {
      await gateway.shutdown();
    }
  });

  it("goes on with the conversation that it took over", async () => {
    const place = await openFolders();
    await writeSession(place, "api:ann.json", messages("first", "second"));
    await reportOf(place);
    const gateway = createGateway({ store: `sqlite:${join(place.cwd, "data/satibot.db")}`, http: false });
    await gateway.start();
    try {
      const replied = new Promise<void>((resolve, reject) => {
        (async () => {
          for await (const event of gateway.stream("api:ann")) if (event.type === "reply") return resolve();
        })().catch(reject);
      });
      await gateway.addChatMessage("api:ann", "third");
      await replied;
      const texts = (await gateway.chat("api:ann"))?.history.map((entry) => textOf(entry.content));
      expect(texts?.slice(0, 3)).toEqual(["first", "second", "third"]);
      expect(texts).toHaveLength(4);
    } finally {
      await gateway.shutdown();
    }
  });

  it("writes a configuration without a secret in it, and the secrets for their owner alone", async () => {
    const place = await openFolders(true);
    const { out } = await migrate(place);
    const config = await readFile(join(place.cwd, "satibot.config.yaml"), "utf8");
    const secrets = await readFile(join(place.cwd, ".env"), "utf8");
    expect((await stat(join(place.cwd, ".env"))).mode & 0o777).toBe(0o600);
    for (const [, secret = ""] of secrets.matchAll(/^\w+='?(.*?)'?$/gm)) {
      expect(secret.length).toBeGreaterThan(5);
      expect(config).not.toContain(secret);
      expect(out).not.toContain(secret);
    }
    const loaded = await loadConfig({ cwd: place.cwd, env: withEnvironmentFile({}, place.cwd) });
    expect(loaded.channels).toMatchObject([{ name: "telegram", allow: ["6496574212"], token: expect.stringMatching(/^123456789:/) }]);
    expect(loaded.cron.map((job) => [job.id, job.deliver?.chat])).toEqual([
      ["1770000000001", ANN],
      ["1770000000002", "telegram:777000111"],
      ["1770000000005", undefined],
      ["1770000000006", undefined],
    ]);
  });

  it("takes nothing twice", async () => {
    const place = await openFolders(true);
    const first = await reportOf(place);
    const files = await readFile(join(place.cwd, "satibot.config.yaml"), "utf8");
    const second = await reportOf(place);
    expect(first.chats.map((chat) => chat.messages)).toEqual([2, 2, 2, 4, 2]);
    expect(second.chats.map((chat) => chat.messages)).toEqual([0, 0, 0, 0, 0]);
    expect(second.config).toMatchObject({ fate: "complete" });
    expect(second.environment.fate).toBe("complete");
    expect(second.heartbeat.fate).toBe("complete");
    expect(await readFile(join(place.cwd, "satibot.config.yaml"), "utf8")).toBe(files);
    expect(await historyOf(place, ANN)).toHaveLength(4);
  });

  it("takes what SatiBot has added since, behind what it took before", async () => {
    const place = await openFolders();
    await writeSession(place, "tg_1.json", messages("a", "b"));
    await reportOf(place);
    await writeSession(place, "tg_1.json", messages("a", "b", "c", "d"));
    expect((await reportOf(place)).chats).toMatchObject([{ messages: 2, before: 2 }]);
    expect(await historyOf(place, "telegram:1")).toEqual(["a", "b", "c", "d"]);
    await writeSession(place, "tg_1.json", messages("x", "b", "c", "d", "e"));
    expect(await migrate(place)).toMatchObject({ code: 1, out: expect.stringContaining("it was changed since 4 messages") });
    expect(await historyOf(place, "telegram:1")).toEqual(["a", "b", "c", "d"]);
  });

  it("goes on where a run was cut off between a row and its turn", async () => {
    const place = await openFolders();
    const texts = Array.from({ length: 250 }, (_, index) => `text ${index}`);
    await writeSession(place, "tg_1.json", messages(...texts));
    await reportOf(place);
    expect(await historyOf(place, "telegram:1", 300)).toEqual(texts);
    // The next portion's row is there and its turn is open, as a process that died leaves it.
    const more = [...texts, "late", "later"];
    await writeSession(place, "tg_1.json", messages(...more));
    const store = createSqliteStore({ file: join(place.cwd, "data/satibot.db"), clock: createSystemClock() });
    await store.start();
    const [newest] = await store.chats.history("telegram:1", 1);
    const turnId = (newest?.turnId ?? "").replace(/\d+$/, "252");
    await store.inbox.append([
      {
        chat: "telegram:1",
        address: "",
        kind: "message",
        turnClass: "interactive",
        content: [{ type: "text", text: "cut off" }],
        sender: undefined,
        receivedAtMs: NOW,
        dedupe: undefined,
        inboxMax: 10,
        busyReply: undefined,
        open: false,
        claim: { turnId, suspect: false },
      },
    ]);
    await store.stop();
    expect((await reportOf(place)).chats).toMatchObject([{ messages: 2, before: 250 }]);
    expect(await historyOf(place, "telegram:1", 300)).toEqual(more);
  });

  it("puts nothing behind a conversation that is here already", async () => {
    const place = await openFolders();
    const gateway = createGateway({ store: `sqlite:${join(place.cwd, "data/satibot.db")}`, http: false });
    await gateway.start();
    await gateway.addChatMessage("api:ann", "new here");
    await gateway.shutdown();
    await writeSession(place, "api:ann.json", messages("old", "older"));
    await writeSession(place, "api:bob.json", messages("old", "older"));
    const { chats, left } = await reportOf(place);
    expect(chats).toMatchObject([{ chat: "api:bob", messages: 2 }]);
    expect(left).toContainEqual(
      expect.objectContaining({ where: "sessions/api:ann.json", todo: expect.stringContaining("chats reset api:ann") }),
    );
  });

  it("refuses while a daemon runs, and leaves everything as it is", async () => {
    const place = await openFolders(true);
    const gateway = createGateway({ store: `sqlite:${join(place.cwd, "data/satibot.db")}`, http: false });
    await gateway.start();
    try {
      const before = await treeOf(place.home);
      const ran = await migrate(place);
      expect(ran).toMatchObject({ code: 78, err: expect.stringContaining("belongs to another running satibot") });
      expect(await readdir(place.cwd)).toEqual(["data"]);
      expect(await treeOf(place.home)).toEqual(before);
      expect(await migrate(place, "--dry-run")).toMatchObject({ code: 0, out: expect.stringContaining("a running satibot owns it") });
    } finally {
      await gateway.shutdown();
    }
  });

  it("never changes a configuration or a variable that is there", async () => {
    const place = await openFolders(true);
    const mine = 'cron:\n  - { id: "1770000000005", message: mine, schedule: { every: 1h } }\n';
    await writeFile(join(place.cwd, "satibot.config.yaml"), mine);
    await writeFile(join(place.cwd, ".env"), "TELEGRAM_BOT_TOKEN=mine", { mode: 0o644 });
    const { config, environment, left } = await reportOf(place);
    expect(await readFile(join(place.cwd, "satibot.config.yaml"), "utf8")).toBe(mine);
    expect(config.fate).toBe("kept");
    expect(config.fragment).toContain("telegram:");
    expect(config.fragment).toContain("1770000000001");
    expect(config.fragment).not.toContain("1770000000005");
    expect(environment.fate).toBe("extended");
    const variables = await readFile(join(place.cwd, ".env"), "utf8");
    expect(variables).toMatch(/^TELEGRAM_BOT_TOKEN=mine\nOPENROUTER_API_KEY=/);
    expect((await stat(join(place.cwd, ".env"))).mode & 0o777).toBe(0o600);
    expect(left).toContainEqual(expect.objectContaining({ where: ".env TELEGRAM_BOT_TOKEN" }));
  });
});

describe("migrate --dry-run", () => {
  it("prints the same report and touches nothing, before and after the real run", async () => {
    const place = await openFolders(true);
    const trees = async () => [await treeOf(place.home), await treeOf(place.cwd)];
    const empty = await trees();
    const dry = await reportOf(place, "--dry-run");
    expect(await trees()).toEqual(empty);
    const real = await reportOf(place);
    expect(real).toEqual({ ...dry, dryRun: false });
    const full = await trees();
    expect((await reportOf(place, "--dry-run")).chats.map((chat) => chat.messages)).toEqual([0, 0, 0, 0, 0]);
    expect(await trees()).toEqual(full);
  });
});

async function historyOf({ cwd }: Folders, chat: `${string}:${string}`, limit = 50): Promise<readonly string[]> {
  const store = createSqliteStore({ file: join(cwd, "data/satibot.db"), clock: createSystemClock() });
  await store.start();
  try {
    return (await store.chats.history(chat, limit)).map((entry) => textOf(entry.content));
  } finally {
    await store.stop();
  }
}
