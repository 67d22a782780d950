import { expect, it } from "vitest";
import { createMemoryStore } from "../../src/stores/memory/store.ts";
import { createFakePlatform } from "../../src/testing/fake-channel.ts";
import { openGate } from "./gate-rig.ts";

const GUEST = { allow: ["*"], admins: ["1"] };
const idIn = (text: string | undefined): string => /`(\d+-[0-9a-f]{10})`/.exec(text ?? "")?.[1] ?? "none";

it("a job that was added in a chat answers there, until it is removed there", async () => {
  const { write, heard, clock, loop } = await openGate({ access: GUEST });
  await write("/cron add every 2m | drink water", "5", { group: "room" });
  const id = idIn(heard("room")[0]);
  expect(heard("room")[0]).toMatch(/^Added `.*` every 2 min: `drink water`, next /);
  expect(await loop.job(id)).toMatchObject({ origin: "chat", owner: "sim:room", status: "active" });
  await clock.advance(5 * 60_000);
  expect(heard("room").slice(1)).toEqual(["re drink water", "re drink water"]);
  await write(`/cron remove ${id}`, "6", { group: "room" });
  await write(`/cron pause ${id}`, "1", { group: "room" });
  await clock.advance(10 * 60_000);
  await write("/cron", "5", { group: "room" });
  expect(heard("room").slice(3)).toEqual([
    expect.stringContaining("Only an administrator, or who added it"),
    expect.stringMatching(/^Paused/),
    `\`${id}\` every 2 min: \`drink water\`, paused`,
  ]);
  await write(`/cron resume ${id}`, "5", { group: "room" });
  await write(`/cron remove ${id}`, "5", { group: "room" });
  await write("/cron", "5", { group: "room" });
  expect(heard("room").slice(6)).toEqual([
    expect.stringMatching(/^Resumed .*, next /),
    expect.stringMatching(/^Removed/),
    expect.stringMatching(/^This chat has no jobs/),
  ]);
});

it("a job of another origin that is delivered here is listed", async () => {
  const { write, heard, loop, settled } = await openGate({ access: GUEST });
  await settled(loop.addCronJob({ id: "report", message: "report", schedule: { every: "1h" }, deliver: { chat: "sim:5" } }));
  await write("/cron", "5");
  await write("/cron remove report", "5");
  await write("/cron", "6");
  expect(heard("5")[0]).toMatch(/^`report` every 1 h: `report`, next /);
  expect(heard("5")[1]).toContain("Only an administrator");
  expect(heard("6")[0]).toContain("This chat has no jobs");
});

it("a chat has a limited number of jobs, and says so", async () => {
  const { write, heard } = await openGate({ access: GUEST, limits: { jobsPerChat: 2 } });
  for (let count = 0; count < 3; count += 1) await write("/cron add every 1h | hi", "5");
  expect(heard("5")[2]).toMatch(/^sim:5 has 2 cron jobs .*remove one first\.$/);
  await write("/cron add every 1h | hi", "6");
  expect(heard("6")[0]).toMatch(/^Added/);
});

it("a crash between the job and the command's commit leaves one job, confirmed once", async () => {
  const platform = createFakePlatform();
  const store = createMemoryStore();
  const before = await openGate({
    platform,
    store,
    access: GUEST,
    behind: (whole) => ({ ...whole, chats: { ...whole.chats, command: () => new Promise(() => undefined) } }),
  });
  await before.write("/cron add every 1h | hi", "5", { update: "1" });
  expect(before.heard("5")).toEqual([]);
  expect((await store.jobs.list({ limit: 10 })).items).toHaveLength(1);
  const after = await openGate({ platform, store, access: GUEST });
  await after.clock.advance(10_000);
  expect(after.heard("5")).toEqual([expect.stringMatching(/^Added/)]);
  const { items } = await store.jobs.list({ limit: 10 });
  expect(items.map(({ id }) => id)).toEqual([idIn(after.heard("5")[0])]);
});
