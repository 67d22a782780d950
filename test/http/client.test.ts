import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { RequestError, TransientError } from "../../src/core/errors.ts";
import { ApiError, DaemonUnreachableError, createApiClient } from "../../src/http/client.ts";
import { STATUS } from "./fake-event-loop.ts";
import { closeRigs, openRig } from "./rig.ts";

afterEach(closeRigs);

describe("the client", () => {
  it("makes every call", async () => {
    const rig = await openRig({ token: "t" });
    const api = createApiClient({ baseUrl: `${rig.url}/`, token: "t" });
    expect((await api.system()).version).toBe(STATUS.version);
    expect((await api.chats({ state: "idle", q: "a&b", limit: 5, cursor: undefined })).next).toBe("api:alice");
    expect((await api.chats()).items).toHaveLength(1);
    expect((await api.chat("api:alice")).waitingRows[0]?.receivedAt).toBe(12);
    expect((await api.why("api:alice")).sentence).toBe("Idle.");
    expect((await api.events("api:alice", { from: 2 })).items[0]?.revision).toBe(2);
    expect(await api.sendMessage("api:50%/é", { text: "hi", messageId: "m" })).toEqual({ seq: 1, duplicate: false });
    expect(await api.sendOut("telegram:1", { text: "hi" })).toEqual({ id: "42" });
    for (const action of [api.stop, api.reset, api.retry, api.passivate]) expect((await action("api:alice")).key).toBe("api:alice");
    await api.retry("api:alice", { skip: true });
    expect(rig.calls.find(({ name }) => name === "chats")?.args).toEqual([{ states: ["idle"], query: "a&b" }, { limit: 5 }]);
    expect(rig.calls.find(({ name }) => name === "addChatMessage")?.args[0]).toBe("api:50%/é");
    expect(rig.calls.at(-1)).toEqual({ name: "retry", args: ["api:alice", { skip: true }] });
  });

  it("passes refusals on with code, status, message and path", async () => {
    const rig = await openRig();
    const api = createApiClient({ baseUrl: rig.url });
    const bad: unknown = await api.sendMessage("api:a", { text: "" }).catch((error: unknown) => error);
    expect(bad).toBeInstanceOf(ApiError);
    expect(bad).toMatchObject({ code: "BAD_CONTENT", status: 400, path: "body.text", retryAfterMs: undefined });
    await expect(api.chat("api:nobody")).rejects.toMatchObject({ code: "CHAT_UNKNOWN", status: 404 });
    await expect(api.chat("no\ud800key")).rejects.toMatchObject({ code: "BAD_CHAT_KEY", status: 400 });
    rig.fail("addChatMessage", new TransientError("DRAINING", "going down", { retryAfterMs: 2_000 }));
    await expect(api.sendMessage("api:a", { text: "x" })).rejects.toMatchObject({ code: "DRAINING", status: 503, retryAfterMs: 2_000 });
    rig.fail("retry", new RequestError("WRONG_STATE", "nothing to retry"));
    await expect(api.retry("api:alice")).rejects.toMatchObject({ message: "nothing to retry", status: 409 });
    const guarded = await openRig({ token: "t" });
    await expect(createApiClient({ baseUrl: guarded.url, token: "no" }).system()).rejects.toMatchObject({
      code: "UNAUTHORIZED",
      status: 401,
    });
  });

  it("says when nobody answers", async () => {
    const rig = await openRig();
    await rig.server.stop();
    const error: unknown = await createApiClient({ baseUrl: rig.url })
      .system()
      .catch((refusal: unknown) => refusal);
    expect(error).toBeInstanceOf(DaemonUnreachableError);
    expect(error).toMatchObject({ code: "DAEMON_UNREACHABLE", message: expect.stringContaining(rig.url) as string });
  });

  it("says when nobody answers in time, or somebody else does", async () => {
    const rig = await openRig();
    const mute = await openRig({ loop: { ...rig.loop, status: () => new Promise(() => undefined) } });
    await expect(createApiClient({ baseUrl: mute.url, timeoutMs: 20 }).system()).rejects.toBeInstanceOf(DaemonUnreachableError);

    const other = createServer((_request, answer) => answer.end("<html>"));
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    await expect(createApiClient({ baseUrl: `http://127.0.0.1:${port}` }).system()).rejects.toMatchObject({
      message: expect.stringContaining("not satibot") as string,
    });
    other.close();
    other.closeAllConnections();
  });
});
