/**
 * A full disk: what cannot be stored is refused with 503 and Retry-After, health says so, and once there is space everything that was
 * acknowledged is answered. On a small file system in memory where this user may mount one, and under a limit of file sizes everywhere.
 */
import { spawnSync } from "node:child_process";
import { appendFile, mkdir, rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { raw } from "../http/rig.ts";
import { openRig, until, type Daemon, type Rig } from "../e2e/rig.ts";
import { EXIT, expectAnswers, refused, told, logOf } from "./rig.ts";

const TEST_MS = 40_000;

let rig: Rig;
let disk: string;
beforeEach(async () => {
  rig = await openRig();
  disk = join(rig.dir, "disk");
  await mkdir(disk);
});
afterEach(async () => {
  // Lazily, since the daemon may still run in it; nothing happens where nothing was mounted.
  tool("umount", "-l", disk);
  await rig.close();
});

const STORE = { SATIBOT_STORE: "sqlite:disk/satibot.db" };

/** A program of the system that may be missing; status null then. */
const tool = (name: string, ...args: readonly string[]) => spawnSync(name, args, { encoding: "utf8" });

/** Why no file system can be mounted here; undefined when one was. */
function mount(megabytes: number): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "mounting a file system takes root on Linux";
  const { status, stderr } = tool("mount", "-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", disk);
  return status === 0 ? undefined : `no file system can be mounted here: ${stderr}`;
}

/** Takes all the space that is left. */
async function fill(): Promise<void> {
  const { bavail, bsize } = await statfs(disk);
  await writeFile(join(disk, "ballast"), Buffer.alloc(bavail * bsize)).catch(() => undefined);
  await appendFile(join(disk, "ballast"), Buffer.alloc(4_096)).catch(() => undefined);
}

interface Sent {
  readonly status: number;
  readonly text: string;
  readonly retryAfter: unknown;
  readonly message: string | undefined;
}

async function send(text: string): Promise<Sent> {
  const body = JSON.stringify({ text });
  const answer = await raw(rig, { method: "POST", path: "/api/chats/api:full/messages", body });
  const { error } = JSON.parse(answer.text) as { readonly error?: { readonly message: string } };
  return { status: answer.status, text, retryAfter: answer.headers["retry-after"], message: error?.message };
}

/** Sends until `count` messages in a row were refused; resolves to all of them. */
async function sendUntilRefused(count: number): Promise<readonly Sent[]> {
  const sent: Sent[] = [];
  for (let n = 0; n < 2_000 && !(sent.length >= count && sent.slice(-count).every(({ status }) => status === 503)); n += 1) {
    sent.push(await send(`${n} ${"x".repeat(20_000)}`));
  }
  return sent;
}

const healthz = async (): Promise<number> => (await raw(rig, { path: "/healthz" })).status;

/** The disk is full now: what is refused is refused properly, and nothing that was taken is lost once `giveSpace` has helped. */
async function expectToSurvive(daemon: Daemon, giveSpace: () => Promise<void>): Promise<void> {
  const sent = await sendUntilRefused(3);
  const notTaken = sent.filter(({ status }) => status !== 202);
  expect(notTaken.length).toBeGreaterThanOrEqual(3);
  for (const { status, retryAfter, message } of notTaken) {
    expect({ status, retryAfter, message }).toEqual({
      status: 503,
      retryAfter: expect.stringMatching(/^[1-9]\d*$/),
      message: expect.stringMatching(
        /^the store cannot commit now \(.+\); look at the disk's free space and health, satibot goes on by itself$/,
      ),
    });
  }
  // The last commit is young for ten seconds; only then does health try one.
  await until("health says so", async () => (await healthz()) === 503, 15_000);
  const { chats } = (await rig.api.system()) as { readonly chats: { readonly quarantined: number } };
  expect(chats.quarantined).toBe(0);
  // Told, but not over and over.
  expect(logOf(daemon).length).toBeLessThan(100);

  await giveSpace();
  await until("health is back", async () => (await healthz()) === 200, 10_000);
  await expectAnswers(rig);
  const isDone = async (): Promise<boolean> => (await rig.api.chat("api:full")).waiting === 0;
  if (notTaken.length < sent.length) await until("what was taken is answered", isDone, 10_000);
  const said = notTaken.length < sent.length ? (await rig.api.chat("api:full")).history.map((entry) => entry.text) : [];
  const taken = sent.filter(({ status }) => status === 202).map(({ text }) => text);
  // Only the newest of a conversation are shown.
  for (const text of taken.slice(-20))
    expect(said.filter((line) => line.startsWith(text.slice(0, 8)) || line === `You said: ${text}`)).toHaveLength(1);
}

it(
  "refuses what a full disk cannot take, and goes on once there is space",
  async ({ skip }) => {
    const why = mount(4);
    skip(why !== undefined, why);
    const daemon = rig.start(STORE);
    await daemon.ready();
    await expectAnswers(rig);
    await fill();
    await expectToSurvive(daemon, () => rm(join(disk, "ballast")));
    daemon.signal("SIGTERM");
    await daemon.endsWith(EXIT.ok);

    await fill();
    const failed = await rig.cli(["start"], STORE);
    expect(told(failed)).toEqual(
      refused(EXIT.failed, [/^satibot: the store .* cannot be opened.*(disk is full; free some space|disk's free space)/]),
    );
    await rm(join(disk, "ballast"));
    await rig.start(STORE).ready();
    await expectAnswers(rig);
  },
  TEST_MS,
);

it(
  "does the same where a limit of file sizes is met",
  async ({ skip }) => {
    skip(process.platform !== "linux" || tool("prlimit", "--version").status !== 0, "prlimit is needed");
    const daemon = rig.start(STORE);
    await daemon.ready();
    const limit = (bytes: string) => tool("prlimit", "--pid", String(daemon.pid), `--fsize=${bytes}:`);
    await expectAnswers(rig);
    expect(limit("1").status).toBe(0);
    await expectToSurvive(daemon, async () => void limit("unlimited"));
  },
  TEST_MS,
);
