/**
 * `npm run demo`: what the event loop does, and what it is worth.
 *
 *   1. People on (simulated) Telegram, Discord and WhatsApp write at once to an agent that takes its time, while cron jobs fire and an
 *      administrator looks in, sends, and stops a turn: `createGateway` with SQLite in a temporary folder.
 *   2. The same messages, at the same times, through a gateway that does one thing after another.
 *   3. A table of both, measured.
 *
 * `--quick`, `--chats`, `--messages`, `--seed`, `--help`; Ctrl-C ends it cleanly. The parts are in `demo/`.
 */
import { setMaxListeners } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { viewComparison, viewFairness } from "./demo/comparison.ts";
import { runEventLoop } from "./demo/event-loop-run.ts";
import { readCommandLine, type DemoOptions } from "./demo/options.ts";
import { writePlay } from "./demo/play.ts";
import { createScreen } from "./demo/screen.ts";
import { runSynchronously } from "./demo/synchronous-run.ts";
import { seconds } from "./demo/view.ts";

const EXIT_USAGE = 64;
/** Ctrl-C, the end of a service, and a terminal that is closed. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const EXIT_INTERRUPTED = 130;
const LISTENERS_MAX = 50;
const NEXT = [
  ["npm start", "talk to a bot of your own"],
  ["npx satibot status", "how it is, while it runs"],
  ["docs/architecture.md", "how it works inside"],
] as const;

const commandLine = readCommandLine(process.argv.slice(2));
if ("options" in commandLine) {
  await run(commandLine.options);
} else if (commandLine.isMistake) {
  process.stderr.write(commandLine.usage);
  process.exitCode = EXIT_USAGE;
} else {
  process.stdout.write(commandLine.usage);
}

async function run(options: DemoOptions): Promise<void> {
  try {
    await runIn(mkdtempSync(join(tmpdir(), "satibot-demo-")), options);
  } catch (error) {
    process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}

/** The folder is gone however this ends. */
async function runIn(folder: string, options: DemoOptions): Promise<void> {
  const stop = new AbortController();
  // Whoever waits for something in the play listens.
  setMaxListeners(LISTENERS_MAX, stop.signal);
  const interrupt = (): void => {
    // The second time somebody cannot wait.
    if (stop.signal.aborted) process.exit(EXIT_INTERRUPTED);
    stop.abort();
  };
  for (const name of SIGNALS) process.on(name, interrupt);
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  // Whoever reads a pipe may leave before the end: there is nobody left to show anything to.
  process.stdout.on("error", () => stop.abort());
  try {
    await perform(options, folder, stop.signal);
  } finally {
    for (const name of SIGNALS) process.off(name, interrupt);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function perform(options: DemoOptions, folder: string, signal: AbortSignal): Promise<void> {
  const screen = createScreen(process.stdout, process.env);
  const play = writePlay(options);
  const total = play.messages.length;
  screen.print(
    ["bold", "satibot demo"],
    `: ${total} ${total === 1 ? "message" : "messages"}, ${play.people.length} chats, seed ${options.seed}`,
  );

  const eventLoop = await runEventLoop(play, folder, screen, signal);
  if (eventLoop.measures === undefined) {
    screen.print(`Stopped: ${eventLoop.answered} of ${total} answered; the gateway has drained, its store is removed.`);
    return;
  }
  screen.print(["green", "✓"], ` async event loop: ${total} of ${total} answered in ${seconds(eventLoop.measures.elapsedMs)}`);

  const synchronous = await runSynchronously(play, screen, signal);
  if (synchronous === undefined) {
    screen.print("Stopped in the synchronous run: there is nothing to compare with.");
    return;
  }
  screen.print(["green", "✓"], ` synchronous gateway: ${total} of ${total} answered in ${seconds(synchronous.elapsedMs)}`);

  screen.print();
  for (const line of viewComparison(synchronous, eventLoop.measures, screen.columns())) screen.print(...line);
  screen.print();
  for (const line of viewFairness({ ...eventLoop, seed: options.seed }, screen.columns())) screen.print(["dim", line]);
  screen.print();
  for (const [what, why] of NEXT) screen.print(["bold", what.padEnd(22)], why);
}
