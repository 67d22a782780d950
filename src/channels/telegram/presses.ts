import type { Api } from "grammy/web";
import type { Log } from "../../ports/log.ts";
import { signalFor } from "./api-client.ts";
import { failureOf } from "./failure.ts";
import type { Redact } from "./failure.ts";

/** Most answers under way; a button beyond them stops spinning by itself. */
const ANSWERS_MAX = 50;

/** Answers presses of buttons, at best effort: it is only the spinner that waits for it. */
export function createPressAnswers(options: {
  readonly api: Api;
  readonly signal: AbortSignal;
  readonly redact: Redact;
  readonly name: string;
  readonly log: Log | undefined;
}): { readonly answer: (id: string) => void; readonly settled: () => Promise<unknown> } {
  const { api, signal, redact, name, log } = options;
  const underWay = new Set<Promise<void>>();
  return {
    answer: (id) => {
      if (underWay.size >= ANSWERS_MAX || signal.aborted) return;
      const answering = api.raw
        .answerCallbackQuery({ callback_query_id: id }, signalFor(signal))
        .then(
          () => undefined,
          (error: unknown) => log?.debug({ channel: name, reason: failureOf(error, redact).text }, "a button press was not answered"),
        )
        .finally(() => underWay.delete(answering));
      underWay.add(answering);
    },
    settled: () => Promise.all(underWay),
  };
}
