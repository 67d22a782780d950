/**
 * Updates on their way to the store, the same for a poll and for a webhook: translated, in order, and with a moved group told in its place
 * between the messages of its old and its new id.
 */
import type { Update } from "grammy/types";
import { noteOf, TransientError } from "../../core/errors.ts";
import type { ChannelHost, InboundMessage } from "../../ports/channel.ts";
import type { Log } from "../../ports/log.ts";
import type { TelegramCounters } from "./counters.ts";
import { translate } from "./translate.ts";
import type { TranslateOptions, Translation } from "./translate.ts";

/** One write; a batch is stored when all of its steps are. */
export type Step =
  | { readonly kind: "messages"; readonly messages: readonly InboundMessage[]; readonly pressIds: readonly string[] }
  | (Translation & { readonly kind: "moved" });

export interface IntakeOptions {
  readonly host: Pick<ChannelHost, "accept" | "moved">;
  readonly counters: TelegramCounters;
  readonly log: Log | undefined;
  /** Stops the spinner of a pressed button; never throws. */
  readonly answerPress: (id: string) => void;
}

export interface Intake {
  /** What is to be stored; everything else is counted. */
  readonly stepsOf: (updates: readonly Update[], options: TranslateOptions) => readonly Step[];
  /** Resolves once it is stored. @throws TransientError when it could not be, and whatever else `accept` throws */
  readonly store: (step: Step) => Promise<void>;
}

/** Makes the way in of one connection. */
export function createIntake({ host, counters, log, answerPress }: IntakeOptions): Intake {
  const moved = async (step: Step & { readonly kind: "moved" }): Promise<void> => {
    try {
      await host.moved({ from: step.from, to: step.to, address: step.address });
    } catch (error) {
      if (error instanceof TransientError) throw error;
      // It would fail again for ever, and hold back all that comes after it.
      log?.error({ from: step.from, to: step.to, error: noteOf(error) }, "a moved group could not be stored as moved; it is a new chat");
    }
  };

  return {
    stepsOf: (updates, options) => {
      const steps: Step[] = [];
      let open: { kind: "messages"; messages: InboundMessage[]; pressIds: string[] } | undefined;
      let passedOver = 0;
      for (const update of updates) {
        const translation = translate(update, options);
        if (translation.kind === "message") {
          if (!open) steps.push((open = { kind: "messages", messages: [], pressIds: [] }));
          open.messages.push(translation.message);
          if (translation.pressId !== undefined) open.pressIds.push(translation.pressId);
        } else if (translation.kind === "moved") {
          open = undefined;
          steps.push(translation);
        } else {
          counters[translation.kind] += 1;
          if (translation.kind === "notUnderstood") passedOver += 1;
        }
      }
      if (passedOver > 0)
        log?.debug({ channel: options.name, count: passedOver }, "updates of a kind that is not handled were passed over");
      return steps;
    },
    store: async (step) => {
      if (step.kind === "moved") return moved(step);
      const outcomes = await host.accept(step.messages);
      const forbidden = outcomes.filter((outcome) => outcome === "forbidden").length;
      counters.forbidden += forbidden;
      counters.accepted += step.messages.length - forbidden;
      for (const id of step.pressIds) answerPress(id);
    },
  };
}
