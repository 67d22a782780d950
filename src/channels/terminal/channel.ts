/**
 * The terminal that the daemon was started from, as a channel.
 *
 *   keys or lines ─▶ front ─▶ desk (slash words) ─▶ entries ─▶ host.accept
 *   loop.stream ─▶ watch ─▶ front ◀─ deliver
 *
 * The front is a prompt with a live area where input and output are terminals that can move their cursor, else plain lines. `deliver`
 * and `print` work before `start` and after `stop`, as plain lines: replies of turns that a drain lets finish still appear.
 */
import type { Content } from "../../core/content.ts";
import { isChannelName } from "../../core/chat-key.ts";
import { AmbiguousError, ConfigError, TerminalError, TransientError } from "../../core/errors.ts";
import type { AcceptOutcome, Channel, ChannelHost, DeliverRequest } from "../../ports/channel.ts";
import type { Clock } from "../../ports/clock.ts";
import type { EventLoop } from "../../runtime/api.ts";
import { createDesk } from "./desk.ts";
import { createEntries, type Entry } from "./entries.ts";
import type { Front, TerminalInput } from "./front.ts";
import { createLineMode } from "./line-mode.ts";
import { createPrompt } from "./prompt.ts";
import { createSink, isReaderGone, type TerminalOutput } from "./sink.ts";
import { createStyle } from "./style.ts";
import { fit, harmlessLog, oneLine, plainText } from "./text.ts";

export interface TerminalOptions {
  /** Channel instance; its chats are `terminal:main`, `terminal:work`, … Default `terminal`. */
  readonly name?: string;
  readonly input: TerminalInput;
  readonly output: TerminalOutput;
  readonly clock: Clock;
  /** What the terminal shows beside messages; calls are valid after the loop has started. */
  readonly loop: Pick<EventLoop, "stream" | "status" | "chats" | "why" | "chat">;
  /** Ctrl-C, Ctrl-D on an empty line, /quit; each time again, so that a second one may end the process at once. */
  readonly onQuit: () => void;
  /** Shown once above the first prompt, such as version and address of the page; not shown where lines are plain. */
  readonly banner?: string;
  /** `NO_COLOR` and `TERM` are read from it; `process.env` by default. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export interface TerminalChannel extends Channel {
  /** Shows lines of the program (log, notice) above the prompt without tearing it; colours may stay, other control characters not. */
  readonly print: (text: string) => void;
  /** True for the prompt, false for plain lines. */
  readonly isInteractive: boolean;
  /** Messages that a person entered: answered by intake, and not stored yet. */
  readonly counters: () => { readonly ended: number; readonly waiting: number };
}

/** UTF-16 units that an output may lag behind before printed lines are left out. */
const PRINT_PENDING_MAX = 1024 * 1024;
/** Deliveries remembered, so that a repeated one is not shown twice. */
const SHOWN_MAX = 1_000;

