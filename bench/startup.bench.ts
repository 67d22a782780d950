/**
 * Cold start of the daemon, in a folder and with a store of its own, to its first reply over HTTP and over Telegram (the strict test server
 * of src/testing), and what it holds in memory then; beside an echo bot of bare grammY on the same server, and an empty Node process.
 */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openTelegramServer, type TelegramServer } from "../src/testing/telegram-server.ts";
import { clock, pause } from "./loop.ts";
import { openFolder, printTable, sized, spread } from "./machine.ts";

const ROUNDS = sized(5, 3);
const GIVE_UP_MS = 20_000;
const LOOK_EVERY_MS = 5;
/** After the first reply, before memory is read. */
const SETTLE_MS = sized(700, 300);

const folder = openFolder();
const main = fileURLToPath(new URL("../src/app/main.js", import.meta.url));
const peer = fileURLToPath(new URL("grammy-peer.js", import.meta.url));
let homes = 0;

interface Start {
  readonly httpMs: number;
  readonly telegramMs: number;
  readonly residentMb: number;
}

type Environment = Readonly<Record<string, string>>;

function launch(script: string, args: readonly string[], env: Environment, config: object = {}): ChildProcess {
  const cwd = join(folder, `home${(homes += 1)}`);
  mkdirSync(cwd);
  writeFileSync(join(cwd, "satibot.config.json"), JSON.stringify(config));
  return spawn(process.execPath, [script, ...args], {
    cwd,
    env: { PATH: process.env.PATH, HOME: cwd, ...env },
    stdio: ["ignore", "ignore", "inherit"],
  });
}

async function end(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once("exit", resolve));
  if (child.exitCode !== null) return;
  child.kill("SIGTERM");
  await ended;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/** Milliseconds from `startMs` until the condition holds. */
async function timeUntil(startMs: number, isThere: () => boolean | Promise<boolean>): Promise<number> {
  while (!(await isThere())) {
    if (performance.now() - startMs > GIVE_UP_MS) throw new Error(`nothing happened within ${GIVE_UP_MS} ms of the start`);
    await pause(LOOK_EVERY_MS);
  }
  return performance.now() - startMs;
}

/** A message by HTTP as soon as it is taken, and then the reply in the chat's history. */
function httpReply(port: number): () => Promise<boolean> {
  const chat = `http://127.0.0.1:${port}/api/chats/${encodeURIComponent("api:bench")}`;
  let isSent = false;
  return async () => {
    try {
      if (!isSent) {
        const answer = await fetch(`${chat}/messages`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ text: "hello" }),
        });
        await answer.text();
        isSent = answer.status === 202;
        return false;
      }
      const answer = await fetch(chat);
      const detail = (await answer.json()) as { readonly history?: readonly { readonly role: string }[] };
      return detail.history?.some(({ role }) => role === "assistant") ?? false;
    } catch {
      // Not listening yet.
      return false;
    }
  };
}

/** Resident megabytes (10^6 bytes). */
function residentMb(child: ChildProcess): number {
  return (Number(execFileSync("ps", ["-o", "rss=", "-p", String(child.pid)], { encoding: "utf8" })) * 1_024) / 1e6;
}

async function startDaemon(telegram: TelegramServer | undefined): Promise<Start> {
  const port = await freePort();
  telegram?.say("hello");
  const startMs = performance.now();
  const child = launch(
    main,
    ["start"],
    {
      SATIBOT_PORT: String(port),
      SATIBOT_LOG_LEVEL: "warn",
      ...(telegram && { TELEGRAM_BOT_TOKEN: telegram.token, SATIBOT_ALLOW: "*" }),
    },
    telegram && { channels: { telegram: { apiRoot: telegram.apiRoot } } },
  );
  try {
    const [httpMs, telegramMs] = await Promise.all([
      timeUntil(startMs, httpReply(port)),
      telegram ? timeUntil(startMs, () => telegram.sends().length > 0) : Number.NaN,
    ]);
    await pause(SETTLE_MS);
    return { httpMs, telegramMs, residentMb: residentMb(child) };
  } finally {
    await end(child);
  }
}

async function startPeer(telegram: TelegramServer): Promise<Start> {
  telegram.say("hello");
  const startMs = performance.now();
  const child = launch(peer, [], { BENCH_TOKEN: telegram.token, BENCH_API_ROOT: telegram.apiRoot });
  try {
    const telegramMs = await timeUntil(startMs, () => telegram.sends().length > 0);
    await pause(SETTLE_MS);
    return { httpMs: Number.NaN, telegramMs, residentMb: residentMb(child) };
  } finally {
    await end(child);
  }
}

/** Node itself: until its first line of code has run. */
async function startNode(): Promise<Start> {
  const startMs = performance.now();
  const child = spawn(process.execPath, ["-e", "process.stdout.write('x'); setInterval(() => 0, 1000)"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const httpMs = await new Promise<number>((resolve) => child.stdout.once("data", () => resolve(performance.now() - startMs)));
  await pause(SETTLE_MS);
  const result = { httpMs, telegramMs: Number.NaN, residentMb: residentMb(child) };
  await end(child);
  return result;
}

async function withTelegram<T>(act: (telegram: TelegramServer) => Promise<T>): Promise<T> {
  const telegram = await openTelegramServer({ clock });
  try {
    return await act(telegram);
  } finally {
    await telegram.close();
  }
}

const VARIANTS: readonly (readonly [name: string, start: () => Promise<Start>])[] = [
  ["satibot", () => startDaemon(undefined)],
  ["satibot with Telegram", () => withTelegram(startDaemon)],
  ["bare grammY echo bot", () => withTelegram(startPeer)],
  ["empty Node process (first line of code)", startNode],
];
const starts = VARIANTS.map((): Start[] => []);
// The files are read once before, so that every variant finds them in the page cache.
await withTelegram(startDaemon);
for (let round = 0; round < ROUNDS; round += 1) {
  for (const [place, [, start]] of VARIANTS.entries()) starts[place]!.push(await start());
}
printTable(`start of a process; median (lowest–highest) of ${ROUNDS}`, [
  ["", "to first reply by HTTP, ms", "to first reply on Telegram, ms", "resident, MB"],
  ...VARIANTS.map(([name], place) => {
    const one = starts[place]!;
    return [
      name,
      ...[one.map(({ httpMs }) => httpMs), one.map(({ telegramMs }) => telegramMs), one.map(({ residentMb: mb }) => mb)].map((values) =>
        spread(values),
      ),
    ];
  }),
  ["aim", "≤ 1,500", "≤ 1,500", "≤ 120"],
]);
