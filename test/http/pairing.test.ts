import { afterEach, describe, expect, it } from "vitest";
import { createApiClient } from "../../src/http/client.ts";
import { closeRigs, openRig } from "./rig.ts";

afterEach(closeRigs);

describe("pairing over HTTP", () => {
  it("lists, issues, approves and revokes", async () => {
    const rig = await openRig();
    const api = createApiClient({ baseUrl: rig.url });
    expect(await api.pairing()).toEqual({ items: [], next: null });
    expect(await api.pairingCode("telegram")).toEqual({ channel: "telegram", code: "ABCD-EFGH", account: "@bot", expiresAt: 1 });
    expect(await api.approve("telegram", "7")).toEqual({ id: "7", role: "guest", since: 1 });
    expect(await api.revoke("telegram", "7")).toEqual({ id: "7" });
    const asked = rig.calls.filter(({ name }) => name === "pairing").map(({ args }) => args);
    expect(asked).toEqual([["list"], ["issue", "telegram"], ["approve", "telegram", "7"], ["revoke", "telegram", "7"]]);
  });

  it.each([["{}"], ['{"id":7}'], ["[]"], ["no json"]])("refuses the body %s with 400", async (body) => {
    const rig = await openRig();
    const answer = await fetch(`${rig.url}/api/pairing/telegram/approve`, { method: "POST", body });
    expect(answer.status).toBe(400);
    expect(rig.calls).toEqual([]);
  });

  it("asks for the token, as every route does", async () => {
    const rig = await openRig({ token: "the-token" });
    expect((await fetch(`${rig.url}/api/pairing`)).status).toBe(401);
    expect((await fetch(`${rig.url}/api/pairing/telegram/code`, { method: "POST" })).status).toBe(401);
  });
});
