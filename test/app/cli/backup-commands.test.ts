import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openDatabase } from "../../../src/stores/sqlite/driver.ts";
import { migrate } from "../../../src/stores/sqlite/schema.ts";
import { run } from "./cli-rig.ts";

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "satibot-backup-cli-"));
});
afterEach(() => rmSync(cwd, { recursive: true, force: true }));

const SATIBOT_STORE = "sqlite:./bot.db";

async function makeStore(): Promise<void> {
  const db = await openDatabase(join(cwd, "bot.db"));
  migrate(db);
  db.close();
}

describe("backup and restore", () => {
  it("copies the store of the configuration, and puts it back", async () => {
    await makeStore();
    const options = { cwd, env: { SATIBOT_STORE } };
    expect(await run(["backup", "a.db"], options)).toMatchObject({ code: 0, out: expect.stringContaining("a.db") });
    expect(await run(["backup", "a.db"], options)).toMatchObject({ code: 1, err: expect.stringContaining("nothing is overwritten") });
    expect(await run(["restore", "a.db"], options)).toMatchObject({ code: 1, err: expect.stringContaining("--replace") });
    const restored = await run(["restore", "a.db", "--replace"], options);
    expect(restored).toMatchObject({ code: 0, out: expect.stringContaining("bot.db.before-") });
  });

  it("says what is missing, and refuses what is no backup with 78", async () => {
    const options = { cwd, env: { SATIBOT_STORE } };
    expect(await run(["backup", "a.db"], options)).toMatchObject({ code: 1, err: expect.stringContaining("no store at") });
    expect(await run(["restore", "a.db"], options)).toMatchObject({ code: 1, err: expect.stringContaining("no backup at") });
    writeFileSync(join(cwd, "a.db"), "hello");
    expect(await run(["restore", "a.db"], options)).toMatchObject({ code: 78, err: expect.stringContaining("a.db") });
    expect(await run(["backup", "b.db"], { cwd, env: { SATIBOT_STORE: "memory:" } })).toMatchObject({ code: 1 });
  });
});
