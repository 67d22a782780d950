/** What the demo shows while it runs: pure functions from a frame to lines. Made for 80 by 24, readable from 50 columns on. */
import { traitsOf, type PlatformName } from "./cast.ts";
import { cell, type Span, type Style } from "./screen.ts";

export interface PlatformFrame {
  readonly name: PlatformName;
  readonly received: number;
  readonly sent: number;
  readonly waiting: number;
  /** Attempts that the platform refused. */
  readonly refused: number;
}

/** One moment of a run. */
export interface Frame {
  readonly title: string;
  /** Instead of the time, while something is awaited. */
  readonly notice?: string;
  readonly elapsedMs: number;
  readonly answered: number;
  readonly total: number;
  /** Chats in each state; undefined where they have none. */
  readonly states: Readonly<Record<string, number>> | undefined;
  readonly slots: { readonly running: number; readonly slots: number; readonly waiting: number };
  /** Entries of the scheduling queue; undefined where there is none. */
  readonly timers: number | undefined;
  /** Cron jobs, the next one first; undefined where there are none. */
  readonly next: readonly { readonly name: string; readonly inMs: number }[] | undefined;
  readonly platforms: readonly PlatformFrame[];
  /** Oldest first. */
  readonly talk: readonly (readonly Span[])[];
  /** Commands of the administrator and what came of them, oldest first; undefined where there is none. */
  readonly commands: readonly { readonly command: string; readonly result: string }[] | undefined;
}

const STYLE_OF: Readonly<Record<PlatformName, Style>> = { telegram: "cyan", discord: "magenta", whatsapp: "green" };

const STATE_STYLES: Readonly<Record<string, Style>> = { queued: "yellow", responding: "green", committing: "blue", backingOff: "red" };
/** Always shown where there is room, so that the line does not jump. */
const STEADY_STATES = ["idle", "queued", "responding", "committing"];
const NARROW = 66;
const LABEL = 9;
const COMMANDS_SHOWN = 3;
const TALK_MIN = 2;

/** As many lines as fit into `rows` - 1; the conversation takes what the rest leaves. */
export function viewFrame(frame: Frame, columns: number, rows: number): readonly (readonly Span[])[] {
  const width = columns - 1;
  const head: (readonly Span[])[] = [
    heading(frame, width),
    bar(frame, width),
    [],
    ...(frame.states ? [["Chats".padEnd(LABEL), ...statesOf(frame.states, columns)]] : []),
    ["Slots".padEnd(LABEL), ...slotsOf(frame, width)],
    ...(frame.next ? [["Next".padEnd(LABEL), ...nextOf(frame.next)]] : []),
    [],
    ...platformTable(frame),
    [],
  ];
  const commands = commandLines(frame);
  const talkRows = Math.max(TALK_MIN, rows - 1 - head.length - commands.length);
  const talk = frame.talk.slice(-talkRows);
  const blank = Array.from({ length: talkRows - talk.length }, () => []);
  return [...head, ...talk, ...blank, ...commands];
}

/** The same moment as one line for a file or a pipe. */
export function viewLine({ elapsedMs, answered, total, states, slots, timers, next, platforms }: Frame): string {
  const busy = Object.entries(states ?? {}).filter(([, count]) => count > 0);
  const parts = [
    `${seconds(elapsedMs)}  ${answered} of ${total} answered`,
    ...(states ? [`chats: ${busy.map(([state, count]) => `${count} ${state}`).join(", ")}`] : []),
    `slots ${slots.running}/${slots.slots}, ${slots.waiting} waiting`,
    ...(timers === undefined ? [] : [`timers ${timers}`]),
    platforms.map(({ name, received, sent }) => `${name} ${received} in ${sent} out`).join(", "),
    ...(next?.[0] ? [`next ${next[0].name} in ${seconds(next[0].inMs)}`] : []),
  ];
  return parts.join("; ");
}

export function seconds(ms: number): string {
  return `${(Math.max(0, ms) / 1_000).toFixed(1)} s`;
}

