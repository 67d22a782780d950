/** What the view shows of the real runtime: asked for a few times a second by the calls that `satibot status` and `chats list` make. */
import type { Gateway } from "satibot";
import type { Frame, PlatformFrame } from "./view.ts";
import { PLATFORMS } from "./cast.ts";

export type RuntimeFacts = Pick<Frame, "states" | "slots" | "timers" | "next" | "platforms">;

/** More chats than this are counted in the first of them only. */
const CHATS_MAX = 1_000;

/** @throws what the gateway throws, such as TransientError once its store is closed */
export async function readFacts(gateway: Gateway): Promise<RuntimeFacts> {
  const [status, chats, jobs] = await Promise.all([gateway.status(), gateway.chats({}, { limit: CHATS_MAX }), gateway.jobs()]);
  const states: Record<string, number> = { idle: 0, queued: 0, responding: 0, committing: 0 };
  const waiting = new Map<string, number>();
  for (const chat of chats.items) {
    states[chat.state] = (states[chat.state] ?? 0) + 1;
    waiting.set(chat.channel, (waiting.get(chat.channel) ?? 0) + chat.waiting);
  }
  const nowMs = Date.now();
  const next = jobs.items
    .filter((job) => job.nextAtMs !== undefined)
    .map(({ id, nextAtMs }) => ({ name: id, inMs: (nextAtMs ?? 0) - nowMs }))
    .sort((a, b) => a.inMs - b.inMs);
  return {
    states,
    slots: status.queue,
    timers: status.timers,
    next,
    platforms: PLATFORMS.map(({ name }): PlatformFrame => {
      const counters = status.channels.find((channel) => channel.name === name)?.counters;
      return {
        name,
        received: counters?.received ?? 0,
        sent: counters?.sent ?? 0,
        refused: counters?.failed ?? 0,
        waiting: waiting.get(name) ?? 0,
      };
    }),
  };
}
