/**
 * The terminal with a screen. What was said scrolls away above; at the bottom stays a live area:
 *
 *   text of the answer that is streaming (its last rows)
 *   main> what is being typed
 *   thinking… 3 s · 1 waiting · work: 2 new
 *
 * A delivered reply replaces its streamed text, so it stands in the scrollback once and whole, whatever was streamed before.
 */
import { TEXT_BYTES_MAX } from "../../core/content.ts";
import { formatDuration } from "../../core/duration.ts";
import type { CancelTimer, Clock } from "../../ports/clock.ts";
import type { EventLoop } from "../../runtime/api.ts";
import { stateWords, WORDS, type Desk } from "./desk.ts";
import { createEditor, type Editor, type Key } from "./editor.ts";
import { ENTRIES_MAX } from "./entries.ts";
import type { Front, FrontWays, TerminalInput } from "./front.ts";
import { createPromptHistory } from "./history.ts";
import { createKeyboard, LEAVE_PASTES, MARK_PASTES } from "./keyboard.ts";
import { layOut } from "./layout.ts";
import { SHOW_CURSOR, type Frame } from "./painter.ts";
import { createScreen, type Screen } from "./screen.ts";
import { enteredText, replyText, streamedRows, wrapLines } from "./scroll-text.ts";
import type { Sink, TerminalOutput } from "./sink.ts";
import type { Style } from "./style.ts";
import { fit, harmless, oneLine, widthOf } from "./text.ts";
import { isAtRest, watchChat, type ChatWatch } from "./watch.ts";

export interface PromptOptions extends FrontWays {
  readonly input: TerminalInput;
  readonly output: TerminalOutput;
  readonly sink: Sink;
  readonly clock: Clock;
  readonly loop: Pick<EventLoop, "stream" | "chats">;
  readonly desk: Desk;
  readonly name: string;
  readonly style: Style;
  readonly banner: string | undefined;
}

/** Streamed text is drawn at most this often. */
const STREAM_MS = 40;
/** The time in the status line is told each second. */
const TICK_MS = 1_000;
const NAME_COLUMNS = 20;

/** What the parts of a prompt share. */
interface PromptState {
  isClosing: boolean;
  watch: ChatWatch | undefined;
}

export function createPrompt(options: PromptOptions): Front {
  const { input, output, sink, clock, loop, desk, name, style } = options;
  const state: PromptState = { isClosing: false, watch: undefined };
  const editor = createEditor(TEXT_BYTES_MAX);
  const history = createPromptHistory(editor);
  const screen: Screen = createScreen({ sink, output, clock, frame: () => frameOf(options, state, editor, screen) });
  let hasGreeted = false;
  let cancelTick: CancelTimer | undefined;

  const show: Front["show"] = (text, done) => screen.scroll(screen.isOpen() ? wrapLines(text, screen.columns()) : text, done);
  const showReply: Front["show"] = (text, done) =>
    screen.scroll(screen.isOpen() ? replyText(text, screen.columns(), style) : harmless(text), done);

  const tick = (): void => {
    if (cancelTick || !screen.isOpen() || isAtRest(state.watch?.state()?.state)) return;
    cancelTick = clock.setTimer(TICK_MS, () => {
      cancelTick = undefined;
      state.watch?.count();
      screen.draw();
      tick();
    });
  };

  const look = (): void => {
    state.watch?.stop();
    state.watch = watchChat({
      loop,
      clock,
      key: desk.current(),
      changed: () => {
        tick();
        screen.draw(STREAM_MS);
      },
      aborted: (text) => showReply(`${text.trimEnd()} … (stopped)`),
    });
  };

  const quit = (): void => {
    state.isClosing = true;
    screen.draw();
    options.quit();
  };

  const keyboard = createKeyboard(input, {
    ...keysOf(options, state, editor, screen, { show, quit, save: history.save }),
    ended: quit,
  });

  const giveBack = (): void => {
    keyboard.close();
    sink.write(LEAVE_PASTES + SHOW_CURSOR);
  };
  const onResize = (): void => screen.draw();

  return {
    start: (host) => {
      state.isClosing = false;
      const greeting = hasGreeted || !options.banner ? "" : `${wrapLines(harmless(options.banner), screen.columns())}\n`;
      hasGreeted = true;
      screen.open(MARK_PASTES, greeting);
      output.on("resize", onResize);
      process.once("exit", giveBack);
      history.load(host);
      look();
      // Last, since keys that were pressed before may arrive at once.
      keyboard.open();
    },
    stop: () => {
      if (!screen.isOpen()) return;
      state.watch?.stop();
      state.watch = undefined;
      cancelTick?.();
      cancelTick = undefined;
      if (editor.text().trim() !== "") show(style.warning(`Not sent: ${editor.text()}`));
      show(style.dim("The prompt is closed; answers that are under way still appear."));
      screen.close(LEAVE_PASTES);
      output.off("resize", onResize);
      process.off("exit", giveBack);
      keyboard.close();
    },
    show,
    reply: (chat, turnId, text, done) => {
      if (chat === desk.current()) {
        state.watch?.settle(turnId);
        return showReply(text, done);
      }
      const other = oneLine(chat.slice(name.length + 1));
      if (!screen.isOpen()) return screen.scroll(`[${other}] ${harmless(text)}`, done);
      desk.keep(chat, text);
      screen.scroll(announcement(other, text, screen.columns(), style), done);
    },
    entriesChanged: () => {
      state.watch?.count();
      screen.draw();
    },
    switched: () => {
      if (screen.isOpen()) look();
    },
    quit,
  };
}

