import type { Clock } from "../../ports/clock.ts";

/** Limits on sends and edits, such as Telegram names. Absent ones do not limit. @see https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this */
export interface TelegramRates {
  readonly botPerS?: number;
  readonly chatPerS?: number;
  readonly groupPerMinute?: number;
}

/** Gives the seconds that a call to this chat must wait; undefined when it may pass, and is counted. */
export function createRates(clock: Clock, rates: TelegramRates): (chatId: number) => number | undefined {
  const passed = new Map<string, number[]>();
  const measures = (chatId: number): { readonly place: string; readonly count: number; readonly perMs: number }[] =>
    [
      { place: "bot", count: rates.botPerS, perMs: 1_000 },
      { place: `chat ${chatId}`, count: rates.chatPerS, perMs: 1_000 },
      { place: `group ${chatId}`, count: chatId < 0 ? rates.groupPerMinute : undefined, perMs: 60_000 },
    ].flatMap(({ count, ...rest }) => (count === undefined ? [] : [{ ...rest, count }]));
  return (chatId) => {
    const nowMs = clock.monotonic();
    const limits = measures(chatId);
    let waitMs = 0;
    for (const { place, count, perMs } of limits) {
      const recent = (passed.get(place) ?? []).filter((atMs) => atMs > nowMs - perMs);
      passed.set(place, recent);
      const first = recent.at(-count);
      if (first !== undefined) waitMs = Math.max(waitMs, first + perMs - nowMs);
    }
    if (waitMs > 0) return Math.max(1, Math.ceil(waitMs / 1_000));
    for (const { place } of limits) passed.get(place)?.push(nowMs);
    return undefined;
  };
}
