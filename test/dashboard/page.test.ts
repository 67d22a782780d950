import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { closeRigs, openRig, raw } from "../http/rig.ts";

const BROWSER = { Accept: "text/html,application/xhtml+xml,*/*;q=0.8" };
const INDEX = '<!doctype html><script type="module" src="/assets/index-abc.js"></script>';
let directory = "";

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "satibot-files-"));
  await mkdir(join(directory, "assets"));
  await writeFile(join(directory, "index.html"), INDEX);
  await writeFile(join(directory, "secret.txt"), "classified");
  await writeFile(join(directory, "assets/index-abc.js"), "let a = 1;");
  await writeFile(join(directory, "assets/icon-abc.svg"), "<svg/>");
  await writeFile(join(directory, "assets/notes.txt"), "not for browsers");
  await symlink(join(directory, "secret.txt"), join(directory, "assets/link-abc.js"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));
afterEach(closeRigs);

describe("/", () => {
  it("is the page for a browser, and the list of routes for a program", async () => {
    const rig = await openRig({ pageDirectory: directory });
    const page = await raw(rig, { path: "/", headers: BROWSER });
    expect(page).toMatchObject({ status: 200, text: INDEX });
    expect(page.headers).toMatchObject({
      "content-type": "text/html; charset=utf-8",
      "cache-control": "private, no-cache",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
      vary: "Accept",
    });
    for (const headers of [{ Accept: "" }, { Accept: "application/json" }, { Accept: "*/*" }]) {
      const list = await raw(rig, { path: "/", headers });
      expect(JSON.parse(list.text)).toMatchObject({ name: "satibot" });
      expect(list.headers["content-security-policy"]).toBe("default-src 'none'; frame-ancestors 'none'");
    }
  });

  it("allows nothing inline and nothing from elsewhere", async () => {
    const rig = await openRig({ pageDirectory: directory });
    const policy = String((await raw(rig, { path: "/", headers: BROWSER })).headers["content-security-policy"]);
    expect(policy.split("; ").toSorted()).toEqual([
      "base-uri 'none'",
      "connect-src 'self'",
      "default-src 'none'",
      "form-action 'self'",
      "frame-ancestors 'none'",
      "img-src 'self' data:",
      "script-src 'self'",
      "style-src 'self'",
    ]);
  });

  it("is asked for again by its tag", async () => {
    const rig = await openRig({ pageDirectory: directory });
    const first = await raw(rig, { path: "/", headers: BROWSER });
    const etag = String(first.headers.etag);
    expect(await raw(rig, { path: "/", headers: { ...BROWSER, "If-None-Match": `W/"x", ${etag}` } })).toMatchObject({
      status: 304,
      text: "",
    });
    expect((await raw(rig, { path: "/", headers: { ...BROWSER, "If-None-Match": '"x"' } })).status).toBe(200);
    expect(await raw(rig, { method: "HEAD", path: "/", headers: BROWSER })).toMatchObject({ status: 200, text: "" });
  });

  it("says how to build the page where it is not built, and finds it once it is", async () => {
    const later = await mkdtemp(join(tmpdir(), "satibot-later-"));
    const rig = await openRig({ pageDirectory: later });
    const answer = await raw(rig, { path: "/", headers: BROWSER });
    expect(answer).toMatchObject({ status: 503 });
    expect(answer.text).toContain("npm run build");
    await mkdir(join(later, "assets"));
    await writeFile(join(later, "index.html"), "built");
    expect(await raw(rig, { path: "/", headers: BROWSER })).toMatchObject({ status: 200, text: "built" });
    await rm(later, { recursive: true });
  });

  it("is the list of routes for all when the page is switched off", async () => {
    const rig = await openRig({ pageDirectory: directory, page: false });
    expect(JSON.parse((await raw(rig, { path: "/", headers: BROWSER })).text)).toMatchObject({ name: "satibot" });
    expect((await raw(rig, { path: "/assets/index-abc.js" })).status).toBe(404);
  });
});

