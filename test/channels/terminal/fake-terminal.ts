/** A terminal for tests: a small emulator behind a fake output, and keys behind a fake input. */
import { EventEmitter } from "node:events";
import stringWidth from "string-width";
import type { TerminalInput } from "../../../src/channels/terminal/front.ts";
import type { TerminalOutput } from "../../../src/channels/terminal/sink.ts";

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });
// oxlint-disable-next-line no-control-regex -- what a terminal acts on
const TOKENS = /\u001b\[([?\d;]*)([A-Za-z])|\r|\n|[^\u001b\r\n]+/gy;

/** What a person sees: rows that scrolled away, then those on the screen. Throws on anything it was not made for, such as a stray escape. */
export class Emulator {
  columns: number;
  rows: number;
  /** All rows ever, the screen being the last ones; a cell holds a character, or "" behind a wide one. */
  readonly lines: string[][] = [[]];
  top = 0;
  row = 0;
  column = 0;
  wraps = true;
  showsCursor = true;
  marksPastes = false;
  colours = 0;

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
  }

  write(text: string): void {
    TOKENS.lastIndex = 0;
    let end = 0;
    for (const match of text.matchAll(TOKENS)) {
      end = match.index + match[0].length;
      if (match[0] === "\r") this.column = 0;
      else if (match[0] === "\n") this.down();
      else if (match[2] !== undefined) this.control(match[1] ?? "", match[2]);
      else for (const { segment } of segmenter.segment(match[0])) this.put(segment);
    }
    if (end !== text.length) throw new Error(`the terminal got ${JSON.stringify(text.slice(end, end + 20))}`);
  }

  private down(): void {
    this.row += 1;
    if (this.row - this.top >= this.rows) this.top += 1;
    this.lines[this.row] ??= [];
  }

  private put(character: string): void {
    // oxlint-disable-next-line no-control-regex -- these would do something on a real terminal
    if (/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/.test(character)) throw new Error(`control ${JSON.stringify(character)}`);
    const width = stringWidth(character);
    if (this.column + width > this.columns) {
      if (!this.wraps) return;
      this.column = 0;
      this.down();
    }
    const line = (this.lines[this.row] ??= []);
    while (line.length < this.column) line.push(" ");
    line.splice(this.column, width, character, ...Array.from({ length: width - 1 }, () => ""));
    this.column += width;
  }

  private control(text: string, name: string): void {
    const count = Number(text) || 1;
    const mode = `${text}${name}`;
    if (name === "m") this.colours += 1;
    else if (name === "A") this.row = Math.max(this.top, this.row - count);
    else if (name === "C") this.column = Math.min(this.columns - 1, this.column + count);
    else if (mode === "K") this.lines[this.row] = (this.lines[this.row] ?? []).slice(0, this.column);
    else if (mode === "J") this.clearDown();
    else if (mode === "H") [this.row, this.column] = [this.top, 0];
    else if (mode === "2J") for (let row = this.top; row < this.lines.length; row += 1) this.lines[row] = [];
    else if (mode === "?7l" || mode === "?7h") this.wraps = name === "h";
    else if (mode === "?25l" || mode === "?25h") this.showsCursor = name === "h";
    else if (mode === "?2004l" || mode === "?2004h") this.marksPastes = name === "h";
    else throw new Error(`the terminal does not know ${JSON.stringify(mode)}`);
  }

  private clearDown(): void {
    if (this.row === this.top && this.column === 0) throw new Error("the whole screen was cleared, which some terminals keep as history");
    this.lines[this.row] = (this.lines[this.row] ?? []).slice(0, this.column);
    this.lines.length = this.row + 1;
  }

  /** Another width: rows that no longer fit are broken, as terminals do that keep what was written. */
  resize(columns: number, rows: number): void {
    const before = this.lines.splice(0);
    const at = { row: this.row, column: this.column };
    for (const [place, line] of before.entries()) {
      if (place === at.row) this.row = this.lines.length + Math.floor(Math.min(at.column, Math.max(0, line.length)) / columns);
      if (line.length === 0) this.lines.push([]);
      for (let from = 0; from < line.length; from += columns) this.lines.push(line.slice(from, from + columns));
    }
    [this.columns, this.rows] = [columns, rows];
    this.column = at.column % columns;
    this.top = Math.max(0, this.row - rows + 1, Math.min(this.top, this.lines.length - 1));
  }

  text(): string[] {
    return this.lines.map((line) => line.join("").trimEnd());
  }
}

