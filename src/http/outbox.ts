import { RequestError } from "../core/errors.ts";
import type { EventLoop, OutboxStatus } from "../runtime/api.ts";
import { pageOf } from "./query.ts";
import { queryOf, type HttpContext, type Route } from "./routes.ts";
import { wirePart } from "./wire.ts";

const STATUSES: ReadonlySet<string> = new Set<OutboxStatus>(["draft", "waiting", "sending", "sent", "ambiguous", "expired", "dead"]);

/** Replies and dead letters, over all chats or those of `?chat=`. */
export function outboxRoutes({ outbox }: Pick<EventLoop, "outbox">): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/api/outbox",
      answer: async (c) => {
        const query = queryOf(c);
        const chat = query.get("chat") ?? "";
        const page = await outbox.list({ ...statusOf(query), ...(chat === "" ? {} : { chat }) }, pageOf(query));
        return c.json({ items: page.items.map(wirePart), next: page.next ?? null });
      },
    },
    { method: "POST", path: "/api/outbox/:id/retry", answer: async (c) => c.json(wirePart(await outbox.retry(idOf(c)))) },
    {
      method: "DELETE",
      path: "/api/outbox/:id",
      answer: async (c) => {
        await outbox.purge(idOf(c));
        return c.json({ id: idOf(c) });
      },
    },
  ];
}

function statusOf(query: URLSearchParams): { readonly status?: OutboxStatus } {
  const status = query.get("status") ?? "";
  if (status === "") return {};
  if (STATUSES.has(status)) return { status: status as OutboxStatus };
  throw new RequestError("BAD_REQUEST", `query parameter status: must be one of ${[...STATUSES].join(", ")}`, { path: "query.status" });
}

function idOf(c: HttpContext): string {
  return c.req.path.split("/")[3] ?? "";
}
