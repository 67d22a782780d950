/**
 * 5,000 messages of 100 people at once, on each platform in turn: a daemon of its own with SQLite and the real client library, the platform
 * in this process. Accepted: until the platform has nothing left to offer. Answered: until every reply is there, beside the time that the
 * declared pace of the platform alone costs. Every answer is compared with what was said: once, and in order.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openPlatforms, type StormPlatform } from "../test/storm/platforms.ts";
import { clock, pause } from "./loop.ts";
import { openFolder, printTable, sized } from "./machine.ts";

const MESSAGES = sized(5_000, 300);
const PEOPLE = 100;
/** Milliseconds that the declared pace costs a message: over the connection, or in its chat. */
const PACE_MS: Readonly<Record<string, number>> = { telegram: 34, discord: 0, whatsapp: 13, slack: 1_000 / PEOPLE };
const GIVE_UP_MS = 600_000;

const folder = openFolder();
const main = fileURLToPath(new URL("../src/app/main.js", import.meta.url));

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

async function until(isThere: () => boolean | Promise<boolean>, what: string): Promise<number> {
  const startMs = performance.now();
  while (!(await isThere())) {
    if (performance.now() - startMs > GIVE_UP_MS) throw new Error(`${what}: not within ${GIVE_UP_MS} ms`);
    await pause(20);
  }
  return performance.now() - startMs;
}

function launch(platform: StormPlatform, port: number): ChildProcess {
  const cwd = join(folder, platform.name);
  mkdirSync(cwd);
  const { pollTimeoutS: _, ...options } = platform.options as { readonly pollTimeoutS?: number };
  const config = { channels: { [platform.name]: options, terminal: false, web: false }, limits: { inboxPerChat: MESSAGES } };
  writeFileSync(join(cwd, "satibot.config.json"), JSON.stringify(config));
  const env = { PATH: process.env.PATH, HOME: cwd, SATIBOT_PORT: String(port), SATIBOT_LOG_LEVEL: "warn" };
  return spawn(process.execPath, [main, "start"], { cwd, env, stdio: ["ignore", "ignore", "inherit"] });
}

interface System {
  readonly loopDelayMs: { readonly p50: number; readonly p99: number };
  readonly channels: readonly { readonly name: string; readonly state: string }[];
}

async function burst(platform: StormPlatform): Promise<readonly (string | number)[]> {
  const port = await freePort();
  const root = `http://127.0.0.1:${port}`;
  const child = launch(platform, port);
  const system = async (): Promise<System | undefined> => {
    try {
      return (await (await fetch(`${root}/api/system`)).json()) as System;
    } catch {
      // Not listening yet.
      return undefined;
    }
  };
  try {
    await until(
      async () => (await system())?.channels.some(({ name, state }) => name === platform.name && state === "online") ?? false,
      "online",
    );
    platform.attach(root);
    const said = Array.from({ length: PEOPLE }, (): string[] => []);
    const startMs = performance.now();
    for (let place = 0; place < MESSAGES; place += 1) {
      const person = place % PEOPLE;
      said[person]?.push(`m${place}`);
      platform.say(person, `m${place}`);
    }
    await until(() => platform.unconfirmed() === 0, `${platform.name} accepted`);
    const acceptedMs = performance.now() - startMs;
    await until(() => platform.sent() >= MESSAGES, `${platform.name} answered`);
    const answeredMs = performance.now() - startMs;
    // Nothing more may come.
    await pause(500);
    const wrong = said.filter((texts, person) => platform.shown(person).join() !== texts.map((text) => `You said: ${text}`).join()).length;
    const floorMs = MESSAGES * (PACE_MS[platform.name] ?? 0);
    const delay = (await system())?.loopDelayMs;
    return [
      platform.name,
      platform.name === "discord" ? "–" : `${(acceptedMs / 1_000).toFixed(1)} s`,
      `${(answeredMs / 1_000).toFixed(1)} s`,
      floorMs === 0 ? "–" : `${(answeredMs / floorMs).toFixed(2)} x`,
      Math.round(MESSAGES / (answeredMs / 1_000)),
      `${delay?.p50.toFixed(1)} / ${delay?.p99.toFixed(1)} ms`,
      wrong === 0 ? "once, in order" : `WRONG for ${wrong} people`,
    ];
  } finally {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await ended;
  }
}

const platforms = await openPlatforms(clock);
const rows: (readonly (string | number)[])[] = [];
for (const platform of platforms) {
  rows.push(await burst(platform));
  console.log(`${platform.name}: done`);
}
await Promise.all(platforms.map((platform) => platform.close()));
printTable(`${MESSAGES} messages of ${PEOPLE} people at once`, [
  ["platform", "accepted", "answered", "of its pace", "answers/s", "loop delay p50 / p99", "answers"],
  ...rows,
]);
if (rows.some((row) => String(row.at(-1)).startsWith("WRONG"))) process.exitCode = 1;
