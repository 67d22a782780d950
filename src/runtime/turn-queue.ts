/**
 * Who may run a turn next: a fixed number of slots, fair between chats and between classes.
 *
 * A chat asks for one slot at a time and goes to the end of its class after each turn, which is round robin between chats. Between
 * classes the earliest request wins, cron counted as if it had come later by its handicap: people go first, and nobody waits for ever.
 * One slot in four is for people alone.
 * A heartbeat has one slot of its own beside the others, so that a long one takes nothing from a person. Suspects (turns found running after an unclean end) have one slot of their own, beside the others; they begin
 * when all have asked: the most accused first, so that an innocent one clears itself, and of equals the one that has waited longest; only
 * the one that was alone at the last death goes last. So deaths from outside are not held against one turn again and again.
 */
import type { ChatKey } from "../core/chat-key.ts";
import { TURN_CLASSES, type TurnClass } from "../core/turn-class.ts";
import type { Clock } from "../ports/clock.ts";

export interface SlotRequest {
  readonly turnClass: TurnClass;
  readonly suspect: boolean;
  /** Of a suspect. */
  readonly suspicion?: Suspicion | undefined;
}

/** What speaks against a turn that was running when the process died. */
export interface Suspicion {
  /** Counted failures: deaths of the process while it ran alone among them. */
  readonly failures: number;
  /** Its last attempt began then, epoch milliseconds. */
  readonly sinceMs: number;
}

export interface TurnQueue {
  /** Asks for a slot; `grant(key)` is called (never from inside this call) when it is the chat's turn. Asking again while asking changes nothing. */
  readonly request: (key: ChatKey, request: SlotRequest) => void;
  /** Takes a free slot at once when nobody of its class waits; later `request` of the key is then granted at once. */
  readonly reserve: (key: ChatKey, turnClass: TurnClass) => boolean;
  /** Gives back the slot or the request of a chat; nothing when it has none. */
  readonly release: (key: ChatKey) => void;
  readonly hasSlot: (key: ChatKey) => boolean;
  /** Chats ahead of a waiting one; undefined when it does not wait. */
  readonly ahead: (key: ChatKey) => number | undefined;
  readonly facts: () => {
    readonly waiting: number;
    readonly running: number;
    readonly slots: number;
    readonly byClass: Readonly<Record<TurnClass, number>>;
  };
  /** The end of a turn is stored: a suspect that has left its slot is not alone with a death any more. */
  readonly stored: (key: ChatKey) => void;
  /** All suspects have asked by now: they may begin. */
  readonly recovered: () => void;
  /** From now on there are so many slots: fewer are reached as running turns end, of which none is aborted. */
  readonly resize: (slots: number) => void;
  /** Grants nothing until it is opened. */
  readonly open: () => void;
  readonly close: () => void;
}

/** Milliseconds by which a class is put behind an interactive request of the same instant. */
const HANDICAP_MS = { interactive: 0, cron: 2_000 } as const satisfies Partial<Record<TurnClass, number>>;
/** Classes that share the slots. */
const SHARING = ["interactive", "cron"] as const satisfies readonly TurnClass[];

type Waiters = Map<ChatKey, number>;

