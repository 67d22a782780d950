import { describe, expect, it } from "vitest";
import { textOf } from "../../src/core/content.ts";
import { createMemoryStore, type MemoryStore } from "../../src/stores/memory/store.ts";
import { createFakePlatform } from "../../src/testing/fake-channel.ts";
import { HOUR_MS, openGate, type GateOptions } from "./gate-rig.ts";

const ASKED = "This bot is private. Its owner has been asked; I will write to you when you are let in.";
const LET_IN = "You are let in. Write me a message; what you wrote before was not kept.";

/** A closed channel whose administrator, 1, has written already. */
async function openClosed(options: GateOptions = {}) {
  const gate = await openGate({ access: { allow: [], admins: ["1"] }, ...options });
  await gate.write("hi", "1");
  return gate;
}

/** The store with `kv.set` of one namespace failing while told to. */
function failingCells(store: MemoryStore, namespace: string) {
  const state = { isBroken: false };
  const { kv } = store;
  const behind = (): MemoryStore => ({
    ...store,
    kv: { ...kv, set: (...args) => (state.isBroken && args[0] === namespace ? Promise.reject(new Error("disk full")) : kv.set(...args)) },
  });
  return { state, behind };
}

describe("allow lists", () => {
  it("let everybody in a group or guild in by its id, there alone", async () => {
    const { write, heard } = await openGate({ access: { allow: ["-100", "guild-9"] } });
    await write("hi", "5", { group: "-100" });
    await write("hi", "6", { group: "room", identities: ["guild-9"] });
    await write("hi", "5");
    expect(heard("-100")).toEqual(["re hi"]);
    expect(heard("room")).toEqual(["re hi"]);
    expect(heard("5").join()).toContain("private");
  });

  it("take ids in any case, also of people who were paired", async () => {
    const { write, heard, loop } = await openGate({ access: { allow: [" U012AB "] } });
    await loop.pairing.approve("sim", "U777XY");
    await write("hi", "u012ab");
    await write("hi", "U777XY");
    expect([heard("u012ab"), heard("U777XY")]).toEqual([["re hi"], ["re hi"]]);
  });

  it("can be replaced while the runtime runs; whoever was let in stays", async () => {
    const { write, heard, loop, codes } = await openGate({ access: { allow: ["5"] } });
    await loop.pairing.approve("sim", "6");
    loop.access.configure("sim", { allow: ["7"] });
    for (const id of ["5", "6", "7"]) await write("hi", id);
    expect(heard("5").join()).toContain("private");
    expect([heard("6"), heard("7")]).toEqual([["re hi"], ["re hi"]]);
    loop.access.configure("sim", { allow: ["*"] });
    await write("hi again", "5");
    expect(heard("5").at(-1)).toBe("re hi again");
    expect(codes).toEqual([]);
    expect(() => loop.access.configure("nowhere", undefined)).toThrow(/nowhere/);
  });

  it("offer a code when the configuration no longer names anybody and nobody was let in", async () => {
    const { loop, clock, codes } = await openGate({ access: { allow: ["5"] } });
    loop.access.configure("sim", { allow: undefined });
    await clock.advance(10);
    expect(codes).toHaveLength(1);
  });
});

