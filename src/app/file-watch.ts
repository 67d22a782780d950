import { stat } from "node:fs/promises";
import type { Clock } from "../ports/clock.ts";

export interface FileWatchOptions {
  readonly file: string;
  readonly clock: Clock;
  /** Called when the file is another than at the last call, or at the beginning, and has stayed so for one look. */
  readonly changed: () => void;
  /** Milliseconds between two looks; default 1,000. */
  readonly everyMs?: number;
  /** What tells one state of the file from another; undefined while there is none. Default: its modification time, size and inode. */
  readonly look?: (file: string) => Promise<string | undefined>;
}

/**
 * Looks at a file from time to time: that works on every file system, and with editors and deployments that put another file in its place.
 * A file that is away for a moment, or still being written, is waited for. Answers the function that ends it.
 */
export function watchFile({ file, clock, changed, everyMs = 1_000, look = stampOf }: FileWatchOptions): () => void {
  let known: string | undefined;
  let before: string | undefined;
  let isEnded = false;
  let cancel: () => void = () => undefined;

  const again = (): void => {
    if (isEnded) return;
    cancel = clock.setTimer(everyMs, () => {
      void look(file).then((now) => {
        if (now !== undefined && now !== known && now === before) {
          known = now;
          if (!isEnded) changed();
        }
        before = now;
        again();
      });
    });
  };
  void look(file).then((now) => {
    known = now;
    before = now;
    again();
  });
  return () => {
    isEnded = true;
    cancel();
  };
}

async function stampOf(file: string): Promise<string | undefined> {
  try {
    const { mtimeMs, size, ino } = await stat(file);
    return `${mtimeMs}/${size}/${ino}`;
  } catch {
    return undefined;
  }
}