/** What keys and pastes do. */
function keysOf(
  { desk, entries, style }: PromptOptions,
  state: PromptState,
  editor: Editor,
  screen: Screen,
  ways: { readonly show: Front["show"]; readonly quit: () => void; readonly save: () => void },
): { readonly key: (character: string | undefined, key: Key) => void; readonly paste: (text: string) => void } {
  const note = (text: string): void => ways.show(style.warning(text));
  const tellFull = (): void => note(`A message has at most ${TEXT_BYTES_MAX / 1024} KiB; the rest was left out.`);

  const submit = (): void => {
    if (editor.text().trim() === "") {
      editor.replace("");
      entries.retry();
      return;
    }
    if (state.isClosing) return note("Shutting down: this is not sent. Write it again after the next start.");
    if (entries.waiting().length >= ENTRIES_MAX) return note(`${ENTRIES_MAX} messages wait to be stored; send this one later.`);
    // The break that ends a paste is not part of the message.
    const text = editor.take().trimEnd();
    ways.save();
    screen.scroll(enteredText(oneLine(desk.currentName()), text, screen.columns(), style));
    desk.enter(text);
    state.watch?.count();
  };

  const interrupt = (): void => {
    if (editor.text() === "") return ways.quit();
    editor.take();
    note("Ctrl-C again ends satibot; what was typed is in the history (Up).");
  };

  const complete = (): void => {
    const fitting = WORDS.filter((word) => word.startsWith(editor.text()));
    if (!editor.text().startsWith("/") || fitting.length === 0) return;
    if (fitting.length === 1) editor.replace(fitting[0] ?? "");
    else ways.show(style.dim(fitting.join("  ")));
  };

  const control: Readonly<Record<string, () => void>> = { c: interrupt, l: screen.clear };

  return {
    key: (character, key) => {
      if (!screen.isOpen()) return;
      const act = key.ctrl ? (key.name === "d" && editor.text() === "" ? ways.quit : control[key.name ?? ""]) : undefined;
      if (act) act();
      else if (key.name === "tab") complete();
      else {
        const result = editor.press(character, key);
        if (result === "submit") submit();
        else if (result === "full") tellFull();
      }
      screen.draw();
    },
    paste: (text) => {
      if (editor.insert(text) === "full") tellFull();
      screen.draw();
    },
  };
}

function frameOf(options: PromptOptions, state: PromptState, editor: Editor, screen: Screen): Frame {
  const { desk, style } = options;
  const [columns, rows] = [screen.columns(), screen.rows()];
  const sign = `${fit(oneLine(desk.currentName()), Math.min(NAME_COLUMNS, Math.floor(columns / 3)))}> `;
  const edit = layOut(
    { prompt: style.accent(sign), promptWidth: widthOf(sign), text: editor.text(), cursor: editor.cursor() },
    columns,
    Math.max(1, Math.floor(rows / 2)),
  );
  const tail = streamedRows(state.watch?.streamed() ?? "", columns, rows - edit.rows.length - 1, style);
  return {
    rows: [...tail, ...edit.rows, style.dim(fit(statusLine(options, state), columns))],
    cursorRow: tail.length + edit.cursorRow,
    cursorColumn: edit.cursorColumn,
  };
}

function statusLine({ clock, entries, desk }: PromptOptions, { isClosing, watch }: PromptState): string {
  const now = watch?.state();
  const facts: string[] = [];
  if (isClosing) facts.push("shutting down, Ctrl-C again ends at once");
  if (now?.state === "quarantined") facts.push(stateWords(now.state));
  if (now && !isAtRest(now.state)) {
    const ms = Math.floor(Math.max(0, clock.now() - now.sinceMs) / TICK_MS) * TICK_MS;
    const words = now.state === "responding" && watch?.streamed() ? "answering…" : stateWords(now.state);
    facts.push(ms > 0 ? `${words} ${formatDuration(ms)}` : words);
    const behind = watch?.behind() ?? 0;
    if (behind > 0) facts.push(`${behind} waiting`);
  }
  if (entries.isRefused()) facts.push(`${entries.waiting().length} not stored yet`);
  for (const { name, count } of desk.news()) facts.push(`${name}: ${count} new`);
  return facts.length > 0 ? facts.join(" · ") : "/help";
}

/** One line about a reply of another chat. */
function announcement(other: string, text: string, columns: number, style: Style): string {
  const way = `  /chat ${other}`;
  const line = fit(`${other}: ${oneLine(text.slice(0, columns * 4))}`, Math.max(8, columns - widthOf(way)));
  return style.accent(line) + style.dim(fit(way, Math.max(0, columns - widthOf(line))));
}