export function createTurnQueue(options: {
  slots: number;
  clock: Clock;
  grant: (key: ChatKey) => void;
  /** The end of the chat's turn is on its way to the store: until it is there, a death is still held against that turn. Default never. */
  isStoring?: (key: ChatKey) => boolean;
}): TurnQueue {
  const { clock, grant, isStoring = () => false } = options;
  let { slots } = options;
  // A Map keeps the order of insertion: first in, first out, with removal by key.
  const waiting: Record<TurnClass, Waiters> = { interactive: new Map(), cron: new Map(), heartbeat: new Map() };
  const suspects = new Map<ChatKey, Suspicion>();
  let isRecovered = false;
  /** It was alone when the process died the last time. */
  let lastAlone: ChatKey | undefined;
  const running = new Set<ChatKey>();
  /** Those of them that have a cron turn. */
  const ofJobs = new Set<ChatKey>();
  /** It has the slot of the heartbeats. */
  let beating: ChatKey | undefined;
  const granted: ChatKey[] = [];
  let suspectRunning: ChatKey | undefined;
  /** It has released the suspect slot, and has it until its end is stored. */
  let leaving: ChatKey | undefined;
  let isOpen = false;
  let isPumping = false;

  /** A slot in four is kept for people, so that a storm of jobs holds none of them up. */
  const mayRunJob = (): boolean => ofJobs.size < Math.max(1, slots - Math.ceil(slots / 4));

  const begin = (key: ChatKey, turnClass: TurnClass): void => {
    running.add(key);
    if (turnClass === "cron") ofJobs.add(key);
  };

  const nextClass = (): TurnClass | undefined => {
    let best: TurnClass | undefined;
    let bestAtMs = Number.POSITIVE_INFINITY;
    for (const turnClass of SHARING) {
      const first = waiting[turnClass].values().next();
      if (turnClass === "cron" && !mayRunJob()) continue;
      if (!first.done && first.value + HANDICAP_MS[turnClass] < bestAtMs) {
        best = turnClass;
        bestAtMs = first.value + HANDICAP_MS[turnClass];
      }
    }
    return best;
  };

  const take = (waiters: Waiters): ChatKey | undefined => {
    const [key] = waiters.keys();
    if (key !== undefined) waiters.delete(key);
    return key;
  };

  /** Whether one suspect begins before another. */
  const comesBefore = ([one, a]: readonly [ChatKey, Suspicion], [other, b]: readonly [ChatKey, Suspicion]): boolean => {
    if (one === lastAlone || other === lastAlone) return one !== lastAlone;
    return a.failures === b.failures ? a.sinceMs < b.sinceMs : a.failures > b.failures;
  };

  const takeSuspect = (): ChatKey | undefined => {
    let first: readonly [ChatKey, Suspicion] | undefined;
    for (const suspect of suspects) if (!first || comesBefore(suspect, first)) first = suspect;
    if (first) suspects.delete(first[0]);
    return first?.[0];
  };

  const fill = (): void => {
    if (!isOpen) return;
    while (running.size < slots) {
      const turnClass = nextClass();
      const key = turnClass && take(waiting[turnClass]);
      if (turnClass === undefined || key === undefined) break;
      begin(key, turnClass);
      granted.push(key);
    }
    if (beating === undefined && waiting.heartbeat.size > 0) {
      beating = take(waiting.heartbeat);
      if (beating !== undefined) granted.push(beating);
    }
    if (isRecovered && suspectRunning === undefined && suspects.size > 0) {
      suspectRunning = takeSuspect();
      if (suspectRunning !== undefined) granted.push(suspectRunning);
    }
  };

  const pump = (): void => {
    fill();
    if (granted.length === 0 || isPumping) return;
    isPumping = true;
    queueMicrotask(() => {
      isPumping = false;
      for (const key of granted.splice(0)) if (holds(key)) grant(key);
    });
  };

  const leave = (key: ChatKey): void => {
    if (leaving !== key || isStoring(key)) return;
    leaving = undefined;
    suspectRunning = undefined;
    pump();
  };

  const holds = (key: ChatKey): boolean => running.has(key) || suspectRunning === key || beating === key;

  const giveBack = (key: ChatKey): void => {
    running.delete(key);
    ofJobs.delete(key);
    if (beating === key) beating = undefined;
  };

  return {
    request: (key, request) => {
      // A reserved slot is a normal one: a suspect gives it back and waits for its own.
      if (request.suspect) giveBack(key);
      else if (suspectRunning === key) suspectRunning = undefined;
      if (leaving === key) leaving = undefined;
      if (holds(key)) granted.push(key);
      else if (request.suspect) {
        if (!suspects.has(key)) suspects.set(key, request.suspicion ?? { failures: 0, sinceMs: clock.now() });
      } else if (!waiting[request.turnClass].has(key)) waiting[request.turnClass].set(key, clock.now());
      pump();
    },
    reserve: (key, turnClass) => {
      const isFull = turnClass === "heartbeat" ? beating !== undefined : running.size >= slots || (turnClass === "cron" && !mayRunJob());
      if (!isOpen || isFull || waiting[turnClass].size > 0 || holds(key)) return false;
      if (turnClass === "heartbeat") beating = key;
      else begin(key, turnClass);
      return true;
    },
    release: (key) => {
      giveBack(key);
      if (suspectRunning === key) {
        leaving = key;
        // What follows the release in the same transition says whether its end is to be stored.
        queueMicrotask(() => leave(key));
      }
      suspects.delete(key);
      for (const turnClass of TURN_CLASSES) waiting[turnClass].delete(key);
      pump();
    },
    hasSlot: holds,
    ahead: (key) => {
      const own = suspects.get(key);
      if (own) return [...suspects].filter((other) => comesBefore(other, [key, own])).length;
      for (const waiters of TURN_CLASSES.map((turnClass) => waiting[turnClass])) {
        if (!waiters.has(key)) continue;
        let place = 0;
        for (const other of waiters.keys()) {
          if (other === key) return place;
          place += 1;
        }
      }
      return undefined;
    },
    facts: () => {
      const byClass = { interactive: waiting.interactive.size + suspects.size, cron: waiting.cron.size, heartbeat: waiting.heartbeat.size };
      return {
        waiting: byClass.interactive + byClass.cron + byClass.heartbeat,
        running: running.size + (suspectRunning === undefined ? 0 : 1) + (beating === undefined ? 0 : 1),
        slots,
        byClass,
      };
    },
    stored: (key) => leave(key),
    recovered: () => {
      if (!isRecovered) lastAlone = newestAccused(suspects);
      isRecovered = true;
      pump();
    },
    resize: (wanted) => {
      slots = wanted;
      pump();
    },
    open: () => {
      isOpen = true;
      pump();
    },
    close: () => {
      isOpen = false;
    },
  };
}

/** They run one after the other: the one that began last was running. */
function newestAccused(suspects: ReadonlyMap<ChatKey, Suspicion>): ChatKey | undefined {
  let newest: readonly [ChatKey, Suspicion] | undefined;
  for (const suspect of suspects) if (suspect[1].failures > 0 && suspect[1].sinceMs > (newest?.[1].sinceMs ?? 0)) newest = suspect;
  return newest?.[0];
}
