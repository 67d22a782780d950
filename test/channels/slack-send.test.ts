/** What is sent to Slack, how its refusals are understood, and how the connection fares. */
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { textContent } from "../../src/core/content.ts";
import type { Content } from "../../src/core/content.ts";
import { AmbiguousError } from "../../src/core/errors.ts";
import type { ErrorCode } from "../../src/core/errors.ts";
import { createRecordingHost } from "../../src/testing/channel-contract.ts";
import type { RecordingHost } from "../../src/testing/channel-contract.ts";
import type { SlackFault } from "../../src/testing/slack-server.ts";
import { openSlackRig } from "./slack-rig.ts";
import type { SlackRig } from "./slack-rig.ts";

const { signal } = new AbortController();
const THREAD = "slack:C1:1600000000.000001";
let rig: SlackRig;
let host: RecordingHost;

beforeEach(async () => {
  host = createRecordingHost("slack");
  rig = await openSlackRig();
});
afterEach(async () => {
  await rig.channel.stop();
  await rig.close();
});

const deliver = (content: Content | string, address = THREAD): Promise<{ readonly platformId: string }> =>
  rig.channel.deliver({
    chat: "slack:x",
    address,
    content: typeof content === "string" ? textContent(content) : content,
    idempotencyKey: "k",
    signal,
  });
const failure = (work: Promise<unknown>): Promise<{ readonly code?: ErrorCode; readonly message: string }> =>
  work.then(
    () => {
      throw new Error("resolved where an error was due");
    },
    (error: Error) => error,
  );
async function start(): Promise<void> {
  await rig.channel.start(host);
  await host.until(() => host.reports().length > 0);
}

describe("messages", () => {
  it("answers in the thread, in Markdown", async () => {
    await start();
    await deliver("**bold** and `code`");
    expect(rig.slack.messages()).toMatchObject([{ channel: "C1", threadTs: "1600000000.000001", text: "**bold** and `code`" }]);
    expect(rig.slack.lastPayload("chat.postMessage")).toHaveProperty("markdown_text");
  });

  it("takes as much text as it declares, mentions included", async () => {
    await start();
    rig.slack.say("<@UBOT> hello", { channel: "C1", type: "app_mention" });
    await rig.slack.until(() => rig.slack.events.unconfirmed().length === 0);
    const { textUnits } = rig.channel.limits;
    expect(textUnits).toBe(11_000);
    await deliver(`${"@nobody ".repeat(20)}${"x".repeat(textUnits - 160)}`);
    expect(rig.slack.messages()).toHaveLength(1);
    expect(await failure(deliver("x".repeat(12_001)))).toMatchObject({ code: "CHANNEL_REFUSED" });
  });

  it("shows another text in place of a message's", async () => {
    await start();
    const { platformId } = await deliver("a dra");
    const request = { chat: "slack:x" as const, address: THREAD, idempotencyKey: "k", signal, platformId };
    await rig.channel.edit!({ ...request, content: textContent("a draft"), isDraft: true });
    await rig.channel.edit!({ ...request, content: textContent("the whole") });
    expect(rig.slack.messages()).toMatchObject([{ text: "the whole", isEdited: true }]);
    expect(await failure(rig.channel.edit!({ ...request, platformId: "1.1", content: textContent("?") }))).toMatchObject({
      code: "CHANNEL_REFUSED",
    });
  });

  it("asks with buttons that name their question, however long the text", async () => {
    await start();
    const long = `${"All of these files would be deleted.\n".repeat(200)}Go on?`;
    const options = [
      { id: "yes", label: "Yes" },
      { id: "no", label: "No, and never ask me again about anything that has to do with deleting files of mine" },
    ];
    await deliver([
      { type: "text", text: long },
      { type: "buttons", questionId: "q-1", options },
    ]);
    const { blocks = [] } = rig.slack.messages()[0] ?? {};
    const said = blocks.map((block) => (block.text as { readonly text?: string } | undefined)?.text ?? "").join("");
    expect(said.replaceAll("\n", "")).toBe(long.replaceAll("\n", ""));
    expect(blocks.at(-1)).toMatchObject({
      type: "actions",
      elements: [
        { action_id: "satibot:0:q-1", value: "yes" },
        { action_id: "satibot:1:q-1", value: "no" },
      ],
    });
  });

  it("names a file, and refuses what has nothing to show", async () => {
    await start();
    await deliver([{ type: "file", kind: "image", name: "a.png", mime: "image/png", bytes: 1, ref: "https://example.com/a.png" }]);
    expect(rig.slack.messages()[0]?.text).toBe("[image: a.png](https://example.com/a.png)");
    expect(await failure(deliver([{ type: "text", text: " " }]))).toMatchObject({ code: "CHANNEL_REFUSED" });
  });

  it("shows that it is at work", async () => {
    await start();
    await rig.channel.typing!(THREAD, signal);
    expect(rig.slack.lastPayload("assistant.threads.setStatus")).toMatchObject({ channel_id: "C1", thread_ts: "1600000000.000001" });
  });

  it("reaches a channel or person that has never written, by the key", async () => {
    await start();
    expect(rig.channel.addressOf!("slack:C1")).toBe("slack:C1");
    await deliver("good morning", rig.channel.addressOf!("slack:C1"));
    expect(rig.slack.messages()).toMatchObject([{ channel: "C1", threadTs: undefined }]);
  });
});

