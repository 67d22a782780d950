import * as z from "zod";
import type { Problem } from "./problem.ts";

/**
 * Checks a value against a schema; every issue becomes a problem at its path below `at`, unknown keys with the nearest known one.
 * @returns the checked value, or undefined when there were problems
 */
export function check<T>(schema: z.ZodType<T>, value: unknown, at: Problem["path"], problems: Problem[]): T | undefined {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  for (const issue of result.error.issues) {
    const path = [...at, ...issue.path.map((step) => (typeof step === "number" ? step : String(step)))];
    if (issue.code === "unrecognized_keys") {
      // Channels are checked apart, but they are keys at the top of a file like any others.
      const known = [...keysAt(schema, issue.path), ...(path.length === 0 ? ["channels"] : [])];
      for (const key of issue.keys) problems.push({ path: [...path, key], message: unknownKey(key, known) });
    } else if (issue.code === "invalid_type" && valueAt(value, issue.path) === undefined && issue.message.startsWith("must be")) {
      problems.push({ path, message: `is missing; it ${issue.message}` });
    } else if (issue.code === "invalid_key") {
      // Of a name that is wrong its own message says more than that of the section around it.
      problems.push({ path, message: issue.issues[0]?.message ?? issue.message });
    } else {
      problems.push({ path, message: issue.message });
    }
  }
  return undefined;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((here, step) => (typeof here === "object" && here !== null ? Reflect.get(here, step) : undefined), value);
}

/** `unknown key; did you mean "port"?`, or the keys there are. */
export function unknownKey(key: string, known: readonly string[]): string {
  const near = nearest(key, known);
  return near === undefined ? `unknown key; remove it, or write one of ${known.join(", ")}` : `unknown key; did you mean "${near}"?`;
}

/** The one of `names` that a typing mistake could have made into `word`, or undefined. */
export function nearest(word: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.min(3, Math.floor(word.length / 2) + 1);
  for (const name of names) {
    const distance = editDistance(word.toLowerCase(), name.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [name, distance];
  }
  return best;
}

/** Levenshtein with swaps of neighbours counted once. Words are cut at 40 characters. */
function editDistance(left: string, right: string): number {
  const [a, b] = [left.slice(0, 40), right.slice(0, 40)];
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, place) => place)];
  const cell = (i: number, j: number): number => rows[i]?.[j] ?? Number.POSITIVE_INFINITY;
  for (let i = 1; i <= a.length; i += 1) {
    rows[i] = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1];
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const steps = [cell(i - 1, j) + 1, cell(i, j - 1) + 1, cell(i - 1, j - 1) + (same ? 0 : 1)];
      if (swapped) steps.push(cell(i - 2, j - 2) + 1);
      (rows[i] ?? [])[j] = Math.min(...steps);
    }
  }
  return cell(a.length, b.length);
}

/** The keys of the object schema at a path; empty when there is none. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let here = unwrapped(schema);
  for (const step of path) {
    if (here instanceof z.ZodObject) here = unwrapped(here.shape[String(step)]);
    else if (here instanceof z.ZodArray) here = unwrapped(here.element);
    else if (here instanceof z.ZodRecord) here = unwrapped(here.valueType);
    else return [];
  }
  return here instanceof z.ZodObject ? Object.keys(here.shape) : [];
}

/** The schema below defaults, optionals and transforms. */
function unwrapped(schema: unknown): unknown {
  let here = schema;
  for (let depth = 0; depth < 10; depth += 1) {
    if (here instanceof z.ZodPipe) here = here.def.in;
    else if (here instanceof z.ZodOptional || here instanceof z.ZodDefault || here instanceof z.ZodPrefault) here = here.def.innerType;
    else return here;
  }
  return here;
}
