import type { ChatKey } from "../core/chat-key.ts";
import type { StreamEvent } from "./api.ts";

export type StreamListener = (event: StreamEvent) => void;

/** Hands live events of a chat to whoever watches it; costs a Map look-up when nobody does. */
export interface StreamHub {
  readonly isWatched: (key: ChatKey) => boolean;
  readonly publish: (key: ChatKey, event: StreamEvent) => void;
  /** Answers a function that ends the subscription. */
  readonly watch: (key: ChatKey, listener: StreamListener) => () => void;
}

export function createStreamHub(): StreamHub {
  const listeners = new Map<ChatKey, Set<StreamListener>>();
  return {
    isWatched: (key) => listeners.has(key),
    publish: (key, event) => {
      const watching = listeners.get(key);
      if (watching) for (const listener of watching) listener(event);
    },
    watch: (key, listener) => {
      const watching = listeners.get(key) ?? new Set();
      watching.add(listener);
      listeners.set(key, watching);
      return () => {
        watching.delete(listener);
        if (watching.size === 0) listeners.delete(key);
      };
    },
  };
}
