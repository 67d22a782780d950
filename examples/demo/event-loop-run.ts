/** The play on the real runtime: three platforms, cron jobs and an administrator at once, on SQLite. */
import { join } from "node:path";
import { createGateway, type Gateway } from "satibot";
import { administer } from "./administrator.ts";
import { createModelAgent, NOVEL } from "./agent.ts";
import { pause } from "./clock.ts";
import { createMeter, type Measures, type Meter } from "./meter.ts";
import { openPlatforms } from "./platforms.ts";
import { READER } from "./cast.ts";
import type { Play } from "./play.ts";
import type { Screen } from "./screen.ts";
import { openStage } from "./stage.ts";
import { readFacts, type RuntimeFacts } from "./watch.ts";

export interface EventLoopResult {
  /** Undefined when the run was interrupted. */
  readonly measures: Measures | undefined;
  readonly answered: number;
  readonly cronTurns: number;
  readonly commands: number;
}

/** Between two questions to the runtime for the view. */
const LOOK_MS = 200;
/** Time for what runs when the gateway stops. */
const DRAIN = "2s";
/** A second is the shortest interval of a job; these three begin one after the other, so that some job is due three times a second. */
const JOBS = [
  { id: "digest", message: "Digest: 3 new articles." },
  { id: "weather", message: "Weather: 22 °C, no rain." },
  { id: "standup", message: "Stand-up in five minutes." },
] as const;
const JOB_GAP_MS = 333;

/** @param folder - holds the store; the caller removes it */
export async function runEventLoop(play: Play, folder: string, screen: Screen, signal: AbortSignal): Promise<EventLoopResult> {
  let cronTurns = 0;
  let commands = 0;
  let facts: RuntimeFacts = { states: {}, slots: { running: 0, slots: 16, waiting: 0 }, timers: 0, next: [], platforms: [] };
  const meter: Meter = createMeter(play.messages.length);
  const stage = openStage(screen, play, meter, ({ talk, commands: shown }) => ({
    ...facts,
    title: "async event loop: all chats at once",
    notice: signal.aborted ? "stopping: what runs is finished" : undefined,
    elapsedMs: meter.elapsedMs(),
    answered: meter.counts().answered,
    total: play.messages.length,
    talk,
    commands: shown,
  }));
  const platforms = openPlatforms(play, meter, { onWritten: stage.said, onDelivered: stage.delivered });
  const gateway = createGateway({
    agent: createModelAgent(play, {
      onBegin: meter.begun,
      onCron: () => {
        cronTurns += 1;
      },
    }),
    channels: platforms.channels,
    store: `sqlite:${join(folder, "demo.db")}`,
    http: false,
    limits: { drainTimeout: DRAIN },
  });

  const ended = new AbortController();
  try {
    await gateway.start();
    const isOver = AbortSignal.any([signal, ended.signal]);
    const look = async (): Promise<void> => {
      while (!isOver.aborted) {
        facts = await readFacts(gateway);
        await pause(LOOK_MS, isOver);
      }
    };
    const looking = look();
    meter.begin();
    stage.said(READER, NOVEL);
    platforms.write(READER, NOVEL);
    const performed = Promise.all([
      platforms.perform(signal),
      addJobs(gateway, play, signal),
      administer(gateway, play, { onCommand: stage.command }, signal).then(({ given }) => {
        commands = given;
      }),
    ]);
    await Promise.race([Promise.all([performed, meter.done]), aborted(signal), looking]);
    // Once interrupted, a command that was given is still answered before the gateway stops.
    await performed;
    ended.abort();
    await looking;
  } finally {
    ended.abort();
    await gateway.shutdown();
    stage.close();
  }
  const { answered } = meter.counts();
  return { measures: answered === play.messages.length ? meter.measures() : undefined, answered, cronTurns, commands };
}

async function addJobs(gateway: Gateway, play: Play, signal: AbortSignal): Promise<void> {
  await gateway.addCronJob({
    id: "reminder",
    message: "Reminder: call mum.",
    schedule: { at: Date.now() + play.windowMs / 2 },
    deliver: { chat: READER.chat },
  });
  for (const [place, { id, message }] of JOBS.entries()) {
    const person = play.people[place];
    await gateway.addCronJob({ id, message, schedule: { every: "1s" }, deliver: person && { chat: person.chat } });
    await pause(JOB_GAP_MS, signal);
    if (signal.aborted) return;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
