/** Stores that cannot be opened: refused with 78 and one line, and left byte for byte as they were. */
import { spawnSync } from "node:child_process";
import { chmod, copyFile, mkdir, open, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { openDatabase } from "../../src/stores/sqlite/driver.ts";
import { MIGRATIONS } from "../../src/stores/sqlite/migrations.ts";
import { freePort, openRig, type Rig } from "../e2e/rig.ts";
import { buildPackage } from "../e2e/package-build.ts";
import { EXIT, complaints, contentsOf, expectAnswers, refused, told } from "./rig.ts";

/** The user that owns nothing. */
const NOBODY = 65_534;

let rig: Rig;
/** A store that a daemon has used and left. */
let used: string;
let folder: string;
let file: string;
beforeAll(async () => {
  rig = await openRig();
  const daemon = rig.start();
  await daemon.ready();
  await expectAnswers(rig);
  daemon.signal("SIGTERM");
  await daemon.endsWith(0);
  used = join(rig.dir, "used.db");
  await copyFile(join(rig.dir, "data/satibot.db"), used);
});
afterAll(() => rig.close());
beforeEach(async () => {
  folder = join(rig.dir, "store");
  file = join(folder, "satibot.db");
  await mkdir(folder);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const start = (store = "sqlite:store/satibot.db") => rig.cli(["start"], { SATIBOT_STORE: store });
const DAMAGED =
  "it is damaged or no SQLite database; put a backup in its place, or move it (with its -wal and -shm files) away to start empty";

/** Changes a copy of the used store by SQL. */
async function change(sql: string): Promise<void> {
  const db = await openDatabase(file);
  db.exec(sql);
  db.close();
}

it.each<[string, () => Promise<void>, (file: string) => string]>([
  [
    "written by a newer version",
    async () => {
      await copyFile(used, file);
      await change("PRAGMA user_version = 99");
    },
    () =>
      `the store has schema 99 and this satibot knows up to ${MIGRATIONS.length}; install the newer satibot that wrote it, or name another file`,
  ],
  ["of another program", () => change("CREATE TABLE notes (text)"), () => "the store is a database of another program; name another file"],
  [
    "that is a text file",
    () => writeFile(file, "Dear diary,\n".repeat(100)),
    (path) => `the store ${path} cannot be opened (file is not a database): ${DAMAGED}`,
  ],
  [
    "that is garbage",
    () => writeFile(file, Buffer.from(Array.from({ length: 20_000 }, (_, place) => (place * 7_919) % 251))),
    (path) => `the store ${path} cannot be opened (file is not a database): ${DAMAGED}`,
  ],
  [
    "that was cut off",
    async () => {
      await copyFile(used, file);
      await truncate(file, 20_000);
    },
    (path) => `the store ${path} cannot be opened (database disk image is malformed): ${DAMAGED}`,
  ],
])("refuses a store %s, and leaves it as it is", async (_what, make, message) => {
  await make();
  const { "satibot.db": before } = await contentsOf(folder);
  expect(told(await start())).toEqual(refused(EXIT.config, [`satibot: ${message(file)}`]));
  const after = await contentsOf(folder);
  expect(after["satibot.db"]).toBe(before);
  expect(Object.keys(after).filter((name) => !name.endsWith(".lock"))).toEqual(["satibot.db"]);
  // Reading it is refused in the same words.
  const read = await rig.cli(["chats", "list"], { SATIBOT_STORE: "sqlite:store/satibot.db" });
  expect(told(read)).toEqual(refused(EXIT.config, [`satibot: ${message(file)}`]));
});

it("refuses a folder in place of the store, and a file in place of its folder", async () => {
  await mkdir(file);
  expect(told(await start())).toEqual(refused(EXIT.config, [`satibot: the store ${file} is a folder; name a file in it`]));
  await writeFile(join(folder, "data"), "");
  expect(told(await start("sqlite:store/data/satibot.db"))).toEqual(
    refused(EXIT.config, [
      `satibot: the store ${join(folder, "data/satibot.db")} cannot be made, because ${join(folder, "data")} or what holds it is a file and no folder; move that away, or name another place`,
    ]),
  );
});

it("refuses a path where no folder can be, at once", async ({ skip }) => {
  skip(process.platform !== "linux", "/proc is needed");
  expect(told(await start("sqlite:/proc/nowhere/satibot.db"))).toEqual(
    refused(EXIT.config, [
      "satibot: the store /proc/nowhere/satibot.db cannot be opened (ENOENT); check that its folder can exist, and the disk's free space and health",
    ]),
  );
});

it.each([
  ["where it would make its store", false],
  ["with a store that it may only read", true],
])("refuses a read-only folder %s", async (_what, isThere) => {
  if (isThere) await copyFile(used, file);
  if (isThere) await chmod(file, 0o444);
  await chmod(folder, 0o555);
  const before = await contentsOf(folder);
  const { main } = await buildPackage();
  // Permissions do not bind root, who therefore becomes nobody; the rest of the way must be open to that one.
  const isRoot = process.getuid?.() === 0;
  await chmod(rig.dir, 0o755);
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, "start"], {
    cwd: rig.dir,
    env: { PATH: process.env.PATH, SATIBOT_PORT: String(rig.port), SATIBOT_STORE: "sqlite:store/satibot.db" },
    encoding: "utf8",
    timeout: 10_000,
    ...(isRoot ? { uid: NOBODY, gid: NOBODY } : {}),
  });
  expect(told({ code: status ?? -1, stdout, stderr })).toEqual(
    refused(EXIT.config, [
      `satibot: the store ${file} cannot be opened (EACCES); let this user write it and its folder, or name another place`,
    ]),
  );
  await chmod(folder, 0o755);
  expect(await contentsOf(folder)).toEqual(before);
});

it("refuses a second daemon on the same file and says which process has it, and the first goes on", async () => {
  const env = { SATIBOT_STORE: "sqlite:store/satibot.db" };
  const first = rig.start(env);
  await first.ready();
  const second = rig.start({ ...env, SATIBOT_PORT: String(await freePort()) });
  await second.endsWith(EXIT.config);
  const owner = process.platform === "linux" ? `process ${first.pid}` : "that one";
  expect(complaints(second.output())).toEqual([
    `satibot: the store ${file} belongs to another running satibot; stop ${owner}, or name another store`,
  ]);
  await expectAnswers(rig);
  await first.kill();
});

it("ends, and says what to do, for a store that is damaged inside", async () => {
  await copyFile(used, file);
  const damaged = await open(file, "r+");
  await damaged.write(Buffer.alloc(60_000, 0xa5), 0, undefined, 4_096);
  await damaged.close();
  const { code, stdout, stderr } = await start();
  expect(code).toBe(EXIT.failed);
  expect(stdout + stderr).toContain("the store is damaged (database disk image is malformed); stop satibot and put a backup in its place");
});