/** Hands over at once what a real stream would hand over soon, so that tests need no real time. */
class FakeInput extends EventEmitter {
  private readonly kept: (Buffer | "end")[] = [];
  private isFlowing = false;

  push(item: Buffer | "end"): void {
    this.kept.push(item);
    this.flow();
  }

  pause(): this {
    this.isFlowing = false;
    return this;
  }

  resume(): this {
    this.isFlowing = true;
    this.flow();
    return this;
  }

  private flow(): void {
    while (this.isFlowing) {
      const item = this.kept.shift();
      if (item === undefined) return;
      if (item === "end") this.emit("end");
      else this.emit("data", item);
    }
  }
}

export interface FakeTerminal {
  readonly input: TerminalInput;
  readonly output: TerminalOutput & EventEmitter;
  readonly emulator: Emulator;
  /** All that was written. */
  readonly written: () => string;
  /** Rows from the first to the last, without empty ones at the end. */
  readonly seen: () => readonly string[];
  readonly isRaw: () => boolean;
  readonly type: (keys: string | Buffer) => void;
  /** The person, or the program that writes, is gone. */
  readonly end: () => void;
  readonly resize: (columns: number, rows: number) => void;
  /** Errors that the next writes end with; `undefined` entries succeed. */
  readonly failWith: (...errors: (Error | undefined)[]) => void;
  /** While held, no write is taken. */
  readonly hold: (isHeld: boolean) => void;
}

export function createFakeTerminal(options: { readonly isTTY: boolean; readonly columns?: number; readonly rows?: number }): FakeTerminal {
  const emulator = new Emulator(options.columns ?? 80, options.rows ?? 24);
  let isRaw = false;
  let written = "";
  let isHeld = false;
  const held: (() => void)[] = [];
  const errors: (Error | undefined)[] = [];
  const input = new FakeInput();
  const keyboard = Object.assign(input, {
    isTTY: options.isTTY,
    ...(options.isTTY ? { setRawMode: (mode: boolean) => (isRaw = mode) } : {}),
  }) as EventEmitter;
  const write = (text: string, done?: (error?: Error | null) => void): boolean => {
    const take = (): void => {
      const error = errors.shift();
      if (!error) {
        written += text;
        if (options.isTTY) emulator.write(text);
      }
      done?.(error ?? null);
    };
    if (isHeld) held.push(take);
    else take();
    return !isHeld;
  };
  const emitter = new EventEmitter();
  const output = Object.assign(emitter, { isTTY: options.isTTY, writable: true, write, end: () => emitter });
  Object.defineProperties(output, { columns: { get: () => emulator.columns }, rows: { get: () => emulator.rows } });
  const stream = output as EventEmitter as EventEmitter & TerminalOutput;
  return {
    input: keyboard as EventEmitter & TerminalInput,
    output: stream,
    emulator,
    written: () => written,
    seen: () => {
      const lines = emulator.text();
      return lines.slice(0, lines.findLastIndex((line) => line !== "") + 1);
    },
    isRaw: () => isRaw,
    type: (keys) => input.push(Buffer.from(keys)),
    end: () => input.push("end"),
    resize: (columns, rows) => {
      emulator.resize(columns, rows);
      stream.emit("resize");
    },
    failWith: (...next) => void errors.push(...next),
    hold: (next) => {
      isHeld = next;
      if (!next) for (const take of held.splice(0)) take();
    },
  };
}