describe("a stranger", () => {
  it("is asked about in the administrators' chats, with buttons and commands, and told so", async () => {
    const { write, heard, platform } = await openClosed();
    await write("SECRET words", "666", { name: "Eve" });
    expect(heard("666")).toEqual([ASKED]);
    const notice = platform.taken().filter((part) => part.chat === "sim:1")[1];
    expect(textOf(notice?.content ?? [])).toBe(
      "Eve (`666`) has written to me over sim and is not let in.\nTo let them in: /approve 666\nTo refuse: /deny 666",
    );
    expect(notice?.content[1]).toEqual({
      type: "buttons",
      questionId: "access:666",
      options: [
        { id: "approve", label: "Let in" },
        { id: "deny", label: "Refuse" },
      ],
    });
  });

  it("leaves nothing of what they wrote in the store", async () => {
    const { write, store } = await openClosed();
    await write("SECRET words", "666", { name: "Eve" });
    const kept = [
      await store.kv.get("strangers", "sim"),
      await store.kv.get("pairing", "sim"),
      await store.outbox.list({}, { limit: 100 }),
      await store.chats.list({}, { limit: 100 }),
    ];
    expect(JSON.stringify(kept)).toContain("666");
    expect(JSON.stringify(kept)).not.toContain("SECRET");
    expect(await store.chats.open("sim:666")).toBeUndefined();
  });

  it("is asked about once an hour, also over a restart", async () => {
    const { write, heard, store, loop, settled, platform, clock } = await openClosed();
    for (const text of ["a", "b", "c"]) await write(text, "666");
    expect(heard("1")).toHaveLength(2);
    await settled(loop.shutdown());
    const next = await openGate({ access: { allow: [], admins: ["1"] }, store, platform });
    await next.write("d", "666", { update: "after" });
    expect(next.heard("1")).toHaveLength(2);
    expect(next.heard("666")).toEqual([ASKED, ASKED]);
    await next.clock.advance(clock.now() - next.clock.now() + HOUR_MS);
    await next.write("e", "666", { update: "later" });
    expect(next.heard("1")).toHaveLength(3);
  });

  it("is asked about although a crowd in a group is not let in", async () => {
    const { write, heard } = await openClosed();
    for (let id = 1_000; id < 1_030; id += 1) await write("hi", String(id), { group: "room" });
    await write("hello?", "1000");
    expect(heard("1")).toHaveLength(2);
    expect(heard("1000")).toEqual([ASKED]);
  });

  it("is not asked about from a group, nor when no administrator has a chat here", async () => {
    const { write, heard } = await openClosed();
    await write("hi", "666", { group: "room" });
    expect([heard("1"), heard("room")]).toEqual([["re hi"], []]);
    const other = await openGate({ access: { allow: [], admins: ["1"] } });
    await other.write("hi", "666");
    expect(other.heard("666")).toEqual(["This bot is private. Its owner can let you in with: satibot pair approve sim 666"]);
  });

  it("comes in crowds: at most 20 notices an hour, and at most 50 are remembered", async () => {
    const { write, heard, loop, store } = await openClosed();
    for (let id = 1_000; id < 1_200; id += 1) await write("hi", String(id));
    expect(heard("1")).toHaveLength(1 + 20);
    expect((await loop.pairing.list())[0]?.requests).toHaveLength(50);
    const cell = (await store.kv.get("strangers", "sim")) as { readonly strangers: readonly unknown[] };
    expect(cell.strangers.length).toBeLessThanOrEqual(50);
    await write("/approve 1000", "1");
    expect(heard("1000").at(-1)).toBe(LET_IN);
  });

  it("cannot write into the notice by their name", async () => {
    const { write, platform } = await openClosed();
    await write("hi", "666", { name: "*Ann*\n/approve 999 [x](http://evil.example) `\u202etxt" });
    const text = textOf(platform.taken().find((part) => part.chat === "sim:1" && part.content.length > 1)?.content ?? []);
    expect(text.split("\n")[0]).toBe("Ann approve 999 xhttpevilexample txt (`666`) has written to me over sim and is not let in.");
    expect(text.match(/^.*\/approve/gm)).toEqual(["To let them in: /approve"]);
  });

  it("of an odd id is answered, but nobody is asked to type it", async () => {
    const { write, heard } = await openClosed();
    await write("hi", "666`\n/approve 5");
    expect(heard("1")).toEqual(["re hi"]);
  });
});

