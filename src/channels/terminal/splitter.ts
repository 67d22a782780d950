import { StringDecoder } from "node:string_decoder";

export type SplitLine = { readonly line: string } | { readonly line: undefined; readonly why: "tooLong" };

/** Lines of a byte stream: `\n` or `\r\n` ends one, the end of the stream too. Holds at most what was pushed and one line. */
export interface LineSplitter {
  readonly push: (chunk: Buffer | string) => void;
  readonly end: () => void;
  /** The next complete line, or that one was over the limit; undefined when none is complete. */
  readonly next: () => SplitLine | undefined;
}

const BOM = /^\ufeff/;

/** @param bytesMax - most UTF-8 bytes of a line; the rest of a longer one is skipped, not kept */
export function createLineSplitter(bytesMax: number): LineSplitter {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  let place = 0;
  let isFirst = true;
  let isSkipping = false;
  let isEnded = false;

  const complete = (text: string): SplitLine => {
    const line = text.endsWith("\r") ? text.slice(0, -1) : text;
    if (!isSkipping && Buffer.byteLength(line) <= bytesMax) return { line };
    isSkipping = false;
    return { line: undefined, why: "tooLong" };
  };

  return {
    push: (chunk) => {
      rest = rest.slice(place) + (typeof chunk === "string" ? chunk : decoder.write(chunk));
      place = 0;
      if (isFirst) rest = rest.replace(BOM, "");
      if (rest !== "") isFirst = false;
    },
    end: () => {
      rest = rest.slice(place) + decoder.end();
      place = 0;
      isEnded = true;
    },
    next: () => {
      const end = rest.indexOf("\n", place);
      if (end >= 0) {
        const text = rest.slice(place, end);
        place = end + 1;
        return complete(text);
      }
      const last = rest.slice(place);
      place = 0;
      rest = last;
      if (!isEnded) {
        // One more for a `\r` that may end it.
        if (Buffer.byteLength(last) <= bytesMax + 1) return undefined;
        isSkipping = true;
        rest = "";
        return undefined;
      }
      rest = "";
      return last === "" && !isSkipping ? undefined : complete(last);
    },
  };
}