describe("/assets", () => {
  it("are served with their type, for good", async () => {
    const rig = await openRig({ pageDirectory: directory });
    const script = await raw(rig, { path: "/assets/index-abc.js" });
    expect(script).toMatchObject({ status: 200, text: "let a = 1;" });
    expect(script.headers["content-type"]).toBe("text/javascript; charset=utf-8");
    expect(script.headers["cache-control"]).toContain("immutable");
    expect((await raw(rig, { path: "/assets/icon-abc.svg" })).headers["content-type"]).toBe("image/svg+xml");
    expect((await raw(rig, { method: "POST", path: "/assets/icon-abc.svg" })).status).toBe(405);
  });

  it.each([
    "/assets/",
    "/assets/missing.js",
    "/assets/notes.txt",
    "/assets/link-abc.js",
    "/assets/../secret.txt",
    "/assets/..%2Fsecret.txt",
    "/assets/%2e%2e/secret.txt",
    "/assets/..\\secret.txt",
    "/assets//index-abc.js",
    "/assets/index-abc.js/",
    "/assets/index%2Dabc.js",
    "/assets/__proto__",
    "/secret.txt",
    "/index.html",
  ])("%s does not exist", async (path) => {
    const rig = await openRig({ pageDirectory: directory });
    const answer = await raw(rig, { path, headers: BROWSER });
    expect([400, 404]).toContain(answer.status);
    expect(answer.text).not.toContain("classified");
    expect(JSON.parse(answer.text)).toHaveProperty("error.code");
  });

  it("keep the rules of Host and token", async () => {
    const rig = await openRig({ pageDirectory: directory, token: "t" });
    expect((await raw(rig, { path: "/assets/index-abc.js" })).status).toBe(401);
    expect((await raw(rig, { path: "/", headers: { ...BROWSER, Host: "evil.example" } })).status).toBe(403);
    expect((await raw(rig, { path: "/assets/index-abc.js", headers: { Authorization: "Bearer t" } })).status).toBe(200);
  });
});

describe("a browser that is not signed in", () => {
  it("is asked for the token, and told when it is wrong", async () => {
    const rig = await openRig({ pageDirectory: directory, token: "t<oken" });
    const asked = await raw(rig, { path: "/", headers: BROWSER });
    expect(asked.status).toBe(401);
    expect(asked.headers["content-type"]).toContain("text/html");
    expect(asked.headers["cache-control"]).toBe("no-store");
    expect(asked.headers["content-security-policy"]).toMatch(/^default-src 'none'.*style-src 'sha256-/);
    expect(asked.text).toContain('name="token"');
    expect(asked.text).not.toContain("is wrong");
    const wrong = await raw(rig, { path: "/?token=<b>no", headers: BROWSER });
    expect(wrong.status).toBe(401);
    expect(wrong.text).toContain("That token is wrong");
    expect(wrong.text).not.toContain("<b>no");
  });

  it("gets the page with the cookie of the right one", async () => {
    const rig = await openRig({ pageDirectory: directory, token: "t" });
    const login = await raw(rig, { path: "/?token=t", headers: BROWSER });
    expect(login).toMatchObject({ status: 303, headers: { location: "/" } });
    const cookie = String(login.headers["set-cookie"]).split(";")[0] ?? "";
    expect(await raw(rig, { path: "/", headers: { ...BROWSER, Cookie: cookie } })).toMatchObject({ status: 200, text: INDEX });
  });

  it("stays JSON for programs, and everywhere but at /", async () => {
    const rig = await openRig({ pageDirectory: directory, token: "t" });
    for (const request of [{ path: "/" }, { path: "/?token=no" }, { path: "/api/system", headers: BROWSER }]) {
      const answer = await raw(rig, request);
      expect(answer.status).toBe(401);
      expect(JSON.parse(answer.text)).toMatchObject({ error: { code: "UNAUTHORIZED" } });
    }
  });
});
