import { isDeepStrictEqual } from "node:util";
import { isPlainObject } from "./plain-object.ts";

/** Paths at which two values differ, such as `http.port`, in the order of their names; lists are looked at as a whole. Never the values. */
export function changedPaths(before: object, after: object): readonly string[] {
  const one = before as Readonly<Record<string, unknown>>;
  const other = after as Readonly<Record<string, unknown>>;
  const keys = [...new Set([...Object.keys(one), ...Object.keys(other)])].sort();
  return keys.flatMap((key) => {
    const [left, right] = [one[key], other[key]];
    if (isDeepStrictEqual(left, right)) return [];
    if (isPlainObject(left) && isPlainObject(right)) return changedPaths(left, right).map((path) => `${key}.${path}`);
    return [key];
  });
}
