/** The output of the terminal: counts what it has not taken yet, and outlives a reader that went away. */
export type TerminalOutput = NodeJS.WritableStream & {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  readonly destroyed?: boolean;
};

export interface Sink {
  /** Hands a text over; `done` is called once, with the error when the output did not take it. */
  readonly write: (text: string, done?: (error?: Error | null) => void) => void;
  /** UTF-16 units that the output has not taken yet. */
  readonly pending: () => number;
  /** True once the reader is gone (EPIPE, closed): nothing can be written any more. */
  readonly isGone: () => boolean;
}

const GONE: ReadonlySet<string> = new Set(["EPIPE", "ECONNRESET", "EIO", "ERR_STREAM_DESTROYED", "ERR_STREAM_WRITE_AFTER_END"]);

/** True for errors by which surely nobody has read what was written. */
export function isReaderGone(error: unknown): boolean {
  return error instanceof Error && "code" in error && typeof error.code === "string" && GONE.has(error.code);
}

/** @param gone - called once, when the reader has gone */
export function createSink(output: TerminalOutput, gone: () => void): Sink {
  let pending = 0;
  let hasGone = false;
  const leave = (): void => {
    if (hasGone) return;
    hasGone = true;
    gone();
  };
  // For as long as the process lives: an error without a listener would end it.
  output.on("error", (error) => {
    if (isReaderGone(error)) leave();
  });
  output.on("close", leave);
  return {
    write: (text, done) => {
      if (hasGone || output.destroyed) {
        leave();
        return done?.(Object.assign(new Error("the output is closed"), { code: "EPIPE" }));
      }
      pending += text.length;
      output.write(text, (error?: Error | null) => {
        pending -= text.length;
        if (isReaderGone(error)) leave();
        done?.(error);
      });
    },
    pending: () => pending,
    isGone: () => hasGone || output.destroyed === true,
  };
}
