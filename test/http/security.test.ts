import { afterEach, describe, expect, it } from "vitest";
import { ConfigError } from "../../src/core/errors.ts";
import { createHttpServer } from "../../src/http/server.ts";
import { createFakeEventLoop } from "./fake-event-loop.ts";
import { type Rig, closeRigs, createTestClock, openRig, raw, rawBytes } from "./rig.ts";

afterEach(closeRigs);

const TOKEN = "s3cret+token";
const bearer = (token: string): Record<string, string> => ({ Authorization: `Bearer ${token}` });

describe("Host", () => {
  it.each([
    ["127.0.0.1:PORT", 200],
    ["127.0.0.1", 200],
    ["localhost:PORT", 200],
    ["LOCALHOST", 200],
    ["localhost:9000", 200],
    ["[::1]:PORT", 200],
    ["bot.example", 200],
    ["bot.example:8443", 200],
    ["exact.example:8443", 200],
    ["exact.example", 403],
    ["exact.example:1", 403],
    ["evil.example", 403],
    ["evil.example:PORT", 403],
    ["localhost.evil.example", 403],
    ["127.0.0.1.evil.example", 403],
    ["evil.example#localhost", 400],
    ["user@localhost", 400],
    ["192.168.1.1", 403],
    ["0.0.0.0", 403],
  ])("%s is %i", async (host, status) => {
    const rig = await openRig({ allowedHosts: ["bot.example", "exact.example:8443"] });
    const headers = { Host: host.replace("PORT", String(rig.port)) };
    expect((await raw(rig, { headers })).status).toBe(status);
    expect((await raw(rig, { method: "POST", path: "/api/chats/api:a/stop", headers })).status === 403).toBe(status === 403);
  });

  it("is not looked at for health", async () => {
    const rig = await openRig({ token: TOKEN });
    for (const path of ["/healthz", "/readyz"]) {
      expect((await raw(rig, { path, headers: { Host: "anything.example", Origin: "http://evil.example" } })).status).toBe(200);
    }
    expect(await rawBytes(rig, "GET /healthz HTTP/1.0\r\n\r\n")).toMatch(/^HTTP\/1\.1 200 /);
  });

  it("may be the address that the connection came in on when all addresses are served", async () => {
    const rig = await openRig({ host: "0.0.0.0", token: TOKEN });
    expect((await raw(rig, { headers: { Host: `127.0.0.1:${rig.port}`, ...bearer(TOKEN) } })).status).toBe(200);
    expect((await raw(rig, { headers: { Host: "192.0.2.1", ...bearer(TOKEN) } })).status).toBe(403);
  });
});

describe("Origin", () => {
  it.each([
    ["http://127.0.0.1:PORT", 200],
    ["http://localhost:PORT", 200],
    ["https://bot.example", 200],
    ["http://localhost:9999", 403],
    ["http://localhost", 403],
    ["http://evil.example", 403],
    ["https://bot.example.evil.example", 403],
    ["null", 403],
    ["file://", 403],
    ["", 403],
    ["http://127.0.0.1:PORT, http://evil.example", 403],
  ])("%s is %i", async (origin, status) => {
    const rig = await openRig({ allowedHosts: ["bot.example"] });
    expect((await raw(rig, { headers: { Origin: origin.replace("PORT", String(rig.port)) } })).status).toBe(status);
  });

  it("may be the page itself behind a forwarded port", async () => {
    const rig = await openRig();
    expect((await raw(rig, { headers: { Host: "localhost:9000", Origin: "http://localhost:9000" } })).status).toBe(200);
  });
});

