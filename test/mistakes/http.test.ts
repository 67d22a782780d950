/** Mistakes of callers, on a real daemon: a 4xx that names the field and the remedy, nothing stored, and the next message answered. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { raw } from "../http/rig.ts";
import { openRig, type Daemon, type Rig } from "../e2e/rig.ts";
import { expectAnswers, logOf } from "./rig.ts";

const MESSAGES = "/api/chats/api:bad/messages";
const TOKEN = "s3cret";

let rig: Rig;
let daemon: Daemon;
beforeAll(async () => {
  rig = await openRig();
  daemon = rig.start();
  await daemon.ready();
});
afterAll(() => rig.close());

interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly path?: string;
}

async function post(body: string | Uint8Array, headers: Readonly<Record<string, string>> = {}, path = MESSAGES) {
  const answer = await raw(rig, { method: "POST", path, body, headers });
  return { status: answer.status, ...(JSON.parse(answer.text) as { readonly error?: Refusal }) };
}
const json = (value: unknown): string => JSON.stringify(value);
const sized = (body: string | Uint8Array): Record<string, string> => ({ "Content-Length": String(Buffer.byteLength(body)) });
const TEN_MB = json({ text: "x".repeat(10_000_000) });

describe("a bad message", () => {
  it.each<[string, string | Uint8Array, number, string, string, Record<string, string>?]>([
    ["a broken JSON body", '{"text": "hi"', 400, "body", 'is not JSON; send an object such as { "text": "hello" }'],
    ["a form in place of JSON", "text=hi", 400, "body", 'is not JSON; send an object such as { "text": "hello" }'],
    ["a JSON list", "[]", 400, "body", "must be a JSON object"],
    ["10 MB", TEN_MB, 413, "body", "is over 1048576 bytes; send less", sized(TEN_MB)],
    ["10 MB in chunks, its length not told", TEN_MB, 413, "body", "is over 1048576 bytes", { "Transfer-Encoding": "chunked" }],
    ["text over 64 KiB", json({ text: "x".repeat(65_537) }), 413, "body.text", "is over 65536 bytes; send it in several messages"],
    ["no text at all", "{}", 400, "body.text", 'give either "text" or "content"'],
    ["empty text", json({ text: "" }), 400, "body.text", "is empty; write at least one visible character"],
    ["blank text", json({ text: " \n\t\u00a0 " }), 400, "body.text", "is empty; write at least one visible character"],
    ["a lone surrogate", '{"text":"a \\ud83d b"}', 400, "body.text", "must be a well-formed string"],
    ["invalid UTF-8", Buffer.from('{"text":"\xff\xfe"}', "latin1"), 400, "body", "is not UTF-8; encode it so"],
    ["deep nesting", `{"text":${"[".repeat(400_000)}${"]".repeat(400_000)}}`, 400, "body.text", "must be a string"],
    ["deep content", `{"content":${"[".repeat(400_000)}${"]".repeat(400_000)}}`, 400, "body.content", "must be"],
  ])("of %s is refused", async (_what, body, status, path, message, headers = {}) => {
    const { error, status: answered } = await post(body, headers);
    expect({ status: answered, path: error?.path, message: error?.message }).toEqual({
      status,
      path: expect.stringContaining(path),
      message: expect.stringContaining(message),
    });
  });

  it("may carry a wrong content type, since only its bytes count", async () => {
    expect(await post(json({ text: "hi" }), { "Content-Type": "text/plain" }, "/api/chats/api:typed/messages")).toMatchObject({
      status: 202,
    });
  });
});

describe("a chat key", () => {
  const keyed = (key: string) => post(json({ text: "hi" }), {}, `/api/chats/${encodeURIComponent(key)}/messages`);

  it("with slashes, spaces, dots and emoji works when it is percent-encoded", async () => {
    const key = "api:a/../b ?#%2f 👩‍👩‍👧";
    expect(await keyed(key)).toMatchObject({ status: 202 });
    await expectAnswers(rig, key);
    expect((await rig.cli(["chats", "show", key, "--json"])).stdout).toContain(JSON.stringify(key));
  });

  it("of 128 characters works, emoji counted as one", async () => {
    expect(await keyed(`api:${"🐢".repeat(124)}`)).toMatchObject({ status: 202 });
  });

  it.each([
    ["over 128 characters", `api:${"🐢".repeat(125)}`, 400, "BAD_CHAT_KEY", "has more than 128 characters; shorten it"],
    ["with a control character", "api:a\u001b[31m", 400, "BAD_CHAT_KEY", "has a control character; remove it"],
    ["with a control character beyond ASCII", "api:a\u009b31m", 400, "BAD_CHAT_KEY", 'chat key "api:a\\u009b31m": has a control character'],
    ["without a channel", "alice", 400, "BAD_CHAT_KEY", 'needs the form "channel:rest", such as "api:alice"'],
    ["with nothing after the colon", "api:", 400, "BAD_CHAT_KEY", "needs at least one character after the colon"],
    ["of a channel in capitals", "API:a", 400, "BAD_CHAT_KEY", "the channel before the colon is a lower-case letter"],
    ["of an unknown channel", "discord:1", 404, "CHAT_UNKNOWN", "has never been met; a chat of this channel begins on its platform"],
  ])("%s is refused", async (_what, key, status, code, message) => {
    const answer = await keyed(key);
    expect(answer).toMatchObject({ status, error: { code, path: "key", message: expect.stringContaining(message) } });
    // Nothing of it may steer a terminal.
    expect(answer.error?.message).not.toMatch(/\p{Cc}/u);
  });

  it.each(["%", "api:%zz", "api:%ff", "api:%ed%a0%80"])("of broken percent-encoding is refused: %s", async (segment) => {
    expect(await post(json({ text: "hi" }), {}, `/api/chats/${segment}/messages`)).toMatchObject({
      status: 400,
      error: { code: "BAD_CHAT_KEY", path: "key" },
    });
  });
});

describe("a webhook", () => {
  it.each([
    ["of a platform that is not configured", "/webhooks/telegram", "takes webhooks; check the address that the platform calls"],
    ["of a channel without webhooks", "/webhooks/web", "takes webhooks; check the address that the platform calls"],
    ["of a hook that is not configured", "/hooks/deploy", "there is no such hook; check its name against `hooks` in the configuration"],
  ])("%s is refused", async (_what, path, message) => {
    const answer = await post(json({ text: "hi" }), {}, path);
    expect(answer).toMatchObject({ status: 404, error: { code: "NOT_FOUND", message: expect.stringContaining(message) } });
  });
});

describe("a foreign page", () => {
  it.each([
    ["a foreign Host", { Host: "evil.example" }, "header.host"],
    ["a rebound name with the right port", { Host: "evil.example:PORT" }, "header.host"],
    ["this machine's name as a part of another", { Host: "localhost.evil.example:PORT" }, "header.host"],
    ["a foreign Origin", { Origin: "https://evil.example" }, "header.origin"],
    ["the Origin of a file or a sandbox", { Origin: "null" }, "header.origin"],
    ["the Origin of another port", { Origin: "http://localhost:1" }, "header.origin"],
  ])("is refused for %s, on the page and the API alike, but for health", async (_what, given, path) => {
    const headers = Object.fromEntries(
      Object.entries({ Host: "localhost", ...given }).map(([name, value]) => [name, value.replace("PORT", String(rig.port))]),
    );
    for (const [method, target] of [
      ["GET", "/"],
      ["GET", "/api/system"],
      ["POST", MESSAGES],
      ["GET", "/nowhere"],
    ] as const) {
      const answer = await raw(rig, { method, path: target, headers, ...(method === "POST" ? { body: json({ text: "hi" }) } : {}) });
      const { error } = JSON.parse(answer.text) as { readonly error: Refusal };
      expect({ target, status: answer.status, path: error.path }).toEqual({ target, status: 403, path });
      expect(error.message).toMatch(/; add (it|its host) to http\.allowedHosts if it is yours$/);
    }
    for (const target of ["/healthz", "/readyz"]) expect((await raw(rig, { path: target, headers })).status).toBe(200);
  });
});

describe("a token", () => {
  it("that is missing or wrong is told, over HTTP and on the command line", async () => {
    const closed = await openRig();
    try {
      await closed.start({ SATIBOT_TOKEN: TOKEN, SATIBOT_STORE: "memory:" }).ready();
      for (const headers of [{}, { Authorization: "Bearer wrong" }, { Authorization: TOKEN }] as Record<string, string>[]) {
        const answer = await raw(closed, { headers });
        expect(answer).toMatchObject({ status: 401, headers: { "www-authenticate": 'Bearer realm="satibot"' } });
        expect(answer.text).toContain("Authorization: Bearer <http.token>");
        expect(answer.text).not.toContain(TOKEN);
      }
      const refused = await closed.cli(["send", "api:me", "hi", "--token", "wrong"]);
      expect(refused).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(/^satibot: the token is wrong; .*\n$/) });
      expect(await closed.cli(["send", "api:me", "hi"])).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/^satibot: a token is needed; /),
      });
      expect(await closed.cli(["send", "api:me", "hi", "--token", TOKEN])).toMatchObject({ code: 0, stderr: "" });
    } finally {
      await closed.close();
    }
  });
});

it("was worth no complaint: the daemon has stored nothing of all this, and goes on", async () => {
  await expectAnswers(rig);
  expect((await rig.api.chats()).items.map((chat) => chat.key)).not.toContain("api:bad");
  expect(logOf(daemon).filter((line) => line.level !== "info")).toEqual([]);
  daemon.signal("SIGTERM");
  await daemon.endsWith(0);
});
