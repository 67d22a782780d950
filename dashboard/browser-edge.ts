/** The only place that touches the browser's clock, chance, storage and network state. */
import type { Edge, KeyValue } from "./edge.ts";

export function createBrowserEdge(): Edge {
  return {
    now: () => new Date().getTime(),
    setTimer: (delayMs, wake) => {
      const timer = window.setTimeout(wake, delayMs);
      return () => window.clearTimeout(timer);
    },
    id: randomId,
    chance: () => (window.crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32,
    storage: createBrowserStorage(),
    isOnline: () => navigator.onLine,
    onVisibility: (listener) => document.addEventListener("visibilitychange", () => listener(document.visibilityState === "visible")),
    onWake: (listener) => {
      const visible = (): void => {
        if (document.visibilityState === "visible") listener();
      };
      window.addEventListener("online", listener);
      window.addEventListener("offline", listener);
      document.addEventListener("visibilitychange", visible);
      return () => {
        window.removeEventListener("online", listener);
        window.removeEventListener("offline", listener);
        document.removeEventListener("visibilitychange", visible);
      };
    },
  };
}

/** `crypto.randomUUID` is missing on plain http under any name but localhost, where a phone of the same network would be. */
function randomId(): string {
  const bytes = window.crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** Falls back to memory where storage is closed: then nothing survives a reload. */
function createBrowserStorage(): KeyValue {
  const memory = new Map<string, string>();
  return {
    read: (name) => {
      try {
        return window.localStorage.getItem(name) ?? memory.get(name);
      } catch {
        return memory.get(name);
      }
    },
    write: (name, value) => {
      try {
        window.localStorage.setItem(name, value);
        memory.delete(name);
        return true;
      } catch {
        memory.set(name, value);
        return false;
      }
    },
    onForeignWrite: (listener) =>
      window.addEventListener("storage", ({ key }) => {
        if (key !== null) listener(key);
      }),
    remove: (name) => {
      memory.delete(name);
      try {
        window.localStorage.removeItem(name);
      } catch {
        // Closed storage holds nothing.
      }
    },
  };
}
