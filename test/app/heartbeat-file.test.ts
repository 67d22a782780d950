import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { heartbeatOf } from "../../src/app/heartbeat-file.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "satibot-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const read = (file: string) =>
  heartbeatOf({ file, everyMs: 60_000, activeHours: undefined, deliverTo: [], history: 1, timeoutMs: undefined }).instructions();

it("reads an ordinary file anew each time, and nothing where there is none", async () => {
  const file = join(folder, "HEARTBEAT.md");
  await expect(read(file)).resolves.toBeUndefined();
  await writeFile(file, "- look at the mail");
  await expect(read(file)).resolves.toBe("- look at the mail");
  await writeFile(file, "x".repeat(1_000_000));
  expect((await read(file))?.length).toBe(256 * 1024);
});

it("waits for nobody where a folder or a pipe stands in its place", async () => {
  const pipe = join(folder, "HEARTBEAT.md");
  execFileSync("mkfifo", [pipe]);
  for (const file of [folder, pipe]) await expect(read(file)).rejects.toMatchObject({ code: "CONFIG_INVALID" });
});
