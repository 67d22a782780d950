import { describe, expect, it } from "vitest";
import { textContent, textOf } from "../../src/core/content.ts";
import { TransientError } from "../../src/core/errors.ts";
import type { ChannelHost } from "../../src/ports/channel.ts";
import { COMMANDS, MENU, commandOf } from "../../src/runtime/commands/table.ts";
import { createMemoryStore, type MemoryStore } from "../../src/stores/memory/store.ts";
import { createFakeChannel, createFakePlatform } from "../../src/testing/fake-channel.ts";
import { openGate } from "./gate-rig.ts";
import { openRuntime } from "./rig.ts";

const GUEST = { allow: ["*"], admins: ["1"] };

/** Answers when it is aborted. */
async function* thinking(_turn: unknown, { signal }: { readonly signal: AbortSignal }): AsyncGenerator<string> {
  yield "well, ";
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}

/** A store whose commits of commands never come to an end, as if the process died before them. */
const dyingBeforeCommands = (store: MemoryStore): MemoryStore => ({
  ...store,
  chats: { ...store.chats, command: () => new Promise(() => undefined) },
});

describe("the table", () => {
  it("fits the menus of platforms", () => {
    expect(MENU.map(({ name }) => name)).toEqual(["start", "help", "new", "status", "stop", "queue", "cron", "whoami"]);
    for (const { name, usage, description } of COMMANDS) {
      expect(name).toMatch(/^[a-z]{1,32}$/);
      expect(usage.startsWith(`/${name}`)).toBe(true);
      expect(description).toMatch(/^[^\n]{3,100}$/);
    }
    expect(new Set(COMMANDS.map(({ name }) => name)).size).toBe(COMMANDS.length);
  });

  it("is handed to channels without what administrators have", async () => {
    let seen: ChannelHost["commands"] = [];
    await openRuntime({
      alter: (parts) => {
        const channel = createFakeChannel({ clock: parts.clock, platform: createFakePlatform(), name: "sim" });
        const start: typeof channel.start = (host) => {
          seen = host.commands;
          return channel.start(host);
        };
        return { ...parts, channels: [{ ...channel, start }] };
      },
    });
    expect(seen).toEqual(MENU);
    expect(seen.some(({ name }) => name === "approve")).toBe(false);
  });

  it.each([
    ["/stop", "stop", ""],
    ["/STOP now ", "stop", "now"],
    ["/stop@the_bot", "stop", ""],
    ["/cron@the_bot add every 1h |\n two\nlines", "cron", "add every 1h |\n two\nlines"],
    ["/queue\tcollect", "queue", "collect"],
  ])("reads %j", (text, name, argument) => {
    const found = commandOf(textContent(text));
    expect([found?.command.name, found?.argument]).toEqual([name, argument]);
  });

  it.each(["/stopp", "/stop-it", "/stop/", "stop", " /stop", "/", "/weather", "/constructor", "//stop", "say /stop", "/stop@"])(
    "leaves %j to the agent",
    (text) => expect(commandOf(textContent(text))).toBeUndefined(),
  );
});

