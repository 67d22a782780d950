/** Facts that only the host process knows. */
export interface Host {
  readonly version: string;
  readonly node: string;
  readonly loopDelayMs: () => { readonly p50: number; readonly p99: number; readonly now: number };
  readonly memoryBytes: () => number;
  /** Space of the file system that holds the store; undefined when nobody can tell. */
  readonly disk?: () => Promise<{ readonly freeBytes: number; readonly totalBytes: number } | undefined>;
}

/** A host that tells nothing: for tests and programs that look after it themselves. */
export const NO_HOST: Host = { version: "0", node: "local", loopDelayMs: () => ({ p50: 0, p99: 0, now: 0 }), memoryBytes: () => 0 };
