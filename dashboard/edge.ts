/** What the page asks of its browser beside showing things: time, chance, storage, the network. `browser-edge.ts` is the real one. */

export interface KeyValue {
  readonly read: (name: string) => string | undefined;
  /** False when the browser refused, being full or closed to storage. */
  readonly write: (name: string, value: string) => boolean;
  readonly remove: (name: string) => void;
  /** Calls back when another tab has written. */
  readonly onForeignWrite: (listener: (name: string) => void) => void;
}

export interface Edge {
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Answers a function that cancels it. */
  readonly setTimer: (delayMs: number, wake: () => void) => () => void;
  /** 128 bits of chance as a UUID. */
  readonly id: () => string;
  /** From 0 to 1. */
  readonly chance: () => number;
  readonly storage: KeyValue;
  readonly isOnline: () => boolean;
  /** Calls back whenever the network may have come or gone, or the page is looked at again. Answers a function that ends it. */
  readonly onWake: (listener: () => void) => () => void;
  /** Tells whether the page is looked at, whenever that changes. */
  readonly onVisibility: (listener: (isVisible: boolean) => void) => void;
}
