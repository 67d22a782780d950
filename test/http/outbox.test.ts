import { afterEach, describe, expect, it } from "vitest";
import { createApiClient } from "../../src/http/client.ts";
import { closeRigs, openRig } from "./rig.ts";

afterEach(closeRigs);

describe("the outbox over HTTP", () => {
  it("lists, sends again and removes", async () => {
    const rig = await openRig();
    const api = createApiClient({ baseUrl: rig.url });
    expect(await api.outbox({ status: "dead", chat: "api:a", limit: 5 })).toMatchObject({
      items: [{ id: "7", status: "ambiguous" }],
      next: "7",
    });
    expect(await api.retryPart("7")).toMatchObject({ id: "7" });
    expect(await api.purgePart("7")).toEqual({ id: "7" });
    const asked = rig.calls.filter(({ name }) => name === "outbox").map(({ args }) => args);
    expect(asked).toEqual([
      ["list", { status: "dead", chat: "api:a" }, { limit: 5 }],
      ["retry", "7"],
      ["purge", "7"],
    ]);
  });

  it("refuses a status that there is not", async () => {
    const rig = await openRig();
    const answer = await fetch(`${rig.url}/api/outbox?status=lost`);
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining("one of draft, waiting")]);
    expect((await fetch(`${rig.url}/api/outbox/7/retry`)).status).toBe(405);
  });
});