function heading({ title, notice, elapsedMs }: Frame, width: number): readonly Span[] {
  const right = notice ?? seconds(elapsedMs);
  return [["bold", cell(title, width - right.length - 1)], " ", [notice === undefined ? "bold" : "yellow", right]];
}

function bar({ answered, total }: Frame, width: number): readonly Span[] {
  const label = ` ${String(answered).padStart(String(total).length)} of ${total} answered`;
  const room = Math.max(5, width - label.length);
  const full = Math.round((room * answered) / total);
  return [["green", "█".repeat(full)], ["dim", "░".repeat(room - full)], label];
}

function statesOf(states: NonNullable<Frame["states"]>, columns: number): readonly Span[] {
  const names = columns < NARROW ? [] : STEADY_STATES.filter((state) => state in states);
  const others = Object.keys(states).filter((state) => !names.includes(state) && (states[state] ?? 0) > 0);
  return [...names, ...others].flatMap((state): readonly Span[] => {
    const count = states[state] ?? 0;
    const text = `${state} ${String(count).padEnd(columns < NARROW ? 1 : 3)} `;
    const style = STATE_STYLES[state];
    return [count === 0 ? ["dim", text] : style ? [style, text] : text];
  });
}

function slotsOf({ slots, timers }: Frame, width: number): readonly Span[] {
  const { running, waiting } = slots;
  // Figures of steady width, so that the squares do not jump.
  const figure = (value: number): string => String(value).padStart(2);
  const of = width < NARROW ? "/" : " of ";
  const parts = [`${figure(running)}${of}${slots.slots} busy`, `${figure(waiting)} waiting`];
  if (timers !== undefined) parts.push(`${figure(timers)} timers`);
  const words = ` ${parts.join(width < NARROW ? " " : ", ")}`;
  // As many squares as there is room for.
  const squares = Math.min(slots.slots, Math.max(0, width - LABEL - words.length));
  const full = Math.min(squares, Math.ceil((running * squares) / Math.max(1, slots.slots)));
  return [["green", "■".repeat(full)], ["dim", "□".repeat(squares - full)], words];
}

function nextOf(next: NonNullable<Frame["next"]>): readonly Span[] {
  if (next.length === 0) return [["dim", "–"]];
  return next.flatMap(({ name, inMs }): readonly Span[] => [["yellow", `${name} `], `${seconds(inMs)}   `]);
}

function platformTable({ platforms }: Frame): readonly (readonly Span[])[] {
  const right = (value: string | number): string => String(value).padStart(9);
  const title = `${"".padEnd(LABEL)}${["received", "sent", "waiting", "429"].map(right).join("")}`;
  return [
    [["dim", title]],
    ...platforms.map(({ name, received, sent, waiting, refused }): readonly Span[] => {
      return [...labelOf(name), [received, sent].map(right).join(""), amber(right(waiting), waiting), amber(right(refused), refused)];
    }),
  ];
}

function amber(text: string, count: number): Span {
  return count > 0 ? ["yellow", text] : text;
}

function commandLines({ commands }: Frame): readonly (readonly Span[])[] {
  if (!commands) return [];
  const lines = commands
    .slice(-COMMANDS_SHOWN)
    .flatMap(({ command, result }): readonly (readonly Span[])[] => [[["bold", "$ "], command], [["dim", `  ${result}`]]]);
  const blank = Array.from({ length: 2 * COMMANDS_SHOWN - lines.length }, () => []);
  return [[], ...lines, ...blank];
}

/** What somebody wrote. */
export function talkLine(platform: PlatformName, who: string, text: string): readonly Span[] {
  return [...labelOf(platform), `${who}: `, text];
}

/** What somebody was answered, and how late. */
export function replyLine(platform: PlatformName, who: string, text: string, latencyMs: number | undefined): readonly Span[] {
  const note = latencyMs === undefined ? "" : ` (${latencyMs < 1_000 ? `${latencyMs.toFixed(0)} ms` : seconds(latencyMs)})`;
  return [...labelOf(platform), ["dim", `bot → ${who}${note}: `], ["green", text]];
}

function labelOf(platform: PlatformName): readonly Span[] {
  return [[STYLE_OF[platform], traitsOf(platform).label.padEnd(LABEL)]];
}
