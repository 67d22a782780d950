import { describe, expect, it } from "vitest";
import { textContent } from "../../src/core/content.ts";
import { createPairingCode, isSameCode, readPairingCode } from "../../src/core/pairing-code.ts";
import type { Channel, ChannelHost } from "../../src/ports/channel.ts";
import type { PairingCode } from "../../src/runtime/api.ts";
import { createMemoryStore, type MemoryStore } from "../../src/stores/memory/store.ts";
import { ACCOUNT, HOUR_MS, openGate } from "./gate-rig.ts";
import { openRuntime } from "./rig.ts";

describe("access", () => {
  it.each([
    [["7"], "re hi"],
    [["@ann"], "re hi"],
    [["*"], "re hi"],
    [["8", "@bob"], "This bot is private. Its owner can let you in with: satibot pair approve sim 7"],
    [[], "This bot is private. Its owner can let you in with: satibot pair approve sim 7"],
  ])("with allow %j answers Ann: %s", async (allow, answer) => {
    const { write, heard, codes } = await openGate({ access: { allow } });
    await write("hi", "7", { name: "Ann" });
    expect(heard("7")).toEqual([answer]);
    expect(codes).toEqual([]);
  });

  it("stores nothing of a stranger, confirms the message, and says so once an hour", async () => {
    const { write, heard, store, platform, clock } = await openGate({ access: { allow: ["7"] } });
    for (const text of ["hi", "hello?", "anybody?"]) await write(text, "666");
    expect(await store.chats.open("sim:666")).toBeUndefined();
    expect(platform.unconfirmed()).toEqual([]);
    expect(heard("666")).toEqual(["This bot is private. Its owner can let you in with: satibot pair approve sim 666"]);
    await clock.advance(HOUR_MS);
    await write("hi again", "666");
    expect(heard("666")).toHaveLength(2);
  });

  it("says nothing into a group, and nothing to more than 20 strangers an hour", async () => {
    const { write, heard, platform } = await openGate({ access: { allow: ["7"] } });
    await write("hi", "666", { group: "group" });
    expect(platform.taken()).toEqual([]);
    for (let id = 1_000; id < 1_030; id += 1) await write("hi", String(id));
    expect(platform.taken().length).toBeLessThanOrEqual(20);
    expect(heard("1000")).toHaveLength(1);
  });
});

