import { RequestError } from "../../core/errors.ts";

/**
 * The number in a cursor, or `first` without one.
 * @throws RequestError BAD_CURSOR for a cursor that no page gave
 */
export function cursorNumber(cursor: string | undefined, first = 0): number {
  if (cursor === undefined) return first;
  if (/^\d{1,15}$/.test(cursor)) return Number(cursor);
  throw new RequestError(
    "BAD_CURSOR",
    `cursor ${JSON.stringify(cursor.slice(0, 60))} is of no page; take the one that came with the last page`,
    { path: "cursor" },
  );
}
