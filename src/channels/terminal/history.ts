/** Keeps what was typed over restarts, in a cell of the channel. A prompt without a history is better than none: errors are passed over. */
import type { ChannelHost } from "../../ports/channel.ts";
import { HISTORY_MAX, type Editor } from "./editor.ts";

export interface PromptHistory {
  /** Puts the stored lines before those typed meanwhile. */
  readonly load: (host: ChannelHost) => void;
  /** One save at a time; the last one wins. */
  readonly save: () => void;
}

const CELL = "history";

export function createPromptHistory(editor: Pick<Editor, "history" | "setHistory">): PromptHistory {
  let host: ChannelHost | undefined;
  let isLoaded = false;
  let isSaving = false;
  let isStale = false;

  const save = (): void => {
    isStale = true;
    if (!host || !isLoaded || isSaving) return;
    isStale = false;
    isSaving = true;
    host
      .save(CELL, [...editor.history()])
      .catch(() => undefined)
      .finally(() => {
        isSaving = false;
        if (isStale) save();
      });
  };

  return {
    load: (given) => {
      host = given;
      if (isLoaded) return;
      given
        .load(CELL)
        .then((stored) => {
          if (isLoaded) return;
          isLoaded = true;
          const lines = Array.isArray(stored) ? stored.filter((line) => typeof line === "string") : [];
          editor.setHistory([...lines, ...editor.history()].slice(-HISTORY_MAX));
          if (isStale) save();
        })
        .catch(() => undefined);
    },
    save,
  };
}
