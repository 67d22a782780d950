import { describe, expect, it } from "vitest";
import { detail, run } from "./cli-rig.ts";

const [sent, dead] = detail.outbox;

describe("outbox", () => {
  it("lists what waits, or a status, on any width", async () => {
    const outbox = () => Promise.resolve({ items: [dead!], next: null });
    const ran = await run(["outbox", "list", "--status", "dead"], { api: { outbox }, columns: 60 });
    expect(ran.out).toMatch(/8 +api:ann +2 of 2 +dead/);
    expect(Math.max(...ran.out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(60);
    expect(ran.calls).toContainEqual(["outbox", { status: "dead", chat: undefined, limit: 100, cursor: undefined }]);
    const none = await run(["outbox", "list"], { api: { outbox: () => Promise.resolve({ items: [], next: null }) } });
    expect(none.out).toBe("No reply waits. See also --status dead.");
  });

  it("sends again, and removes only when that is meant", async () => {
    const api = { retryPart: () => Promise.resolve(sent!), purgePart: (id: string) => Promise.resolve({ id }) };
    expect((await run(["outbox", "retry", "7"], { api })).out).toBe("Reply 7 to api:ann is on its way again.");
    expect(await run(["outbox", "purge", "7"], { api })).toMatchObject({ code: 64, err: expect.stringContaining("--yes") });
    expect((await run(["outbox", "purge", "7", "--yes"], { api })).out).toBe("Reply 7 is removed.");
  });
});