/** @throws ConfigError CONFIG_INVALID for a name that is no channel name */
export function createTerminalChannel(options: TerminalOptions): TerminalChannel {
  const { input, output, clock, loop, env = process.env } = options;
  const name = options.name ?? "terminal";
  if (!isChannelName(name)) {
    throw new ConfigError(
      "CONFIG_INVALID",
      `channel name ${JSON.stringify(name)}: use a lower-case letter, then at most 31 of a-z, 0-9 and -`,
      {
        path: "name",
      },
    );
  }
  const isInteractive = input.isTTY === true && output.isTTY === true && env.TERM !== "dumb" && input.setRawMode !== undefined;
  const style = createStyle(isInteractive && (env.NO_COLOR ?? "") === "");
  // Ids of messages are unique over restarts: no two processes begin in the same millisecond on one terminal.
  const session = clock.now().toString(36);
  const shown = new Map<string, string>();
  let host: ChannelHost | undefined;
  let stopping: Promise<void> | undefined;
  let count = 0;
  let leftOut = 0;

  // A terminal that was closed (EIO) ends the conversation, never the process.
  input.on("error", () => undefined);
  const sink = createSink(output, () =>
    host?.report({
      type: "connection.refused",
      error: { code: "CHANNEL_UNAVAILABLE", message: "the terminal's output was closed; replies to it wait for the next start" },
    }),
  );
  const entries = createEntries({
    clock,
    session,
    watch: {
      ended: (entry, outcome) => {
        if (outcome !== "accepted" && outcome !== "duplicate") front.show(style.warning(notTaken(entry, outcome)));
        front.entriesChanged();
      },
      refused: (entry, why, delayMs) => {
        if (delayMs >= NOTICE_MS)
          front.show(style.warning(`Not stored: ${quote(entry)} (${oneLine(why)}). It is kept and tried again; Enter tries now.`));
        front.entriesChanged();
      },
      mayOffer: async (signal) => front.mayOffer?.(signal),
    },
  });
  const desk = createDesk({
    name,
    loop,
    clock,
    show: (text) => front.show(style.dim(text)),
    showReply: (text) => front.reply(desk.current(), "", text, () => undefined),
    send: (text) => {
      if (!entries.add(desk.current(), desk.currentName(), text))
        front.show(style.warning("Too many messages wait to be stored; send this again later."));
      front.entriesChanged();
    },
    switched: () => front.switched?.(),
    quit: () => (front.quit ?? options.onQuit)(),
  });
  const ways = { input, sink, clock, loop, desk, entries, name, quit: options.onQuit };
  const front: Front = isInteractive ? createPrompt({ ...ways, output, style, banner: options.banner }) : createLineMode(ways);

  const hand = (request: DeliverRequest, text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const { chat, idempotencyKey, signal } = request;
      const unknown = (cause?: unknown): void =>
        reject(new AmbiguousError("SEND_UNKNOWN", `terminal: the output did not say whether it took a reply of ${chat}`, { cause }));
      const onAbort = (): void => unknown(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      front.reply(chat, turnOf(idempotencyKey), text, (error) => {
        signal.removeEventListener("abort", onAbort);
        if (!error) resolve();
        else if (isReaderGone(error)) reject(unavailable("the output is closed; start again with one that is read", error));
        else unknown(error);
      });
    });

  return {
    name,
    kind: "terminal",
    isInteractive,
    limits: { textUnits: Number.MAX_SAFE_INTEGER, canEdit: false },
    addressOf: (chat) => chat.slice(name.length + 1),
    counters: () => ({ ended: entries.endedCount(), waiting: entries.waiting().length }),
    start: async (given) => {
      host = given;
      if (sink.isGone()) throw unavailable("the output is closed");
      given.report({ type: "connection.opened" });
      front.start(given);
      entries.start(given);
    },
    stop: () => {
      stopping ??= (async () => {
        front.stop();
        await entries.stop();
        for (const entry of entries.waiting())
          front.show(style.warning(`Not stored: ${quote(entry)}; write it again after the next start.`));
        host = undefined;
        stopping = undefined;
      })();
      return stopping;
    },
    deliver: async (request) => {
      const text = plainTextOf(request.content);
      const known = shown.get(request.idempotencyKey);
      if (known !== undefined) return { platformId: known };
      if (request.signal.aborted) throw unavailable("aborted before it began; try again");
      if (sink.isGone()) throw unavailable("the output is closed; start again with one that is read");
      await hand(request, text);
      count += 1;
      const platformId = `${session}-${count}`;
      shown.set(request.idempotencyKey, platformId);
      for (const oldest of shown.keys()) {
        if (shown.size <= SHOWN_MAX) break;
        shown.delete(oldest);
      }
      return { platformId };
    },
    /** The status line of the prompt says it already. */
    typing: async () => undefined,
    print: (text) => {
      if (sink.pending() > PRINT_PENDING_MAX) {
        leftOut += 1;
        return;
      }
      if (leftOut > 0) front.show(`(${leftOut} lines were left out: the terminal did not keep up)`);
      leftOut = 0;
      front.show(harmlessLog(text.replace(/\r?\n$/, ""), style.hasColour));
    },
  };
}

/** Waits shorter than this are not worth a line. */
const NOTICE_MS = 200;

function plainTextOf(content: Content): string {
  const text = plainText(content);
  if (text.trim() !== "") return text;
  throw new TerminalError("CHANNEL_REFUSED", "terminal: there is no text to show; add some");
}

function unavailable(why: string, cause?: unknown): TransientError {
  return new TransientError("CHANNEL_UNAVAILABLE", `terminal: ${why}`, { cause });
}

/** The runtime's keys are `turnId/part`. */
function turnOf(idempotencyKey: string): string {
  return idempotencyKey.slice(0, Math.max(0, idempotencyKey.lastIndexOf("/")));
}

function quote({ text }: Entry): string {
  return JSON.stringify(fit(oneLine(text), 40));
}

function notTaken(entry: Entry, outcome: AcceptOutcome): string {
  const why =
    outcome === "full"
      ? "too many messages of this chat wait for an answer; send it again later"
      : outcome === "forbidden"
        ? "this terminal may not write"
        : "another message was stored under its id; send it again";
  return `Not taken: ${quote(entry)}: ${why}.`;
}
