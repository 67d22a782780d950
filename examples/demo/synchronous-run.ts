/** The same play through the synchronous gateway. */
import { createModelAgent } from "./agent.ts";
import { createMeter, type Measures } from "./meter.ts";
import { openPlatforms } from "./platforms.ts";
import { PLATFORMS } from "./cast.ts";
import type { Play } from "./play.ts";
import type { Screen } from "./screen.ts";
import { openStage } from "./stage.ts";
import { runSynchronousGateway } from "./synchronous-gateway.ts";

/** Undefined when `signal` was aborted before every message was answered. */
export async function runSynchronously(play: Play, screen: Screen, signal: AbortSignal): Promise<Measures | undefined> {
  const total = play.messages.length;
  const meter = createMeter(total);
  const stage = openStage(screen, play, meter, ({ talk }) => {
    const { arrived, begun, answered } = meter.counts();
    return {
      title: "synchronous gateway: the same messages, one by one",
      notice: signal.aborted ? "stopping" : undefined,
      elapsedMs: meter.elapsedMs(),
      answered,
      total,
      states: undefined,
      slots: { running: begun - answered, slots: 1, waiting: arrived - begun },
      timers: undefined,
      next: undefined,
      platforms: PLATFORMS.map(({ name }) => {
        const counts = meter.platform(name);
        return { name, ...counts, waiting: counts.received - counts.sent };
      }),
      talk,
      commands: undefined,
    };
  });
  const platforms = openPlatforms(play, meter, { onWritten: stage.said, onDelivered: stage.delivered });
  const agent = createModelAgent(play, { onBegin: meter.begun, onCron: () => undefined });
  const ended = new AbortController();
  try {
    const isOver = AbortSignal.any([signal, ended.signal]);
    meter.begin();
    const gateway = runSynchronousGateway(platforms.channels, agent, isOver);
    void meter.done.then(() => ended.abort());
    await Promise.all([platforms.perform(isOver), gateway]);
  } finally {
    stage.close();
  }
  return meter.counts().answered === total ? meter.measures() : undefined;
}