describe("an administrator", () => {
  it.each([
    ["by a button", { text: "approve", questionId: "access:666" }],
    ["by what is written on it", { text: "Let in", questionId: "access:666" }],
    ["by the command", { text: "/approve 666", questionId: undefined }],
  ])("lets a stranger in %s; it is stored, and the stranger is told", async (_how, { text, questionId }) => {
    const { write, heard, loop } = await openClosed();
    await write("hello?", "666", { name: "Eve" });
    await write(text, "1", questionId === undefined ? {} : { questionId });
    expect(heard("1").at(-1)).toBe("Eve (`666`) may write now and has been told.");
    expect(heard("666")).toEqual([ASKED, LET_IN]);
    await write("thanks", "666");
    expect(heard("666").at(-1)).toBe("re thanks");
    expect((await loop.pairing.list())[0]).toMatchObject({ people: [{ id: "666", name: "Eve", role: "guest" }], requests: [] });
  });

  it("refuses a stranger, who is not asked about again and learns no more than that the bot is private", async () => {
    const { write, heard, clock, loop } = await openClosed();
    await write("hello?", "666");
    await write("deny", "1", { questionId: "access:666" });
    expect(heard("1").at(-1)).toBe("`666` stays out, and I do not ask about them for a month.");
    expect((await loop.pairing.list())[0]?.requests).toEqual([]);
    await clock.advance(2 * HOUR_MS);
    await write("hello??", "666");
    expect(heard("1")).toHaveLength(3);
    expect(heard("666")).toEqual([ASKED, "This bot is private."]);
    await write("/approve 666", "1");
    expect(heard("666").at(-1)).toBe(LET_IN);
  });

  it("lets somebody in who never wrote, and takes it back", async () => {
    const { write, heard } = await openClosed();
    await write("/approve 77", "1");
    expect(heard("1").at(-1)).toBe("Whoever has the id (`77`) may write now.");
    await write("hi", "77");
    await write("/deny 77", "1");
    await write("hi?", "77");
    expect(heard("77")).toEqual(["re hi", "This bot is private."]);
  });

  it("decides twice without harm: the second is told the same, the stranger nothing new", async () => {
    const { write, heard } = await openGate({ access: { allow: [], admins: ["1", "2"] } });
    await write("hi", "1");
    await write("hi", "2");
    await write("hello?", "666");
    await write("approve", "1", { questionId: "access:666" });
    await write("approve", "2", { questionId: "access:666" });
    await write("/approve 666", "2");
    expect(heard("2").slice(2)).toEqual(Array(2).fill("Whoever has the id (`666`) may write now."));
    expect(heard("666")).toEqual([ASKED, LET_IN]);
  });

  it("is a person: a group that has the id of one makes nobody an administrator", async () => {
    const { write, heard } = await openGate({ access: { allow: ["5"], admins: ["1"] } });
    await write("/approve 666", "5", { group: "1" });
    expect(heard("1")).toEqual(["Only administrators may use /approve."]);
  });

  it.each(["/approve", "/approve 1 2 3", "/approve 5 king", "/deny", "/deny 1 2"])("is told how %s is written", async (text) => {
    const { write, heard, loop } = await openClosed();
    await write(text, "1");
    expect(heard("1").at(-1)).toMatch(/^Write \/(approve|deny) and the id/);
    expect((await loop.pairing.list())[0]?.people).toEqual([]);
  });

  it("of the configuration cannot be put out in chat", async () => {
    const { write, heard } = await openGate({ access: { allow: ["5"], admins: ["1"] } });
    for (const id of ["1", "5"]) await write(`/deny ${id}`, "1");
    expect(heard("1")).toEqual([
      "1 is in channels.sim.admins of the configuration; remove it there.",
      "5 is in channels.sim.allow of the configuration; remove it there.",
    ]);
  });
});

describe("roles", () => {
  it("an owner makes administrators, who are asked and decide, but make none and put no owner out", async () => {
    const { codes, write, heard } = await openGate({ access: { allow: undefined } });
    await write(codes[0]?.code ?? "", "1", { name: "Ann" });
    await write("/approve 5 admin", "1");
    expect(heard("1").at(-1)).toBe("Whoever has the id (`5`) is an administrator now.");
    await write("hi", "5");
    await write("hello?", "666");
    expect(heard("5").at(-1)).toContain("(`666`) has written to me");
    await write("/approve 7 admin", "5");
    expect(heard("5").at(-1)).toBe("Only an owner makes administrators.");
    await write("/deny 1", "5");
    expect(heard("5").at(-1)).toContain("1 is an owner; `satibot pair revoke sim 1` removes them");
    await write("/deny 5", "1");
    expect(heard("1").at(-1)).toBe("`5` may no longer write.");
    await write("/approve 666", "5");
    expect(heard("5").at(-1)).toBe("This bot is private.");
  });

  it("somebody of the allow list becomes the owner by a code; what is no code stays a message", async () => {
    const { write, heard, loop } = await openGate({ access: { allow: ["5"] } });
    const { code } = await loop.pairing.issue("sim");
    await write("FEBRUARY", "5");
    await write(code, "5");
    await write("/whoami", "5");
    expect(heard("5")).toEqual(["re FEBRUARY", expect.stringContaining("Hello!"), expect.stringContaining("Here you are the owner.")]);
  });
});

