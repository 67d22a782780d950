import { createRequire } from "node:module";
import type Yaml from "yaml";

/** The line, from 1, on which the deepest known step of `path` stands in a YAML or JSON text; undefined when it is not there at all. */
export function lineOf(text: string, path: readonly (string | number)[]): number | undefined {
  const { LineCounter, isMap, isScalar, isSeq, parseDocument } = loadYaml();
  const counter = new LineCounter();
  let node: unknown = parseDocument(text, { lineCounter: counter, logLevel: "silent" }).contents;
  let offset: number | undefined;
  for (const step of path) {
    if (isSeq(node) && typeof step === "number") {
      node = node.items[step];
      offset = rangeStart(node) ?? offset;
    } else if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step));
      if (pair === undefined) break;
      offset = rangeStart(pair.key) ?? offset;
      node = pair.value;
    } else break;
  }
  return offset === undefined ? undefined : counter.linePos(offset).line;
}

/** Loaded late: only a mistake needs it. */
function loadYaml(): typeof Yaml {
  return createRequire(import.meta.url)("yaml") as typeof Yaml;
}

function rangeStart(node: unknown): number | undefined {
  const { isMap, isScalar, isSeq } = loadYaml();
  return (isMap(node) || isSeq(node) || isScalar(node)) && node.range ? node.range[0] : undefined;
}

/**
 * The line, from 1, at which a text stops being JSON; undefined when it is JSON.
 * Found by parsing ever longer beginnings: one that could still go on fails at its own end. Only for files small enough to be written by hand.
 */
export function brokenJsonLine(text: string): number | undefined {
  const lines = text.split("\n");
  for (let count = 1; count <= lines.length; count += 1) {
    const beginning = lines.slice(0, count).join("\n");
    const failure = jsonFailure(beginning);
    if (failure === undefined) {
      if (lines.slice(count).join("").trim() === "") return undefined;
      continue;
    }
    const position = /at position (\d+)/.exec(failure)?.[1];
    const canGoOn = /end of JSON|Unterminated/.test(failure) || (position !== undefined && Number(position) >= beginning.trimEnd().length);
    if (!canGoOn || count === lines.length) return count;
  }
  return lines.length;
}

function jsonFailure(text: string): string | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
