import { afterEach, describe, expect, it } from "vitest";
import { RequestError, TransientError } from "../../src/core/errors.ts";
import { createHooks, type HookOptions } from "../../src/http/hooks.ts";
import { parseTemplate } from "../../src/http/hook-template.ts";
import { createFakeEventLoop } from "./fake-event-loop.ts";
import { closeRigs, openRig, raw, type RawAnswer, type Rig } from "./rig.ts";

afterEach(closeRigs);

const TOKEN = "deploy-token-1234";
const HOOKS = {
  deploy: { token: TOKEN, chat: "api:ops", template: "Deployed {{service.name}} by {{user}}" },
  raw: { token: "raw-token", chat: "telegram:1" },
  lost: { token: "lost-token", chat: "telegram:99" },
} as const;

const post = (
  rig: { readonly port: number },
  name: string,
  body: string | Uint8Array,
  headers: Record<string, string> = {},
): Promise<RawAnswer> => raw(rig, { method: "POST", path: `/hooks/${name}`, body, headers });
const bearer = (token = TOKEN): Record<string, string> => ({ Authorization: `Bearer ${token}` });
const codeOf = ({ status, text }: RawAnswer): readonly [number, unknown] => [
  status,
  (JSON.parse(text) as { error?: { code?: unknown } }).error?.code,
];
const lastCall = (rig: Rig): readonly unknown[] | undefined => rig.calls.findLast(({ name }) => name === "addChatMessage")?.args;

