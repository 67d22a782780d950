import { afterEach, describe, expect, it } from "vitest";
import { createGateway, type Gateway } from "../../src/app/gateway.ts";
import { raw } from "../http/rig.ts";

const TOKEN = "deploy-token-1234";

describe("hooks of a gateway", () => {
  let gateway: Gateway;
  afterEach(() => gateway.shutdown());

  it("are answered by the agent, known again by their key, and never obeyed as commands", async () => {
    gateway = createGateway({
      http: { port: 0 },
      hooks: { deploy: { token: TOKEN, chat: "api:ops" }, other: { token: TOKEN, chat: "api:ops" } },
    });
    await gateway.start();
    const port = gateway.address()?.port ?? 0;
    const given = async (name: string, body: string, key: string): Promise<unknown> => {
      const headers = { Authorization: `Bearer ${TOKEN}`, "Idempotency-Key": key };
      const answer = await raw({ port }, { method: "POST", path: `/hooks/${name}`, body, headers });
      return answer.status === 202 ? JSON.parse(answer.text) : answer.status;
    };
    expect(await given("deploy", "/stop", "k1")).toEqual({ seq: 1, duplicate: false });
    expect(await given("deploy", "/stop", "k1")).toEqual({ seq: 1, duplicate: true });
    expect(await given("deploy", "another text", "k1")).toBe(409);
    expect(await given("other", "another text", "k1")).toEqual({ seq: 2, duplicate: false });
    for await (const event of gateway.stream("api:ops", { after: "0" })) {
      if (event.type !== "reply" || !event.inReplyTo.includes(1)) continue;
      expect(event.text).toBe("You said: /stop");
      break;
    }
  });
});
