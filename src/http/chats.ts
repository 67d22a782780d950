import type { EventLoop } from "../runtime/api.ts";
import { parseMessageBody, parseRetryBody, readJsonBody } from "./body.ts";
import { chatFilterOf, pageOf, revisionOf } from "./query.ts";
import { type HttpContext, type Route, chatKeyOf, queryOf } from "./routes.ts";
import { type WireEvent, type WirePage, wireChat, wireChatDetail, wireEvent, wireWhy } from "./wire.ts";

/** Routes of chats but for their stream. Message bodies: `{ text | content, messageId?, sender?, direction?: "in" | "out" }`. */
export function chatRoutes(loop: EventLoop): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/api/chats",
      answer: async (c) => {
        const page = await loop.chats(chatFilterOf(queryOf(c)), pageOf(queryOf(c)));
        return c.json({ items: page.items.map(wireChat), next: page.next ?? null });
      },
    },
    { method: "GET", path: "/api/chats/:key", answer: async (c) => c.json(wireChatDetail(await loop.chat(chatKeyOf(c)))) },
    {
      method: "DELETE",
      path: "/api/chats/:key",
      answer: async (c) => {
        const key = chatKeyOf(c);
        await loop.erase(key);
        return c.json({ key });
      },
    },
    { method: "GET", path: "/api/chats/:key/export", answer: async (c) => c.json(await loop.export(chatKeyOf(c))) },
    { method: "GET", path: "/api/chats/:key/why", answer: async (c) => c.json(wireWhy(await loop.why(chatKeyOf(c)))) },
    { method: "GET", path: "/api/chats/:key/events", answer: async (c) => c.json(await eventsPage(loop, c)) },
    { method: "POST", path: "/api/chats/:key/messages", answer: (c) => postMessage(loop, c) },
    { method: "POST", path: "/api/chats/:key/stop", answer: (c) => act(c, loop.stop) },
    { method: "POST", path: "/api/chats/:key/reset", answer: (c) => act(c, loop.reset) },
    { method: "POST", path: "/api/chats/:key/passivate", answer: (c) => act(c, loop.passivate) },
    {
      method: "POST",
      path: "/api/chats/:key/retry",
      answer: (c) => act(c, (key, body) => loop.retry(key, parseRetryBody(body))),
    },
  ];
}

async function eventsPage(loop: EventLoop, c: HttpContext): Promise<WirePage<WireEvent>> {
  const query = queryOf(c);
  const from = revisionOf(query);
  // The cursor is a revision here, so it is read by revisionOf.
  query.delete("cursor");
  const { limit } = pageOf(query);
  const rows = await loop.events(chatKeyOf(c), from, limit);
  const last = rows.at(-1);
  return { items: rows.map(wireEvent), next: last !== undefined && rows.length >= limit ? String(last.revision + 1) : null };
}

/** 202 after the commit: `{ seq, duplicate }`, or `{ id }` for what is delivered to the person without a turn. */
async function postMessage(loop: EventLoop, c: HttpContext): Promise<Response> {
  const key = chatKeyOf(c);
  const { content, direction, messageId, sender } = parseMessageBody(await readJsonBody(c.env.incoming));
  if (direction === "out") return c.json({ id: await loop.send(key, content) }, 202);
  const { seq, duplicate } = await loop.addChatMessage(key, content, { messageId, sender });
  return c.json({ seq, duplicate }, 202);
}

async function act(
  c: HttpContext,
  action: (key: string, body: Readonly<Record<string, unknown>>) => ReturnType<EventLoop["stop"]>,
): Promise<Response> {
  const key = chatKeyOf(c);
  const body = await readJsonBody(c.env.incoming);
  return c.json(wireChatDetail(await action(key, body)));
}