describe("hooks", () => {
  it("put the filled template into their chat and answer 202 after the commit", async () => {
    const rig = await openRig({ hooks: HOOKS });
    const answer = await post(rig, "deploy", '{"service":{"name":"web"},"user":"ann"}', { ...bearer(), "Idempotency-Key": "build-7" });
    expect([answer.status, JSON.parse(answer.text)]).toEqual([202, { seq: 1, duplicate: false }]);
    expect(lastCall(rig)).toEqual([
      "api:ops",
      [{ type: "text", text: "Deployed web by ann" }],
      { messageId: "build-7", sender: { id: "hook:deploy", name: "deploy" }, hook: "deploy" },
    ]);
  });

  it("without a template say the body, whatever it is", async () => {
    const rig = await openRig({ hooks: HOOKS });
    for (const body of ["plain words", '{"a":1}', "/stop"]) {
      expect((await post(rig, "raw", body, { "X-Hook-Token": "raw-token" })).status).toBe(202);
      expect(lastCall(rig)?.[1]).toEqual([{ type: "text", text: body }]);
    }
  });

  it("ask for their own token and no other", async () => {
    const rig = await openRig({ hooks: HOOKS, token: "http-token" });
    const tries: readonly Record<string, string>[] = [
      {},
      bearer("raw-token"),
      bearer("http-token"),
      { "X-Hook-Token": `${TOKEN} ` + "x" },
      { "X-Hook-Token": "" },
      { Authorization: `Basic ${TOKEN}` },
    ];
    for (const headers of tries) expect(codeOf(await post(rig, "deploy", "{}", headers))).toEqual([401, "UNAUTHORIZED"]);
    expect(lastCall(rig)).toBeUndefined();
    expect((await post(rig, "deploy", "{}", { "X-Hook-Token": TOKEN })).status).toBe(202);
    expect((await post(rig, "deploy", "{}", bearer())).status).toBe(202);
    expect((await raw(rig, { path: "/api/system", headers: bearer() })).status).toBe(401);
  });

  it("that do not exist are 404 and do not say which do", async () => {
    const rig = await openRig({ hooks: HOOKS });
    for (const name of ["nothing", "constructor", "", "deploy%2f", "DEPLOY", "deploy/more"]) {
      const answer = await post(rig, name, "{}", bearer());
      expect([name, codeOf(answer)]).toEqual([name, [404, "NOT_FOUND"]]);
      expect(answer.text.replace(/POST \S+/, "")).not.toMatch(/deploy|raw|lost/);
    }
  });

  it("keep the rules of Host and Origin, and POST alone", async () => {
    const rig = await openRig({ hooks: HOOKS, allowedHosts: ["ci.example"] });
    expect((await post(rig, "deploy", "{}", { ...bearer(), Host: "evil.example" })).status).toBe(403);
    expect((await post(rig, "deploy", "{}", { ...bearer(), Host: "ci.example" })).status).toBe(202);
    expect((await raw(rig, { path: "/hooks/deploy", headers: bearer() })).status).toBe(405);
  });

  it.each<[string, string | Uint8Array, Record<string, string>, readonly [number, string]]>([
    ["a body that is not JSON where fields are taken", "user=ann", {}, [400, "BAD_REQUEST"]],
    ["a body that is not UTF-8", Buffer.from([0xff, 0xfe]), {}, [400, "BAD_REQUEST"]],
    ["a body over 1 MiB", Buffer.alloc(1024 * 1024 + 1, "x"), {}, [413, "TOO_LARGE"]],
    ["a key that is too long", "{}", { "Idempotency-Key": "k".repeat(257) }, [400, "BAD_REQUEST"]],
    ["a key that is empty", "{}", { "Idempotency-Key": " " }, [400, "BAD_REQUEST"]],
  ])("refuse %s", async (_, body, headers, expected) => {
    const rig = await openRig({ hooks: HOOKS });
    expect(codeOf(await post(rig, "deploy", body, { ...bearer(), ...headers }))).toEqual(expected);
    expect(lastCall(rig)).toBeUndefined();
  });

  it("refuse a body without any text", async () => {
    const rig = await openRig({ hooks: HOOKS });
    expect(codeOf(await post(rig, "raw", " \n", { "X-Hook-Token": "raw-token" }))).toEqual([400, "BAD_CONTENT"]);
  });

  it.each([
    [new RequestError("MESSAGE_CONFLICT", "messageId"), 409, "MESSAGE_CONFLICT", /Idempotency-Key/],
    [new RequestError("INBOX_FULL", "full"), 429, "INBOX_FULL", /full/],
    [new TransientError("DRAINING", "draining"), 503, "DRAINING", /draining/],
  ])("pass on %s", async (error, status, code, message) => {
    const rig = await openRig({ hooks: HOOKS });
    rig.fail("addChatMessage", error);
    const answer = await post(rig, "deploy", "{}", bearer());
    expect(codeOf(answer)).toEqual([status, code]);
    expect(answer.text).toMatch(message);
    expect(answer.headers["retry-after"] !== undefined).toBe(status !== 409);
  });

  it("say what to do when their chat was never met", async () => {
    const rig = await openRig({ hooks: HOOKS });
    const answer = await post(rig, "lost", "{}", { "X-Hook-Token": "lost-token" });
    expect(codeOf(answer)).toEqual([404, "CHAT_UNKNOWN"]);
    expect(answer.text).toMatch(/write to the bot there once/);
  });

  it("may be others from one request to the next; what is wrong changes nothing", async () => {
    const rig = await openRig({ hooks: HOOKS });
    rig.server.setHooks({ alarm: { token: "alarm-token", chat: "api:ops" } });
    expect((await post(rig, "deploy", "{}", { "X-Hook-Token": TOKEN })).status).toBe(404);
    expect((await post(rig, "alarm", "fire", { "X-Hook-Token": "alarm-token" })).status).toBe(202);
    expect(() => rig.server.setHooks({ alarm: { token: "", chat: "api:ops" } })).toThrow(
      expect.objectContaining({ code: "CONFIG_INVALID" }),
    );
    expect((await post(rig, "alarm", "fire again", { "X-Hook-Token": "alarm-token" })).status).toBe(202);
  });

  it.each<[string, Partial<HookOptions>, string]>([
    ["deploy", { token: "" }, "hooks.deploy.token"],
    ["deploy", { chat: "nowhere" }, "hooks.deploy.chat"],
    ["deploy", { template: "{{a b}}" }, "hooks.deploy.template"],
    ["deploy", { template: " " }, "hooks.deploy.template"],
    ["De ploy", {}, "hooks.De ploy"],
  ])("are checked before anything listens: %s with %o", (name, options, path) => {
    const make = (): unknown => createHooks(createFakeEventLoop().loop, { [name]: { token: "t", chat: "api:a", ...options } });
    expect(make).toThrow(expect.objectContaining({ code: "CONFIG_INVALID", path }));
  });
});

describe("hook templates", () => {
  const body = JSON.stringify({ a: { b: ["x", { c: true }], n: 7, zero: null }, "with-dash": "d", text: "{{a.n}} & <b>\u0007\r\nnext" });

  it.each([
    ["{{a.n}}/{{ a.b.0 }}/{{a.b.1.c}}", "7/x/true"],
    ["[{{a.b}}]", '[["x",{"c":true}]]'],
    ["{{a.zero}}{{a.none}}{{none.at.all}}{{a.n.toFixed}}{{a.b.length}}{{__proto__.x}}", "2"],
    ["{{with-dash}}", "d"],
    ["{{text}}", "{{a.n}} & <b>\nnext"],
    ["no hole", "no hole"],
    ["{ {x} } {{a.n}}", "{ {x} } 7"],
  ])("%j becomes %j", (template, expected) => expect(parseTemplate(template)(body)).toBe(expected));

  it("cut what is too long", () => {
    const filled = parseTemplate("{{body}}")("x".repeat(20_000));
    expect([filled.length, filled.at(-1)]).toEqual([16_000, "…"]);
  });
});
