import { describe, expect, it } from "vitest";
import { textOf } from "../../src/core/content.ts";
import { openRuntime } from "./rig.ts";

const HOUR_MS = 3_600_000;

async function openWithDeadLetter() {
  const rig = await openRuntime();
  rig.platform.script({ kind: "refused" });
  rig.post("hi", "u1");
  await rig.clock.advance(1_000);
  const { items } = await rig.settled(rig.loop.outbox.list({ status: "dead" }, { limit: 10 }));
  return { ...rig, dead: items[0]!, taken: () => rig.platform.taken().map((part) => textOf(part.content)) };
}

describe("outbox control", () => {
  it("sends a dead letter again, once", async () => {
    const { loop, settled, clock, dead, taken } = await openWithDeadLetter();
    expect(taken()).toEqual([]);
    expect(await settled(loop.outbox.retry(dead.id))).toMatchObject({ id: dead.id, status: "waiting" });
    await clock.advance(1_000);
    expect(taken()).toEqual(["re hi"]);
    await expect(settled(loop.outbox.retry(dead.id))).rejects.toMatchObject({
      code: "WRONG_STATE",
      message: expect.stringContaining("is sent"),
    });
  });

  it("removes a reply that holds up the later ones of its chat", async () => {
    const { loop, settled, clock, platform, post } = await openRuntime();
    platform.script({ kind: "unavailable", retryAfterMs: 5 * HOUR_MS });
    post("stuck", "u1");
    await clock.advance(1_000);
    post("behind", "u2");
    await clock.advance(1_000);
    const { items } = await settled(loop.outbox.list({ status: "waiting", chat: "sim:1" }, { limit: 10 }));
    expect(items.map((part) => textOf(part.content))).toEqual(["re stuck", "re behind"]);
    await settled(loop.outbox.purge(items[0]?.id ?? ""));
    // The platform wants to be left alone there for as long as it said, whatever is sent.
    await clock.advance(4 * HOUR_MS);
    expect(platform.taken()).toEqual([]);
    await clock.advance(2 * HOUR_MS);
    expect(platform.taken().map((part) => textOf(part.content))).toEqual(["re behind"]);
  });

  it("lists the replies that may have arrived twice", async () => {
    const { loop, settled, clock, platform, post } = await openRuntime();
    platform.script({ kind: "ambiguous", taken: true });
    post("hi", "u1");
    await clock.advance(60_000);
    expect((await settled(loop.outbox.list({ status: "ambiguous" }, { limit: 10 }))).items).toMatchObject([
      { ambiguous: true, status: "sent" },
    ]);
  });

  it.each(["999999", "0", "seven", "-1", ""])("knows no reply called %j", async (id) => {
    const { loop } = await openWithDeadLetter();
    await expect(loop.outbox.retry(id)).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(loop.outbox.purge(id)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});