describe("commands", () => {
  it("greet, and leave other slashes to the agent", async () => {
    const { write, heard } = await openGate({ access: GUEST });
    for (const text of ["/start", "/start deep-link", "/weather Paris"]) await write(text, "5");
    expect(heard("5")).toEqual([expect.stringMatching(/^Hello!/), expect.stringMatching(/^Hello!/), "re /weather Paris"]);
  });

  it("list what everybody may use, and to administrators what they may", async () => {
    const { write, heard } = await openGate({ access: GUEST });
    await write("/help", "5");
    await write("/help", "1");
    const [guests, admins] = [heard("5"), heard("1")].map((texts) => texts.join().split("\n"));
    expect(guests).toHaveLength(MENU.length);
    expect(guests?.join()).not.toContain("/approve");
    expect(admins).toHaveLength(COMMANDS.length);
    expect(admins).toContain("/approve ID [admin] - Let somebody in, or make them an administrator");
  });

  it("tell people who they are, by what allow lists need", async () => {
    const { write, heard } = await openGate({ access: GUEST });
    await write("/whoami", "5", { name: "Eve {dropped}", group: "room" });
    await write("/whoami", "1");
    expect(heard("room")).toEqual(["You are Eve dropped, id `5`.\nHere you are a guest.\nThis chat is `sim:room` of the channel `sim`."]);
    expect(heard("1").join()).toContain("Here you are an administrator.");
  });

  it("hold who writes over a channel without allow list, or without a platform, for whoever runs the bot", async () => {
    const { post, clock, platform, say, said } = await openRuntime();
    post("/whoami", "1");
    await clock.advance(1_000);
    await say("/whoami");
    await clock.advance(1_000);
    expect(textOf(platform.taken()[0]?.content ?? [])).toContain("Here you are the owner.");
    expect((await said()).join()).toMatch(/^You wrote as whoever runs this bot\.\nHere you are the owner/);
  });

  it("say how this chat and its channel are, and the whole system to administrators alone", async () => {
    const { write, heard } = await openGate({ access: GUEST });
    await write("/status", "5");
    await write("/status", "1");
    expect(heard("5")).toEqual(["Idle: everything is answered.\nsim: online"]);
    expect(heard("1").join()).toMatch(
      /satibot .* running for .*\nturns: 0 of 16 running.*\nchats: 2 known.*\nloop delay.*\nsim: online for/s,
    );
  });

  it("show what waits, in the words of those who wrote it, without their markup", async () => {
    const { write, heard } = await openGate({ access: GUEST, agent: thinking });
    await write("first `words`", "5");
    for (const text of ["second", "a", "b", "c", "d", `long ${"word ".repeat(100)}`]) await write(text, "5");
    await write("/queue", "5");
    const lines = heard("5").join().split("\n");
    expect(lines[0]).toBe("7 messages wait here:");
    expect(lines[1]).toBe("1. `first 'words'`, 7 s ago, being answered");
    expect(lines[2]).toBe("2. `second`, 6 s ago");
    expect(lines.slice(6)).toEqual(["… and 2 more", "Policy: queue."]);
  });

  it("set the policy that there is, and say which there are", async () => {
    const { write, heard, store } = await openGate({ access: GUEST });
    for (const text of ["/queue QUEUE", "/queue collect", "/queue `rm -rf`"]) await write(text, "5");
    expect(heard("5")).toEqual([
      "Messages here are now answered by the policy queue: each message gets an answer of its own, in order.",
      expect.stringMatching(/^`collect` does not exist in this version\. The only policy of this version: queue/),
      expect.stringMatching(/^`'rm -rf'` is no policy\./),
    ]);
    expect((await store.chats.open("sim:5"))?.settings).toEqual({ overlap: "queue" });
  });

  it("are answered in as many messages as the platform needs", async () => {
    const platform = createFakePlatform();
    const { post, clock } = await openRuntime({
      platform,
      alter: (parts) => ({
        ...parts,
        channels: [createFakeChannel({ clock: parts.clock, platform, name: "sim", limits: { textUnits: 100, canEdit: false } })],
      }),
    });
    post("/help", "1");
    await clock.advance(5_000);
    const texts = platform.taken().map((part) => textOf(part.content));
    expect(texts.length).toBeGreaterThan(5);
    expect(texts.join("")).toContain("/deny ID");
  });
});

