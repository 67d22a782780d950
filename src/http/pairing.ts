import { RequestError } from "../core/errors.ts";
import type { EventLoop } from "../runtime/api.ts";
import { readJsonBody } from "./body.ts";
import type { HttpContext, Route } from "./routes.ts";
import { wirePairing, wirePairingCode, wirePerson } from "./wire.ts";

/** Who may write over channels with an allow list: people, requests and one-time codes. Bodies: `{ id }`. */
export function pairingRoutes({ pairing }: Pick<EventLoop, "pairing">): readonly Route[] {
  const post = (what: string, answer: (channel: string, c: HttpContext) => Promise<object>): Route => ({
    method: "POST",
    path: `/api/pairing/:channel/${what}`,
    answer: async (c) => c.json(await answer(c.req.path.split("/")[3] ?? "", c)),
  });
  return [
    {
      method: "GET",
      path: "/api/pairing",
      answer: async (c) => c.json({ items: (await pairing.list()).map(wirePairing), next: null }),
    },
    post("code", async (channel) => wirePairingCode(await pairing.issue(channel))),
    post("approve", async (channel, c) => wirePerson(await pairing.approve(channel, await idOf(c)))),
    post("revoke", async (channel, c) => {
      const id = await idOf(c);
      await pairing.revoke(channel, id);
      return { id };
    }),
  ];
}

async function idOf(c: HttpContext): Promise<string> {
  const { id } = await readJsonBody(c.env.incoming);
  if (typeof id === "string") return id;
  throw new RequestError("BAD_REQUEST", "body.id: write the id of a person, as GET /api/pairing shows it", { path: "body.id" });
}