describe("pairing", () => {
  it("offers a code, and makes the first who sends it an owner", async () => {
    const { codes, write, heard, loop } = await openGate({ access: { allow: undefined } });
    expect(codes).toHaveLength(1);
    const [{ code, url, account }] = codes as [PairingCode];
    expect(code).toMatch(/^[2-9A-Z]{4}-[2-9A-Z]{4}$/);
    expect(url).toBe(`${ACCOUNT.startUrl}${code.replace("-", "")}`);
    expect(account).toBe("@the_bot");
    await write(`/start ${code.replace("-", "")}`, "7", { name: "Ann" });
    await write("hi", "7");
    expect(heard("7")).toEqual([expect.stringContaining("Hello!"), "re hi"]);
    const [pairing] = await loop.pairing.list();
    expect(pairing).toMatchObject({ people: [{ id: "7", name: "Ann", role: "owner" }], codeExpiresAtMs: undefined, requests: [] });
  });

  it("takes the code typed in any case, once, and never stores it", async () => {
    const { codes, write, heard, store } = await openGate({ access: { allow: undefined } });
    const code = codes[0]?.code ?? "";
    await write(code.toLowerCase().replace("-", " "), "7");
    await write(code, "8");
    expect(heard("7")).toEqual([expect.stringContaining("Hello!")]);
    expect(heard("8")).toEqual([expect.stringContaining("That code is not valid")]);
    const rows = await store.chats.history("sim:7", 100);
    expect(JSON.stringify([rows, await store.outbox.list({ chat: "sim:7" }, { limit: 10 })])).not.toContain(code.slice(0, 4));
  });

  it("answers a code that is delivered again after a crash as the welcome it was, in a new process too", async () => {
    const { codes, write, heard, store, loop, settled } = await openGate({ access: { allow: undefined } });
    const code = codes[0]?.code ?? "";
    await write(code, "7", { update: "u-first" });
    await write(code, "7", { update: "u-redelivered" });
    expect(heard("7")).toEqual([expect.stringContaining("Hello!"), expect.stringContaining("Hello!")]);
    await settled(loop.shutdown());
    const next = await openGate({ access: { allow: undefined }, store });
    expect(next.codes).toEqual([]);
    await next.write(code, "7", { update: "u-later" });
    await next.write("hi", "7");
    expect(next.heard("7")).toEqual([expect.stringContaining("Hello!"), "re hi"]);
  });

  it("ends a code after an hour, and issues a new one on request", async () => {
    const { codes, write, heard, clock, loop } = await openGate({ access: { allow: undefined } });
    await clock.advance(HOUR_MS);
    await write(codes[0]?.code ?? "", "7");
    expect(heard("7")).toEqual([expect.stringContaining("too old")]);
    const { code } = await loop.pairing.issue("sim");
    await write(code, "7");
    expect(heard("7").at(-1)).toContain("Hello!");
  });

  it("hears no sender after five wrong codes, and withdraws the code after twenty", async () => {
    const { codes, write, heard, lines } = await openGate({ access: { allow: undefined } });
    const code = codes[0]?.code ?? "";
    for (let guess = 0; guess < 5; guess += 1) await write("ZZZZ-ZZZZ", "666");
    await write(code, "666");
    expect(heard("666").join()).not.toContain("Hello!");
    for (let guess = 0; guess < 15; guess += 1) await write("ZZZZ-ZZZZ", String(700 + guess));
    await write(code, "7");
    expect(heard("7").join()).not.toContain("Hello!");
    expect(lines.join("\n")).toContain("too many wrong pairing codes");
    expect(lines.join("\n")).not.toContain(code);
  });

  it("keeps the code and the message when the person could not be stored", async () => {
    let isBroken = false;
    const store = createMemoryStore();
    const set = store.kv.set;
    const failing: MemoryStore = {
      ...store,
      kv: { ...store.kv, set: (...args) => (isBroken && args[0] === "pairing" ? Promise.reject(new Error("disk full")) : set(...args)) },
    };
    const { codes, write, heard, clock, platform } = await openGate({ access: { allow: undefined }, store: failing });
    isBroken = true;
    await write(codes[0]?.code ?? "", "7");
    expect(platform.unconfirmed()).toHaveLength(1);
    expect(heard("7")).toEqual([]);
    isBroken = false;
    await clock.advance(60_000);
    expect(platform.unconfirmed()).toEqual([]);
    expect(heard("7")).toEqual([expect.stringContaining("Hello!")]);
  });

  it("goes on with what can be read of a damaged cell", async () => {
    const store = createMemoryStore();
    await store.start();
    await store.kv.set("pairing", "sim", { schemaVersion: 1, people: [null, 7, { id: "7", role: "owner", sinceMs: 1 }], usedCode: 5 });
    const { write, heard } = await openGate({ access: { allow: [] }, store });
    await write("ABCD-EFGH", "666");
    await write("hi", "7");
    expect(heard("7")).toEqual(["re hi"]);
  });

  it("lists who asked, lets them in by approval, and out by revocation", async () => {
    const { write, heard, loop } = await openGate({ access: { allow: [] } });
    await write("hi", "666", { name: "Eve" });
    await write("please", "666", { name: "Eve" });
    expect((await loop.pairing.list())[0]?.requests).toEqual([{ id: "666", name: "Eve", lastAtMs: expect.any(Number), count: 2 }]);
    expect(await loop.pairing.approve("sim", " 666 ")).toMatchObject({ id: "666", name: "Eve", role: "guest" });
    await write("hi", "666");
    expect(heard("666").at(-1)).toBe("re hi");
    await loop.pairing.revoke("sim", "666");
    await write("still there?", "666");
    expect(heard("666").at(-1)).toBe("re hi");
    expect((await loop.pairing.list())[0]).toMatchObject({ people: [], requests: [{ id: "666", count: 1 }] });
  });

  it("keeps at most 50 who asked, the newest", async () => {
    const { write, loop } = await openGate({ access: { allow: [] } });
    for (let id = 0; id < 60; id += 1) await write("hi", String(id));
    const requests = (await loop.pairing.list())[0]?.requests ?? [];
    expect([requests.length, requests[0]?.id, requests.at(-1)?.id]).toEqual([50, "59", "10"]);
  });

  it("still lets a group in that is allowed by the id it had before its platform moved it", async () => {
    let host: ChannelHost | undefined;
    const channel: Channel = {
      name: "sim",
      kind: "fake",
      limits: { textUnits: 100, canEdit: false },
      access: { allow: ["-100"] },
      start: async (given) => {
        host = given;
      },
      stop: async () => undefined,
      deliver: async () => ({ platformId: "1" }),
    };
    const { settled } = await openRuntime({ alter: (parts) => ({ ...parts, channels: [channel] }) });
    const said = (id: string, group: string) => ({
      chat: `sim:${group}` as const,
      address: group,
      externalId: id,
      content: textContent("hi"),
      sender: { id: "7" },
      identities: ["7", group],
    });
    expect(await settled(host!.accept([said("1", "-100"), said("2", "-200")]))).toEqual(["accepted", "forbidden"]);
    await settled(host!.moved({ from: "sim:-100", to: "sim:-200", address: "-200" }));
    expect(await settled(host!.accept([said("3", "-200"), said("4", "-300")]))).toEqual(["accepted", "forbidden"]);
  });

  it("refuses what cannot be, and says what to do", async () => {
    const { loop } = await openGate({ access: { allow: ["5"] } });
    await expect(loop.pairing.issue("nowhere")).rejects.toMatchObject({ code: "NOT_FOUND", message: expect.stringContaining("(sim)") });
    await expect(loop.pairing.approve("sim", "two words")).rejects.toMatchObject({ code: "BAD_REQUEST" });
    await expect(loop.pairing.revoke("sim", "9")).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(loop.pairing.revoke("sim", "5")).rejects.toMatchObject({
      code: "WRONG_STATE",
      message: expect.stringContaining("channels.sim.allow"),
    });
    const open = await openGate({ access: { allow: ["*"] } });
    await expect(open.loop.pairing.issue("sim")).rejects.toMatchObject({ code: "WRONG_STATE" });
  });
});

describe("pairing codes", () => {
  it.each([
    ["/start 2345ABCD", "2345ABCD"],
    ["/start@the_bot 2345abcd", "2345ABCD"],
    [" 2345-abcd ", "2345ABCD"],
    ["/start", undefined],
    ["hello", undefined],
    ["2345-ABC", undefined],
    ["0O1I-LLLL", undefined],
    ["my code is 2345-ABCD", undefined],
  ])("reads %j as %j", (text, code) => expect(readPairingCode(text)).toBe(code));

  it("are made of what cannot be misread", () => {
    const ids = ["01oilzzz.0", "abcdefgh", "23456789"];
    expect(createPairingCode(() => ids.shift() ?? "")).toBe("ZZZABCDE");
  });

  it("compare as texts do", () => {
    expect([isSameCode("AB", "AB"), isSameCode("AB", "AC"), isSameCode("AB", "ABC"), isSameCode("", "A")]).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });
});