describe("token", () => {
  it.each([
    [{}, 401],
    [bearer("wrong"), 401],
    [bearer(""), 401],
    [{ Authorization: `Basic ${TOKEN}` }, 401],
    [{ Authorization: TOKEN }, 401],
    [{ Cookie: "satibot_token=wrong" }, 401],
    [{ Cookie: `satibot_token=${TOKEN}` }, 401],
    [{ ...bearer("wrong"), Cookie: "" }, 401],
    [bearer(TOKEN), 200],
    [{ authorization: `bearer ${TOKEN}` }, 200],
  ])("%j is %i", async (headers, status) => {
    const rig = await openRig({ token: TOKEN });
    const answer = await raw(rig, { headers });
    expect(answer.status).toBe(status);
    expect(answer.headers["www-authenticate"]).toBe(status === 401 ? 'Bearer realm="satibot"' : undefined);
  });

  it.each(["/", "/api/chats", "/api/chats/api:a/stream", "/nowhere", "/webhook", "/hooks", "/api/system?token=s3cret%2Btoken"])(
    "is needed for %s",
    async (path) => {
      const rig = await openRig({ token: TOKEN });
      expect((await raw(rig, { path })).status).toBe(401);
      expect(rig.calls).toEqual([]);
    },
  );

  const login = (rig: Rig, path: string): ReturnType<typeof raw> => raw(rig, { path });

  it.each([encodeURIComponent(TOKEN), TOKEN])("signs a browser in by /?token=%s and leaves the address", async (token) => {
    const rig = await openRig({ token: TOKEN });
    const answer = await login(rig, `/?token=${token}&chat=a`);
    expect(answer).toMatchObject({ status: 303, headers: { location: "/?chat=a", "referrer-policy": "no-referrer" } });
    const cookie = String(answer.headers["set-cookie"]);
    expect(cookie).toMatch(/; HttpOnly/);
    expect(cookie).toMatch(/; SameSite=Strict/);
    expect(cookie).not.toContain("s3cret");
    const kept = { Cookie: `other=1; ${cookie.split(";")[0]}` };
    expect((await raw(rig, { headers: kept })).status).toBe(200);
    expect((await raw(rig, { headers: { ...kept, Origin: "http://localhost:1" } })).status).toBe(403);
  });

  it("refuses a wrong login, sets no cookie and logs no token", async () => {
    const rig = await openRig({ token: TOKEN });
    const answer = await login(rig, "/?token=guess-guess");
    expect(answer.status).toBe(401);
    expect(answer.headers["set-cookie"]).toBeUndefined();
    rig.fail("status", new Error("boom"));
    await raw(rig, { path: `/api/system?token=${TOKEN}`, headers: bearer(TOKEN) });
    expect(rig.lines.join("\n")).toContain("boom");
    expect(rig.lines.join("\n")).not.toMatch(/s3cret|guess/);
  });

  it("drops the parameter when no token is set", async () => {
    const rig = await openRig();
    expect(await login(rig, "/?token=x")).toMatchObject({ status: 303, headers: { location: "/" } });
  });
});

describe("start", () => {
  const build = (options: { host: string; port?: number; token?: string }) =>
    createHttpServer({
      loop: createFakeEventLoop().loop,
      port: 0,
      clock: createTestClock(),
      log: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
      ...options,
    });

  it.each([{ host: "0.0.0.0" }, { host: "::" }, { host: "192.0.2.1" }, { host: "example.com", token: "" }])(
    "refuses %j without a token",
    async (options) => {
      const error: unknown = await build(options)
        .start()
        .catch((refusal: unknown) => refusal);
      expect(error).toBeInstanceOf(ConfigError);
      expect(error).toMatchObject({ code: "CONFIG_INVALID", path: "http.token" });
    },
  );

  it("says that a port is in use", async () => {
    const rig = await openRig();
    const starting = build({ host: "127.0.0.1", port: rig.port }).start();
    await expect(starting).rejects.toMatchObject({
      code: "PORT_IN_USE",
      path: "http.port",
      message: expect.stringContaining("SATIBOT_PORT") as string,
    });
  });

  it("says that an address is not of this machine", async () => {
    await expect(build({ host: "192.0.2.1", token: "t" }).start()).rejects.toMatchObject({ code: "CONFIG_INVALID", path: "http.host" });
  });

  it("sends the security headers with every answer", async () => {
    const rig = await openRig();
    for (const path of ["/api/system", "/nowhere", "/api/chats/%", "*"]) {
      expect((await raw(rig, { path })).headers).toMatchObject({
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
        "content-security-policy": expect.stringContaining("frame-ancestors 'none'") as string,
        "content-type": expect.stringContaining("application/json") as string,
      });
    }
  });
});
