/** Server-sent events from text that arrives in pieces. @see https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream */

export interface SseEvent {
  readonly name: string;
  readonly id: string | undefined;
  readonly text: string;
}

/** UTF-16 units of one unfinished event; the server sends at most a few hundred KiB. */
const PENDING_MAX = 8 * 1024 * 1024;

export interface SseParser {
  /** The events that this piece completes. @throws Error when one event is over 8 Mi units */
  readonly feed: (piece: string) => readonly SseEvent[];
}

export function createSseParser(): SseParser {
  let pending = "";
  return {
    feed: (piece) => {
      pending += piece;
      const events: SseEvent[] = [];
      for (let end = pending.indexOf("\n\n"); end >= 0; end = pending.indexOf("\n\n")) {
        const event = eventOf(pending.slice(0, end));
        if (event) events.push(event);
        pending = pending.slice(end + 2);
      }
      if (pending.length > PENDING_MAX) throw new Error("an event of the stream is too large");
      return events;
    },
  };
}

function eventOf(block: string): SseEvent | undefined {
  let name = "message";
  let id: string | undefined;
  const lines: string[] = [];
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon === 0) continue;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") name = value;
    else if (field === "id") id = value;
    else if (field === "data") lines.push(value);
  }
  return lines.length === 0 ? undefined : { name, id, text: lines.join("\n") };
}
