/**
 * The line that is being typed: text, cursor and history, without a screen. A message may have several lines: a paste keeps its breaks,
 * Alt-Enter and Ctrl-J make one.
 */
import { graphemeAfter, graphemeBefore, typed } from "./text.ts";

/** A key as `node:readline` decodes it. */
export interface Key {
  readonly name?: string;
  readonly ctrl?: boolean;
  readonly meta?: boolean;
  readonly shift?: boolean;
  readonly sequence?: string;
}

/** `submit`: the text is complete. `full`: what came was cut at the limit. `none`: not a key of the editor. */
export type EditResult = "changed" | "submit" | "full" | "none";

export interface Editor {
  readonly text: () => string;
  /** UTF-16 place of the cursor in the text. */
  readonly cursor: () => number;
  /** One decoded key; `character` is what it stands for, undefined for keys without a character. */
  readonly press: (character: string | undefined, key: Key) => EditResult;
  /** Puts a text at the cursor, without what a terminal would act on. */
  readonly insert: (text: string) => EditResult;
  readonly replace: (text: string) => void;
  /** Empties the editor and answers what it held, which joins the history. */
  readonly take: () => string;
  readonly history: () => readonly string[];
  readonly setHistory: (lines: readonly string[]) => void;
}

export const HISTORY_MAX = 500;
/** Longer messages are not kept in the history. */
export const HISTORY_LINE_MAX = 2_000;

/** @param bytesMax - most UTF-8 bytes of a text; what goes beyond is cut */
export function createEditor(bytesMax: number): Editor {
  let text = "";
  let cursor = 0;
  let cut = "";
  let history: string[] = [];
  /** Place in the history; its length stands for the line being typed, which is kept in `draft`. */
  let place = 0;
  let draft = "";

  const set = (next: string, at: number): EditResult => {
    text = next;
    cursor = at;
    return "changed";
  };
  const recall = (to: number): EditResult => {
    if (to < 0 || to > history.length) return "changed";
    if (place === history.length) draft = text;
    place = to;
    const line = place === history.length ? draft : (history[place] ?? "");
    return set(line, line.length);
  };
  const remove = (from: number, to: number, keeps: boolean): EditResult => {
    if (keeps && to > from) cut = text.slice(from, to);
    return set(text.slice(0, from) + text.slice(to), from);
  };
  const insert = (raw: string): EditResult => {
    const added = typed(raw);
    const room = bytesMax - Buffer.byteLength(text);
    const fitting = Buffer.byteLength(added) <= room ? added : cutToBytes(added, room);
    set(text.slice(0, cursor) + fitting + text.slice(cursor), cursor + fitting.length);
    return fitting.length < added.length ? "full" : "changed";
  };
  const lineStart = (): number => text.lastIndexOf("\n", cursor - 1) + 1;
  const lineEnd = (): number => (text.indexOf("\n", cursor) + 1 || text.length + 1) - 1;
  const wordStart = (): number => cursor - (/\S*\s*$/.exec(text.slice(0, cursor))?.[0].length ?? 0);
  const wordEnd = (): number => cursor + (/^\s*\S*/.exec(text.slice(cursor))?.[0].length ?? 0);
  const up = (): EditResult => {
    const start = lineStart();
    if (start === 0) return recall(place - 1);
    const before = text.lastIndexOf("\n", start - 2) + 1;
    return set(text, Math.min(start - 1, before + cursor - start));
  };
  const down = (): EditResult => {
    const end = lineEnd();
    if (end === text.length) return recall(place + 1);
    const after = text.indexOf("\n", end + 1);
    return set(text, Math.min(after < 0 ? text.length : after, end + 1 + cursor - lineStart()));
  };

  const plainKeys: Readonly<Record<string, () => EditResult>> = {
    return: () => "submit",
    enter: () => insert("\n"),
    left: () => set(text, graphemeBefore(text, cursor)),
    right: () => set(text, graphemeAfter(text, cursor)),
    home: () => set(text, lineStart()),
    end: () => set(text, lineEnd()),
    up,
    down,
    backspace: () => remove(graphemeBefore(text, cursor), cursor, false),
    delete: () => remove(cursor, graphemeAfter(text, cursor), false),
  };
  const ctrlKeys: Readonly<Record<string, () => EditResult>> = {
    a: () => set(text, lineStart()),
    e: () => set(text, lineEnd()),
    b: () => set(text, graphemeBefore(text, cursor)),
    f: () => set(text, graphemeAfter(text, cursor)),
    h: () => remove(graphemeBefore(text, cursor), cursor, false),
    d: () => remove(cursor, graphemeAfter(text, cursor), false),
    j: () => insert("\n"),
    k: () => remove(cursor, lineEnd(), true),
    u: () => remove(lineStart(), cursor, true),
    w: () => remove(wordStart(), cursor, true),
    y: () => insert(cut),
    p: () => recall(place - 1),
    n: () => recall(place + 1),
    left: () => set(text, wordStart()),
    right: () => set(text, wordEnd()),
    backspace: () => remove(wordStart(), cursor, true),
    delete: () => remove(cursor, wordEnd(), true),
  };
  const metaKeys: Readonly<Record<string, () => EditResult>> = {
    return: () => insert("\n"),
    enter: () => insert("\n"),
    b: () => set(text, wordStart()),
    f: () => set(text, wordEnd()),
    d: () => remove(cursor, wordEnd(), true),
    left: () => set(text, wordStart()),
    right: () => set(text, wordEnd()),
    backspace: () => remove(wordStart(), cursor, true),
  };

  return {
    text: () => text,
    cursor: () => cursor,
    press: (character, key) => {
      const keys = key.ctrl ? ctrlKeys : key.meta ? metaKeys : plainKeys;
      const known = Object.hasOwn(keys, key.name ?? "") ? keys[key.name ?? ""] : undefined;
      if (known) return known();
      if (character === undefined || key.ctrl || key.meta) return "none";
      return typed(character) === "" ? "none" : insert(character);
    },
    insert,
    replace: (next) => void set(typed(next), typed(next).length),
    take: () => {
      const taken = text;
      const isWorthy = taken.trim() !== "" && taken.length <= HISTORY_LINE_MAX && history.at(-1) !== taken;
      if (isWorthy) history = [...history, taken].slice(-HISTORY_MAX);
      place = history.length;
      draft = "";
      set("", 0);
      return taken;
    },
    history: () => history,
    setHistory: (lines) => {
      history = lines.filter((line) => line.length <= HISTORY_LINE_MAX).slice(-HISTORY_MAX);
      place = history.length;
    },
  };
}

function cutToBytes(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text).subarray(0, Math.max(0, bytesMax));
  // What is left of a character that was cut decodes to U+FFFD.
  return bytes.toString().replace(/\ufffd+$/, "");
}
