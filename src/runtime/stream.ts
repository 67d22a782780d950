/** The live events of one chat as an async iterable: first what was missed, then what comes. Replies are never doubled nor left out. */
import type { ChatKey } from "../core/chat-key.ts";
import { textOf } from "../core/content.ts";
import type { OutboxPart } from "../ports/store/records.ts";
import type { StreamEvent, StreamOptions } from "./api.ts";
import type { Chats } from "./chats.ts";
import type { Kernel } from "./kernel.ts";
import type { TurnRunner } from "./turn-runner.ts";

/** Events kept for a reader that is behind; beyond it the stream ends, and the reader comes back with its last id. */
const BACKLOG_MAX = 10_000;
const PAGE = 500;

export async function* streamChat(
  kernel: Kernel,
  chats: Chats,
  runner: TurnRunner,
  key: ChatKey,
  options: StreamOptions,
): AsyncGenerator<StreamEvent> {
  const backlog: StreamEvent[] = [];
  let wake: (() => void) | undefined;
  let isOver = false;
  const end = (): void => {
    isOver = true;
    wake?.();
  };
  const unwatch = kernel.hub.watch(key, (event) => {
    backlog.push(event);
    if (backlog.length > BACKLOG_MAX) end();
    else wake?.();
  });
  options.signal?.addEventListener("abort", end, { once: true });
  kernel.closed.addEventListener("abort", end, { once: true });
  if (options.signal?.aborted || kernel.closed.aborted) isOver = true;
  try {
    const run = runner.runOf(key);
    const entry = chats.get(key);
    if (entry?.actor) yield { type: "state", state: entry.state, since: entry.sinceMs };
    // What is streamed from here on is in the backlog; its offsets continue this text.
    if (run?.claim && !run.outcome && run.text !== "") {
      const text = run.text.slice(0, offsetOfFirstDelta(backlog, run.claim.turnId) ?? run.text.length);
      if (text !== "") yield { type: "delta", turnId: run.claim.turnId, attempt: run.claim.attempt, offset: 0, text };
    }
    let last = options.after;
    while (last !== undefined && !isOver) {
      const missed: readonly OutboxPart[] | "gone" = await kernel.store.outbox.after(key, last, PAGE);
      if (missed === "gone") {
        yield { type: "reset" };
        break;
      }
      for (const part of missed) yield replyOf(part);
      last = missed.at(-1)?.id ?? last;
      if (missed.length < PAGE) break;
    }
    while (!isOver || backlog.length > 0) {
      const event = backlog.shift();
      if (!event) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        wake = undefined;
        continue;
      }
      if (isOver && backlog.length >= BACKLOG_MAX) return;
      if (event.type === "reply" && last !== undefined && !isLater(event.id, last)) continue;
      yield event;
    }
  } finally {
    unwatch();
    options.signal?.removeEventListener("abort", end);
    kernel.closed.removeEventListener("abort", end);
  }
}

function offsetOfFirstDelta(backlog: readonly StreamEvent[], turnId: string): number | undefined {
  const first = backlog.find((event) => event.type === "delta" && event.turnId === turnId);
  return first?.type === "delta" ? first.offset : undefined;
}

function replyOf(part: OutboxPart): StreamEvent {
  const { id, turnId, part: place, of, content, inReplyTo } = part;
  return { type: "reply", id, turnId, part: place, of, content, text: textOf(content), inReplyTo };
}

/** Outbox ids are decimal strings of any length. */
function isLater(id: string, than: string): boolean {
  return id.length === than.length ? id > than : id.length > than.length;
}