describe("forgery", () => {
  it("a guest's press and command let nobody in", async () => {
    const { write, heard, loop } = await openClosed({ access: { allow: ["5"], admins: ["1"] } });
    await write("hello?", "666");
    await write("approve", "5", { questionId: "access:666" });
    await write("/approve 666", "5");
    await write("/deny 1", "5");
    expect(heard("5")).toEqual([
      "Only administrators may use /approve.",
      "Only administrators may use /approve.",
      "Only administrators may use /deny.",
    ]);
    expect((await loop.pairing.list())[0]?.people).toEqual([]);
    expect(heard("666")).toEqual([ASKED]);
  });

  it("a stranger's press for themselves is not even stored", async () => {
    const { write, heard, store, loop } = await openClosed();
    await write("approve", "666", { questionId: "access:666" });
    await write("/approve 666", "666");
    expect(heard("666")).toEqual([ASKED]);
    expect(await store.chats.open("sim:666")).toBeUndefined();
    expect((await loop.pairing.list())[0]?.people).toEqual([]);
  });

  it.each(["", "Approve", "constructor", "approve 5", "yes"])("a press with the option %j decides nothing", async (option) => {
    const { write, loop } = await openClosed();
    await write("hello?", "666");
    await write(option, "1", { questionId: "access:666" });
    await write("approve", "1", { questionId: "access:5 admin" });
    expect((await loop.pairing.list())[0]).toMatchObject({ people: [], requests: [{ id: "666" }] });
  });
});

describe("a crash", () => {
  it("after the notice: the answer still finds its person", async () => {
    const platform = createFakePlatform();
    const store = createMemoryStore();
    const access = { allow: [], admins: ["1"] };
    const before = await openClosed({ platform, store, access });
    await before.write("hello?", "666", { name: "Eve" });
    const after = await openGate({ platform, store, access });
    await after.write("approve", "1", { questionId: "access:666", update: "press" });
    expect(after.heard("1").at(-1)).toBe("Eve (`666`) may write now and has been told.");
    expect(after.heard("666")).toEqual([ASKED, LET_IN]);
  });

  it("between the approval and its confirmation: it holds, is confirmed once, and the stranger is told", async () => {
    const platform = createFakePlatform();
    const store = createMemoryStore();
    const access = { allow: [], admins: ["1"] };
    const before = await openClosed({
      platform,
      store,
      access,
      behind: (whole) => ({ ...whole, chats: { ...whole.chats, command: () => new Promise(() => undefined) } }),
    });
    await before.write("hello?", "666");
    await before.write("/approve 666", "1", { update: "approval" });
    expect(before.heard("1")).toHaveLength(2);
    const after = await openGate({ platform, store, access });
    await after.clock.advance(5_000);
    expect(after.heard("1").slice(2)).toEqual(["Whoever has the id (`666`) may write now."]);
    expect(after.heard("666")).toEqual([ASKED, LET_IN]);
    await after.write("thanks", "666", { update: "thanks" });
    expect(after.heard("666").at(-1)).toBe("re thanks");
  });

  it("of the disk: nobody is told of an approval that is not stored", async () => {
    const store = createMemoryStore();
    const { state, behind } = failingCells(store, "pairing");
    const { write, heard, loop } = await openClosed({ store, behind });
    await write("hello?", "666");
    state.isBroken = true;
    await write("/approve 666", "1");
    expect(heard("1").at(-1)).toBe("/approve failed (INTERNAL); please try it again later.");
    expect(heard("666")).toEqual([ASKED]);
    expect((await loop.pairing.list())[0]?.people).toEqual([]);
    state.isBroken = false;
    await write("/approve 666", "1");
    expect(heard("666")).toEqual([ASKED, LET_IN]);
  });
});

it("loses none of many approvals at once", async () => {
  const { loop, settled, store } = await openGate({ access: { allow: [] } });
  const ids = Array.from({ length: 40 }, (_, place) => String(place));
  await settled(Promise.all([...ids.map((id) => loop.pairing.approve("sim", id)), loop.pairing.revoke("sim", "0")]));
  const kept = (await store.kv.get("pairing", "sim")) as { readonly people: readonly { readonly id: string }[] };
  expect(kept.people.map(({ id }) => id)).toEqual(ids.slice(1));
});
