import { describe, expect, it } from "vitest";
import type { WirePairing, WirePairingCode } from "../../../src/http/wire.ts";
import { NOW, run } from "./cli-rig.ts";

const closed: WirePairing = { channel: "telegram", allow: null, people: [], requests: [], codeExpiresAt: NOW + 60_000 };
const code: WirePairingCode = {
  channel: "telegram",
  code: "2345-ABCD",
  account: "@the_bot",
  url: "https://t.me/the_bot?start=2345ABCD",
  expiresAt: NOW + 3_600_000,
};
const pages = (...items: readonly WirePairing[]) => ({ pairing: () => Promise.resolve({ items, next: null }) });

describe("pair", () => {
  it("lists who may write, who asks, and what to do, with names made harmless", async () => {
    const people = [{ id: "7", name: "Ann\u001b[31m", role: "owner", since: NOW - 60_000 }];
    const requests = [{ id: "666", name: "Eve", lastAt: NOW - 1_000, count: 2 }];
    const { out } = await run(["pair", "list"], { api: pages({ ...closed, people, requests }), columns: 80 });
    expect(out).toMatch(/telegram +7 +Ann \[31m +owner/);
    expect(out).toMatch(/telegram +666 +Eve +asks/);
    expect(out).toContain("`satibot pair approve CHANNEL ID` lets somebody in.");
    expect(out).not.toContain("\u001b");
  });

  it("says what an empty list means", async () => {
    expect((await run(["pair", "list"], { api: pages() })).out).toContain("TELEGRAM_BOT_TOKEN");
    expect((await run(["pair", "list"], { api: pages(closed) })).out).toContain("satibot pair code telegram");
    expect((await run(["pair", "list"], { api: pages({ ...closed, allow: ["*"] }) })).out).toMatch(/\* +everybody +allow list/);
  });

  it("prints a code with its link, and as a picture where there is room", async () => {
    const api = { ...pages(closed), pairingCode: () => Promise.resolve(code) };
    const wide = await run(["pair", "code"], { api, columns: 80 });
    expect(wide.out).toContain(code.url);
    expect(wide.out).toContain("2345-ABCD");
    expect(wide.out).toContain("▀");
    expect(Math.max(...wide.out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(110);
    for (const columns of [undefined, 30]) expect((await run(["pair", "code"], { api, columns })).out).not.toContain("▀");
  });

  it("asks which channel a code is for when there are several", async () => {
    const ran = await run(["pair", "code"], { api: pages(closed, { ...closed, channel: "telegram-2" }) });
    expect(ran).toMatchObject({ code: 64, err: expect.stringContaining("telegram, telegram-2") });
  });
});
