/**
 * The terminal without a screen: one line in is one message, replies are plain lines, nothing is ever an escape sequence. For pipes, and
 * for terminals that cannot move their cursor. From a pipe no more is read than the chat can take.
 */
import type { ChatKey } from "../../core/chat-key.ts";
import { TEXT_BYTES_MAX } from "../../core/content.ts";
import type { Clock } from "../../ports/clock.ts";
import type { EventLoop } from "../../runtime/api.ts";
import type { Desk } from "./desk.ts";
import { ENTRIES_MAX } from "./entries.ts";
import type { Front, FrontWays, TerminalInput } from "./front.ts";
import type { Sink } from "./sink.ts";
import { createLineSplitter } from "./splitter.ts";
import { harmless, oneLine } from "./text.ts";

export interface LineModeOptions extends FrontWays {
  readonly input: TerminalInput;
  readonly sink: Sink;
  readonly clock: Clock;
  readonly loop: Pick<EventLoop, "chats">;
  readonly desk: Desk;
  readonly name: string;
}

/** Lines of a pipe that wait for the store before reading stops. */
const READ_AHEAD = ENTRIES_MAX / 2;
/** Messages handed over between two looks at how many the chat has waiting, and how many may wait. */
const LOOK_EVERY = 10;
const WAITING_MAX = 10;
const LOOK_AGAIN_MS = 100;

export function createLineMode(options: LineModeOptions): Front {
  const { input, sink, clock, loop, desk, entries, name } = options;
  const splitter = createLineSplitter(TEXT_BYTES_MAX);
  const isPerson = input.isTTY === true;
  let isListening = false;
  let hasEnded = false;
  /** `/quit` was read: it takes effect when all lines before it are stored. */
  let isLeaving = false;
  let offered = 0;

  const show: Front["show"] = (text, done) => sink.write(`${text}\n`, done);

  const enter = (line: string): void => {
    if (line.trim() === "") return;
    if (line.trim() === "/quit") isLeaving = true;
    else if (isPerson) desk.enter(line);
    else entries.add(desk.current(), desk.currentName(), line.toWellFormed());
  };

  const pump = (): void => {
    while (isListening && !isLeaving && entries.waiting().length < READ_AHEAD) {
      const next = splitter.next();
      if (!next) {
        if (!hasEnded) input.resume();
        return;
      }
      if (next.line === undefined) show(`satibot: a line of more than ${TEXT_BYTES_MAX} bytes was refused; send it in several lines`);
      else enter(next.line);
    }
    input.pause();
    if (!isLeaving || !isListening || entries.waiting().length > 0) return;
    isLeaving = false;
    options.quit();
  };

  const onData = (chunk: Buffer | string): void => {
    splitter.push(chunk);
    pump();
  };
  const onEnd = (): void => {
    if (hasEnded) return;
    hasEnded = true;
    splitter.end();
    pump();
    // The end of a pipe ends nothing else; Ctrl-D on a terminal is a person who wants to leave.
    if (isPerson) options.quit();
  };

  /** A pipe is faster than any agent: without this wait the inbox of the chat would refuse its lines. */
  const mayOffer = async (signal: AbortSignal): Promise<void> => {
    offered += 1;
    if (isPerson || offered % LOOK_EVERY !== 0) return;
    const key = desk.current();
    while (!signal.aborted) {
      const found = await loop.chats({ channel: name, query: key }, { limit: 100 }).catch(() => undefined);
      const waiting = found?.items.find((item) => item.key === key)?.waiting ?? 0;
      if (waiting <= WAITING_MAX) return;
      await new Promise<void>((resolve) => {
        const end = (): void => {
          cancel();
          signal.removeEventListener("abort", end);
          resolve();
        };
        const cancel = clock.setTimer(LOOK_AGAIN_MS, end);
        signal.addEventListener("abort", end, { once: true });
      });
    }
  };

  return {
    start: () => {
      isListening = true;
      input.on("data", onData);
      input.on("end", onEnd);
      input.on("error", onEnd);
      pump();
    },
    stop: () => {
      isListening = false;
      input.off("data", onData);
      input.off("end", onEnd);
      input.off("error", onEnd);
      input.pause();
    },
    show,
    reply: (chat: ChatKey, _turnId, text, done) => {
      const sign = chat === desk.current() ? "" : `[${oneLine(chat.slice(name.length + 1))}] `;
      show(
        harmless(text)
          .split("\n")
          .map((line) => `${sign}${line}`)
          .join("\n"),
        done,
      );
    },
    entriesChanged: () => {
      if (isListening) pump();
    },
    mayOffer,
  };
}
