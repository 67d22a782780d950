/** Query parameters: absent or empty means the default, anything unusable is a 400 that names the parameter. */
import { isChannelName } from "../core/chat-key.ts";
import { RequestError } from "../core/errors.ts";
import type { PageRequest } from "../ports/store/records.ts";
import type { ChatFilter } from "../ports/store/store.ts";

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1_000;
/** Most UTF-16 units of a cursor or a filter. */
const TEXT_UNITS_MAX = 512;
const STATES_MAX = 32;
/** Ids are 64-bit signed in every store. */
const OUTBOX_ID_MAX = 2n ** 63n - 1n;
// oxlint-disable-next-line no-control-regex -- control characters are what is refused
const UNUSABLE = /[\u0000-\u001f\u007f-\u009f\ufffd]/;

/** `?limit=` and `?cursor=`. @throws RequestError BAD_REQUEST, BAD_CURSOR */
export function pageOf(query: URLSearchParams): PageRequest {
  const limit = wholeNumber(query, "limit", 1, LIMIT_MAX) ?? LIMIT_DEFAULT;
  const cursor = query.get("cursor") ?? "";
  if (cursor === "") return { limit };
  if (cursor.length > TEXT_UNITS_MAX || UNUSABLE.test(cursor)) throw badCursor();
  return { limit, cursor };
}

/** `?state=` (several joined by commas), `?channel=` and `?q=`. @throws RequestError BAD_REQUEST */
export function chatFilterOf(query: URLSearchParams): ChatFilter {
  const states = (text(query, "state") ?? "").split(",").filter((state) => state !== "");
  if (states.length > STATES_MAX) refuse("state", `names more than ${STATES_MAX} states; ask for fewer`);
  const channel = text(query, "channel");
  if (channel !== undefined && !isChannelName(channel)) refuse("channel", 'must be a channel name such as "telegram"');
  const wanted = text(query, "q")?.normalize("NFC");
  return {
    ...(states.length === 0 ? {} : { states }),
    ...(channel === undefined ? {} : { channel }),
    ...(wanted === undefined ? {} : { query: wanted }),
  };
}

/** First revision of `/events`: the cursor of a page before, `?from=`, or 0. @throws RequestError BAD_REQUEST, BAD_CURSOR */
export function revisionOf(query: URLSearchParams): number {
  const cursor = query.get("cursor") ?? "";
  if (cursor === "") return wholeNumber(query, "from", 0, Number.MAX_SAFE_INTEGER) ?? 0;
  if (!/^\d{1,15}$/.test(cursor)) throw badCursor();
  return Number(cursor);
}

/** The outbox id after which a stream goes on: `Last-Event-ID`, which a browser sends when it reconnects, before `?after=`. @throws RequestError BAD_CURSOR */
export function afterOf(query: URLSearchParams, lastEventId: string | undefined): string | undefined {
  const header = lastEventId?.trim() ?? "";
  const after = header === "" ? (query.get("after") ?? "") : header;
  if (after === "") return undefined;
  if (/^\d{1,19}$/.test(after)) {
    const id = BigInt(after);
    if (id <= OUTBOX_ID_MAX) return id.toString();
  }
  throw new RequestError(
    "BAD_CURSOR",
    "the outbox id to go on after must be a decimal number, as replies carry it; leave it out to hear what comes from now on",
    {
      path: header === "" ? "query.after" : "header.last-event-id",
    },
  );
}

function wholeNumber(query: URLSearchParams, name: string, min: number, max: number): number | undefined {
  const given = query.get(name) ?? "";
  if (given === "") return undefined;
  const value = /^\d{1,16}$/.test(given) ? Number(given) : Number.NaN;
  return value >= min && value <= max ? value : refuse(name, `must be a whole number from ${min} to ${max}`);
}

function text(query: URLSearchParams, name: string): string | undefined {
  const given = query.get(name) ?? "";
  if (given === "") return undefined;
  if (given.length > TEXT_UNITS_MAX || UNUSABLE.test(given)) refuse(name, `must be at most ${TEXT_UNITS_MAX} printable characters`);
  return given;
}

function refuse(name: string, why: string): never {
  throw new RequestError("BAD_REQUEST", `query parameter ${name}: ${why}`, { path: `query.${name}` });
}

function badCursor(): RequestError {
  return new RequestError("BAD_CURSOR", "the cursor is none that a page gave; take it from `next`, or leave it out to begin anew", {
    path: "query.cursor",
  });
}