describe("refusals", () => {
  const CASES: readonly (readonly [SlackFault, ErrorCode])[] = [
    [{ kind: "error", name: "channel_not_found" }, "CHAT_UNREACHABLE"],
    [{ kind: "error", name: "not_in_channel" }, "CHAT_UNREACHABLE"],
    [{ kind: "error", name: "is_archived" }, "CHAT_UNREACHABLE"],
    [{ kind: "error", name: "msg_too_long" }, "CHANNEL_REFUSED"],
    [{ kind: "error", name: "brand_new_error" }, "CHANNEL_REFUSED"],
    [{ kind: "error", name: "service_unavailable" }, "CHANNEL_UNAVAILABLE"],
    [{ kind: "error", name: "internal_error" }, "SEND_UNKNOWN"],
    [{ kind: "error", name: "fatal_error" }, "SEND_UNKNOWN"],
    [{ kind: "status", status: 500 }, "SEND_UNKNOWN"],
    [{ kind: "status", status: 502 }, "SEND_UNKNOWN"],
    [{ kind: "cut" }, "SEND_UNKNOWN"],
  ];
  it.each(CASES)("understands %j as %s, and sends nothing a second time", async (fault, code) => {
    await start();
    rig.slack.fail(fault);
    const error = await failure(deliver("hello"));
    expect(error.code).toBe(code);
    expect(error instanceof AmbiguousError).toBe(code === "SEND_UNKNOWN");
    expect(rig.slack.calls("chat.postMessage")).toBe(1);
    expect(error.message).toMatch(/; .+/);
  });

  it("passes on how long Slack asks to wait, also for an edit", async () => {
    await start();
    const { platformId } = await deliver("hello");
    rig.slack.fail({ kind: "throttled", retryAfterS: 6_775 }, { method: "chat.update" });
    const edit = rig.channel.edit!({
      chat: "slack:x",
      address: THREAD,
      content: textContent("?"),
      idempotencyKey: "k",
      signal,
      platformId,
    });
    expect(await failure(edit)).toMatchObject({ code: "CHANNEL_UNAVAILABLE", retryAfterMs: 6_775_000 });
    expect(rig.slack.calls("chat.update")).toBe(1);
  });

  it("reports a token that Slack has revoked, and keeps the part for later", async () => {
    await start();
    rig.slack.revoke();
    expect(await failure(deliver("hello"))).toMatchObject({ code: "CHANNEL_UNAVAILABLE" });
    const refused = host.reports().find((report) => report.type === "connection.refused");
    expect(refused).toMatchObject({ error: { code: "TOKEN_REFUSED", message: expect.stringMatching(/invalid_auth.*renew/) } });
    expect(inspect(host.reports(), { depth: 9 })).not.toContain(rig.slack.token);
  });
});

describe("the connection", () => {
  it("tells who the bot is", async () => {
    await start();
    expect(host.reports()).toEqual([{ type: "connection.opened", account: { name: "@satibot" } }]);
  });

  it("is refused with advice when Slack does not know the token, although the adapter goes on", async () => {
    rig.slack.revoke();
    await start();
    expect(host.reports()).toMatchObject([{ type: "connection.refused", error: { code: "TOKEN_REFUSED" } }]);
    const event = { type: "message", channel: "D7", channel_type: "im", user: "U7", text: "hello", ts: "1.1" };
    const body = JSON.stringify({ type: "event_callback", event_id: "Ev1", team_id: "T1", event });
    expect((await rig.slack.events.post(body)).status).toBe(503);
  });

  it.each([
    [{ kind: "cut" }],
    [{ kind: "status", status: 500 }],
    [{ kind: "error", name: "internal_error" }],
    [{ kind: "throttled", retryAfterS: 60 }],
  ] as readonly (readonly [SlackFault])[])("is lost by %j while it opens, and opens at the next start", async (fault) => {
    rig.slack.fail(fault, { method: "auth.test" });
    await start();
    expect(host.reports()).toMatchObject([{ type: "connection.lost", error: { code: "CHANNEL_UNAVAILABLE" } }]);
    await rig.channel.stop();
    await rig.channel.start(host);
    await host.until(() => host.reports().length === 2);
    expect(host.reports()[1]).toMatchObject({ type: "connection.opened" });
  });

  it("cannot begin without the signing secret, and says so", async () => {
    const other = await openSlackRig({ options: { signingSecret: "" } });
    await expect(other.channel.start(host)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      path: "options",
      message: expect.stringContaining("signingSecret") as string,
    });
    await other.channel.stop();
    await other.close();
  });

  it("is refused without a bot token, since nothing could be sent", async () => {
    const other = await openSlackRig({ options: { botToken: undefined } });
    await other.channel.start(host);
    await host.until(() => host.reports().length > 0);
    expect(host.reports()).toMatchObject([
      { type: "connection.refused", error: { message: expect.stringContaining("no bot token") as string } },
    ]);
    await other.channel.stop();
    await other.close();
  });

  it("is not opened twice", async () => {
    await start();
    await expect(rig.channel.start(host)).rejects.toThrow(/started twice/);
  });
});