describe("a running turn", () => {
  it("is left alone by commands that do not stop it, which are answered at once", async () => {
    const answers: (() => void)[] = [];
    const { write, heard } = await openGate({
      access: GUEST,
      agent: async function* () {
        await new Promise<void>((resolve) => void answers.push(resolve));
        yield "done";
      },
    });
    await write("think", "5");
    for (const text of ["/help", "/whoami", "/status", "/queue queue", "/cron"]) await write(text, "5");
    expect(heard("5")).toHaveLength(5);
    expect(heard("5")[2]).toMatch(/^The agent has been answering/);
    answers.forEach((answer) => answer());
    await write("/whoami", "5");
    expect(heard("5").slice(5).toSorted()).toEqual([expect.stringMatching(/^You are/), "done"]);
    expect(answers).toHaveLength(1);
  });

  it("is ended by /stop and /new, with all that waits", async () => {
    const { write, heard, store } = await openGate({ access: GUEST, agent: thinking });
    await write("think", "5");
    await write("more", "5");
    await write("/stop", "5");
    await write("again", "5");
    await write("/new", "5");
    expect(heard("5")).toEqual(["Stopped; messages dropped: 2.", "A new conversation begins; messages dropped: 1."]);
    expect(await store.chats.history("sim:5", 10)).toEqual([]);
  });

  it("of a job is asked what the job says, also when that looks like a command", async () => {
    const { loop, clock, settled, store } = await openGate({ access: GUEST });
    await settled(loop.addCronJob({ id: "sly", message: "/approve 666 admin", schedule: { every: "1m" }, deliver: { chat: "sim:1" } }));
    await clock.advance(65_000);
    const { items } = await store.outbox.list({ chat: "sim:1" }, { limit: 10 });
    expect(items.map((part) => textOf(part.content))).toEqual(["re /approve 666 admin"]);
    expect((await loop.pairing.list())[0]?.people).toEqual([]);
  });
});

describe("a crash between a command and its commit", () => {
  it.each([
    ["/stop", "Stopped; messages dropped: 1."],
    ["/new", "A new conversation begins; messages dropped: 1."],
    ["/queue queue", "Messages here are now answered by the policy queue: each message gets an answer of its own, in order."],
  ])("lets %s be carried out by the next process, once", async (text, reply) => {
    const platform = createFakePlatform();
    const store = createMemoryStore();
    const before = await openGate({ platform, store, access: GUEST, agent: thinking, behind: dyingBeforeCommands });
    await before.write("think", "5", { update: "1" });
    await before.write(text, "5", { update: "2" });
    expect(before.heard("5")).toEqual([]);
    const after = await openGate({ platform, store, access: GUEST });
    await after.clock.advance(5_000);
    await after.write(text, "5", { update: "2" });
    expect(after.heard("5").filter((heard) => heard !== "re think")).toEqual([reply]);
    expect(after.heard("5")).toHaveLength(text.startsWith("/queue") ? 2 : 1);
    expect(await store.inbox.commands("sim:5")).toEqual([]);
    await after.write("and now?", "5", { update: "3" });
    expect(after.heard("5").at(-1)).toBe("re and now?");
  });
});

describe("a command that fails", () => {
  it("is tried again while the store is away, and answered in the end", async () => {
    const state = { failures: 4 };
    const behind = (store: MemoryStore): MemoryStore => ({
      ...store,
      inbox: {
        ...store.inbox,
        waiting: (...args) => (state.failures-- > 0 ? Promise.reject(unavailable()) : store.inbox.waiting(...args)),
      },
    });
    const { write, heard, clock } = await openGate({ access: GUEST, behind });
    await write("/queue", "5");
    await clock.advance(10_000);
    expect(heard("5")).toEqual(["Nothing waits here.\nPolicy: queue."]);
  });

  it("says so, and holds up none after it", async () => {
    const behind = (store: MemoryStore): MemoryStore => ({
      ...store,
      inbox: { ...store.inbox, waiting: () => Promise.reject(new Error("at /secret/path")) },
    });
    const { write, heard } = await openGate({ access: GUEST, behind });
    await write("/queue", "5");
    await write("/whoami", "5");
    expect(heard("5")).toEqual(["/queue failed (INTERNAL); please try it again later.", expect.stringMatching(/^You are/)]);
  });
});

function unavailable(): TransientError {
  return new TransientError("STORE_UNAVAILABLE", "busy");
}
