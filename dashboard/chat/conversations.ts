/** The conversations of this browser: names and order are kept here, what was said is kept by the server. */
import { type ReadonlySignal, signal } from "@preact/signals";
import type { Edge } from "../edge.ts";
import { forgetKept } from "./kept.ts";

/** Chats of the page, `web:NAME`: the first message creates them. */
const PREFIX = "web:";
const CELL = "satibot.conversations";
export const CONVERSATIONS_MAX = 200;
export const NAME_MAX = 80;

export interface Conversation {
  readonly key: string;
  /** Empty until it is named, by hand or by its first message. */
  readonly name: string;
  readonly atMs: number;
}

export interface Conversations {
  /** The latest first; never empty. */
  readonly list: ReadonlySignal<readonly Conversation[]>;
  readonly active: ReadonlySignal<string>;
  readonly open: (key: string) => void;
  /** Opens a new one, or the empty one there is. */
  readonly begin: () => void;
  readonly rename: (key: string, name: string) => void;
  /** Something was written: it moves to the top, and gets a name if it has none. */
  readonly touch: (key: string, text: string) => void;
  /** Takes it off the list; the server keeps the chat. */
  readonly remove: (key: string) => void;
}

export function createConversations(edge: Edge): Conversations {
  const fresh = (): Conversation => ({ key: `${PREFIX}${edge.id()}`, name: "", atMs: edge.now() });
  const stored = readList(edge);
  const first = stored.list.length > 0 ? stored.list : [fresh()];
  const list = signal<readonly Conversation[]>(first);
  const active = signal(first.some(({ key }) => key === stored.active) ? stored.active : (first[0]?.key ?? ""));

  const store = (next: readonly Conversation[], nextActive = active.value): void => {
    list.value = next;
    active.value = nextActive;
    edge.storage.write(CELL, JSON.stringify({ list: next, active: nextActive }));
  };
  const change = (key: string, how: (one: Conversation) => Conversation): void =>
    store(list.value.map((one) => (one.key === key ? how(one) : one)));
  store(first);
  // The list is one for all tabs, what is open is each one's own.
  edge.storage.onForeignWrite((name) => {
    if (name !== CELL) return;
    const foreign = readList(edge).list;
    if (foreign.length === 0) return;
    list.value = foreign;
    if (!foreign.some(({ key }) => key === active.value)) active.value = foreign[0]?.key ?? "";
  });
  return {
    list,
    active,
    open: (key) => store(list.value, key),
    begin: () => {
      const [top] = list.value;
      if (top?.name === "" && top.key === active.value) return;
      const one = list.value.find(({ name }) => name === "") ?? fresh();
      const rest = list.value.filter(({ key }) => key !== one.key);
      for (const { key } of rest.slice(CONVERSATIONS_MAX - 1)) forgetKept(edge.storage, key);
      store([one, ...rest].slice(0, CONVERSATIONS_MAX), one.key);
    },
    rename: (key, name) => change(key, (one) => ({ ...one, name: nameOf(name) || one.name })),
    touch: (key, text) => {
      const one = list.value.find((entry) => entry.key === key);
      if (one === undefined) return;
      const touched = { ...one, name: one.name || nameOf(text) || "Conversation", atMs: edge.now() };
      store([touched, ...list.value.filter((entry) => entry.key !== key)]);
    },
    remove: (key) => {
      forgetKept(edge.storage, key);
      const rest = list.value.filter((one) => one.key !== key);
      const next = rest.length > 0 ? rest : [fresh()];
      store(next, active.value === key ? (next[0]?.key ?? "") : active.value);
    },
  };
}

function nameOf(text: string): string {
  const line = (text.trim().split("\n")[0] ?? "").trim().replace(/\s+/g, " ");
  const cut = Array.from(line).slice(0, NAME_MAX).join("");
  return cut.length < line.length ? `${cut.slice(0, 48).trimEnd()}…` : cut;
}

function readList({ storage }: Edge): { readonly list: readonly Conversation[]; readonly active: string } {
  try {
    const value = JSON.parse(storage.read(CELL) ?? "{}") as { list?: unknown; active?: unknown };
    const list = Array.isArray(value.list) ? value.list.filter(isConversation).slice(0, CONVERSATIONS_MAX) : [];
    return { list, active: typeof value.active === "string" ? value.active : "" };
  } catch {
    return { list: [], active: "" };
  }
}

function isConversation(value: unknown): value is Conversation {
  const one = value as Partial<Conversation> | null;
  return (
    typeof one?.key === "string" &&
    one.key.startsWith(PREFIX) &&
    one.key.length <= 120 &&
    typeof one.name === "string" &&
    typeof one.atMs === "number"
  );
}
