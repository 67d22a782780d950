/** What Slack posts: signatures, repetitions, mentions, edits, files, buttons and commands, through the real adapter. */
import { buffer } from "node:stream/consumers";
import { Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { textContent, textOf } from "../../src/core/content.ts";
import type { FilePart } from "../../src/core/content.ts";
import { TransientError } from "../../src/core/errors.ts";
import type { InboundMessage } from "../../src/ports/channel.ts";
import { createRecordingHost } from "../../src/testing/channel-contract.ts";
import type { RecordingHost } from "../../src/testing/channel-contract.ts";
import { openSlackRig } from "./slack-rig.ts";
import type { SlackRig } from "./slack-rig.ts";

const { signal } = new AbortController();
let rig: SlackRig;
let host: RecordingHost;

async function start(options: Parameters<typeof openSlackRig>[0] = {}): Promise<void> {
  rig = await openSlackRig(options);
  await rig.channel.start(host);
  await host.until(() => host.reports().length > 0);
}
beforeEach(() => {
  host = createRecordingHost("slack");
});
afterEach(async () => {
  await rig.channel.stop();
  await rig.close();
});

const texts = (): string[] => host.stored().map((message) => textOf(message.content));
const settled = (): Promise<void> => rig.slack.until(() => rig.slack.events.unconfirmed().length === 0);
const first = (): InboundMessage => host.stored()[0]!;
const form = (fields: Readonly<Record<string, string>>): ReturnType<SlackRig["slack"]["events"]["post"]> =>
  rig.slack.events.post(new URLSearchParams(fields).toString(), { contentType: "application/x-www-form-urlencoded" });
const answer = (address: string): Promise<unknown> =>
  rig.channel.deliver({ chat: "slack:x", address, content: textContent("answer"), idempotencyKey: "k", signal });

describe("requests", () => {
  it("answers the challenge with which Slack checks the address", async () => {
    await start();
    const answered = await rig.slack.events.post(JSON.stringify({ type: "url_verification", challenge: "c-1" }));
    expect(answered.status).toBe(200);
    expect(JSON.parse(answered.body)).toEqual({ challenge: "c-1" });
  });

  it("refuses what Slack has not signed, or long ago", async () => {
    await start();
    const event = { type: "message", channel: "D7", channel_type: "im", user: "U7", text: "forged", ts: "1.1" };
    const body = JSON.stringify({ type: "event_callback", event_id: "Ev1", team_id: "T1", event });
    expect((await rig.slack.events.post(body, { signature: `v0=${"0".repeat(64)}` })).status).toBe(401);
    expect((await rig.slack.events.post(body, { atMs: Date.now() - 600_000 })).status).toBe(401);
    expect(host.offers()).toBe(0);
  });

  it("takes broken and empty JSON without a message", async () => {
    await start();
    expect((await rig.slack.events.post("{oops")).status).toBe(400);
    expect((await rig.slack.events.post("{}")).status).toBe(200);
    expect((await rig.slack.events.post(JSON.stringify({ type: "event_callback", event: { type: "brand_new" } }))).status).toBe(200);
    expect(host.offers()).toBe(0);
  });

  it("answers 503 with Retry-After while the store is away and 200 to the same event afterwards", async () => {
    await start();
    host.setAccept(async () => {
      throw new TransientError("STORE_UNAVAILABLE", "the disk is away; try again", { retryAfterMs: 2_500 });
    });
    const event = { type: "message", channel: "D7", channel_type: "im", user: "U7", text: "keep me", ts: "1.1" };
    const body = JSON.stringify({ type: "event_callback", event_id: "Ev1", team_id: "T1", event });
    const refused = await rig.slack.events.post(body);
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("3");
    host.setAccept(undefined);
    const taken = await rig.slack.events.post(body, { headers: { "x-slack-retry-num": "1", "x-slack-retry-reason": "http_error" } });
    expect(taken.status).toBe(200);
    expect(texts()).toEqual(["keep me"]);
  });

  it("keeps no mark of a refused event, so that a restart does not drop its repetition either", async () => {
    await start();
    host.setAccept(async () => {
      throw new TransientError("STORE_UNAVAILABLE", "the disk is away; try again", { retryAfterMs: 1 });
    });
    rig.slack.say("keep me");
    await host.until(() => host.offers() >= 3);
    await rig.channel.stop();
    host.setAccept(undefined);
    await rig.channel.start(host);
    await settled();
    expect(texts()).toEqual(["keep me"]);
  });

  it("stores an event once that Slack repeats although it was answered", async () => {
    await start();
    rig.slack.say("once");
    await settled();
    const event = { type: "message", channel: "D7", channel_type: "im", user: "U7", text: "once", ts: "1700000000.000001" };
    const body = JSON.stringify({ type: "event_callback", event_id: "Ev1", team_id: "T1", event });
    const repeated = await rig.slack.events.post(body, { headers: { "x-slack-retry-num": "1" } });
    expect(repeated.status).toBe(200);
    expect(new Set(host.stored().map((message) => message.externalId)).size).toBe(1);
  });
});

describe("mentions and threads", () => {
  it("stores a mention once that comes as app_mention and as message", async () => {
    await start();
    const ts = rig.slack.say("<@UBOT> hello", { channel: "C1", type: "app_mention" });
    rig.slack.say("<@UBOT> hello", { channel: "C1", ts });
    await settled();
    expect(new Set(host.stored().map((message) => message.externalId)).size).toBe(1);
    expect(first()).toMatchObject({ chat: `slack:C1:${ts}`, address: `slack:C1:${ts}`, sender: { id: "U7", name: "Person U7" } });
    expect(first().identities).toEqual(["u7", "c1"]);
    expect(first().isPrivate).toBeUndefined();
    expect(texts()[0]).toBe("hello");
  });

  it("takes what is said in a channel only when mentioned, and all that is said in private", async () => {
    await start();
    rig.slack.say("among ourselves", { channel: "C1" });
    rig.slack.say("see `<@UBOT>` in the docs", { channel: "C1" });
    rig.slack.say("psst");
    await settled();
    expect(texts()).toEqual(["psst"]);
    expect(first().isPrivate).toBe(true);
    expect(rig.channel.counters()).toMatchObject({ accepted: 1, ignored: 2 });
  });

  it("takes everything where groups is all", async () => {
    await start({ groups: "all" });
    rig.slack.say("among ourselves", { channel: "C1" });
    await settled();
    expect(texts()).toEqual(["among ourselves"]);
  });

  it("goes on in a thread in which it has answered, also after a restart, and in no other", async () => {
    await start();
    const threadTs = rig.slack.say("<@UBOT> help", { channel: "C1", type: "app_mention" });
    await settled();
    rig.slack.say("not yet for the bot", { channel: "C1", threadTs });
    await settled();
    await answer(first().address);
    rig.slack.say("and then?", { channel: "C1", threadTs });
    await settled();
    await rig.channel.stop();
    await rig.channel.start(host);
    rig.slack.say("and after that?", { channel: "C1", threadTs });
    rig.slack.say("elsewhere", { channel: "C1", threadTs: "1600000000.000001" });
    rig.slack.say("top level", { channel: "C1" });
    await settled();
    expect(texts()).toEqual(["help", "and then?", "and after that?"]);
    expect(new Set(host.stored().map((message) => message.chat))).toEqual(new Set([`slack:C1:${threadTs}`]));
  });

  it("goes on in a thread whose answer went out while the channel stopped", async () => {
    await start();
    const threadTs = rig.slack.say("<@UBOT> help", { channel: "C1", type: "app_mention" });
    await settled();
    await rig.channel.stop();
    await answer(first().address);
    await rig.channel.start(host);
    rig.slack.say("and then?", { channel: "C1", threadTs });
    await settled();
    expect(texts()).toEqual(["help", "and then?"]);
  });

  it("hands on a command that follows the mention", async () => {
    await start();
    rig.slack.say("<@UBOT> /stop", { channel: "C1", type: "app_mention" });
    rig.slack.say("<@UBOT>: what is <https://example.com/a|this>?", { channel: "C1", type: "app_mention" });
    await settled();
    expect(texts()).toEqual(["/stop", "what is this?\nhttps://example.com/a"]);
  });

  it("hears neither itself nor other bots", async () => {
    await start({ groups: "all" });
    rig.slack.say("my own words", { user: "UBOT", extra: { bot_id: "BBOT" } });
    rig.slack.say("another bot", { user: "UOTHER", extra: { bot_id: "BOTHER" } });
    await settled();
    expect(host.offers()).toBe(0);
  });
});

describe("edits", () => {
  const edited = (ts: string, text: string, extra: object = {}): void => {
    const message = { type: "message", user: "U7", text, ts, edited: { user: "U7", ts: "1700000100.000000" }, ...extra };
    rig.slack.events.push({
      type: "message",
      subtype: "message_changed",
      channel: "D7",
      channel_type: "im",
      ts: "1700000100.000001",
      message,
      previous_message: { type: "message", user: "U7", text: "before", ts },
    });
  };

  it("names the message that was changed", async () => {
    await start();
    const ts = rig.slack.say("before");
    edited(ts, "after");
    await settled();
    const [said, changed] = host.stored();
    expect(texts()).toEqual(["before", "after"]);
    expect(changed?.editOf).toBe(said?.externalId);
    expect(changed?.externalId).not.toBe(said?.externalId);
    expect(changed?.chat).toBe(said?.chat);
  });

  it("hears nothing of its own edits", async () => {
    await start();
    edited("1700000000.000009", "my own, longer", { user: "UBOT", bot_id: "BBOT" });
    await settled();
    expect(host.offers()).toBe(0);
  });
});

describe("files", () => {
  const BYTES = new TextEncoder().encode("%PDF-1.7 and more");
  const sayWithFile = async (): Promise<FilePart> => {
    const file = rig.slack.addFile("a report.pdf", "application/pdf", BYTES);
    rig.slack.say("", { extra: { files: [file], subtype: "file_share" } });
    await settled();
    return first().content[0] as FilePart;
  };

  it("are parts whose bytes are fetched with the token when somebody asks, also after a restart", async () => {
    await start();
    const part = await sayWithFile();
    expect(part).toMatchObject({ type: "file", kind: "document", name: "a report.pdf", mime: "application/pdf", bytes: BYTES.length });
    expect(part.ref).not.toContain(rig.slack.token);
    await rig.channel.stop();
    await rig.channel.start(host);
    const opened = await rig.channel.open!(part.ref, { maxBytes: 100, signal });
    expect(opened.mime).toBe("application/pdf");
    expect(await buffer(Readable.from(opened.bytes))).toEqual(Buffer.from(BYTES));
  });

  it("are refused beyond the bytes allowed, and when they are gone", async () => {
    await start();
    const part = await sayWithFile();
    await expect(rig.channel.open!(part.ref, { maxBytes: 3, signal })).rejects.toMatchObject({ code: "TOO_LARGE" });
    const unknown = part.ref.replaceAll("T1-F1", "T1-F9");
    await expect(rig.channel.open!(unknown, { maxBytes: 100, signal })).rejects.toMatchObject({ code: "CHANNEL_UNAVAILABLE" });
    await expect(rig.channel.open!("telegram:1", { maxBytes: 100, signal })).rejects.toMatchObject({ code: "CHANNEL_REFUSED" });
  });
});

describe("buttons, commands and the rest", () => {
  const press = (actionId: string, value: string): ReturnType<typeof form> =>
    form({
      payload: JSON.stringify({
        type: "block_actions",
        trigger_id: `${actionId}.${value}`,
        user: { id: "U7", username: "seven", name: "Seven" },
        channel: { id: "D7", name: "directmessage" },
        container: { type: "message", message_ts: "1700000000.000001", channel_id: "D7" },
        message: { ts: "1700000000.000001" },
        actions: [{ type: "button", action_id: actionId, value }],
      }),
    });

  it("answers a question by its button, and takes a button of others as text", async () => {
    await start();
    expect((await press("satibot:0:question-1", "yes")).status).toBe(200);
    expect((await press("approve", "order 7")).status).toBe(200);
    expect(host.stored()[0]).toMatchObject({ questionId: "question-1", content: textContent("yes"), sender: { id: "U7", name: "Seven" } });
    expect(host.stored()[1]).toMatchObject({ content: textContent("order 7") });
    expect(host.stored()[1]?.questionId).toBeUndefined();
    expect(host.stored()[0]?.externalId).not.toBe(host.stored()[1]?.externalId);
  });

  it("answers 503 to a press that could not be stored", async () => {
    await start();
    host.setAccept(async () => {
      throw new TransientError("STORE_UNAVAILABLE", "the disk is away; try again");
    });
    expect((await press("satibot:0:question-1", "yes")).status).toBe(503);
  });

  it("turns slash commands into text, in the chat of the place where they were given", async () => {
    await start();
    const command = (name: string, text: string): ReturnType<typeof form> =>
      form({ command: name, text, user_id: "U7", channel_id: "D7", trigger_id: `${name}.${text}`, team_id: "T1" });
    await command("/new", "");
    await command("/satibot", "stop");
    await command("/slack", "hello there");
    await command("/weather", "Paris");
    rig.slack.say("a message");
    await settled();
    expect(texts()).toEqual(["/new", "/stop", "hello there", "/weather Paris", "a message"]);
    expect(new Set(host.stored().map((message) => message.chat))).toEqual(new Set(["slack:D7"]));
    expect(new Set(host.stored().map((message) => message.externalId)).size).toBe(5);
  });

  it("confirms and counts what the runtime has no use for", async () => {
    await start();
    const item = { type: "message", channel: "D7", ts: "1.1" };
    rig.slack.events.push({ type: "reaction_added", user: "U7", reaction: "thumbsup", item, event_ts: "1.2" });
    rig.slack.events.push({ type: "message", subtype: "message_deleted", channel: "D7", channel_type: "im", deleted_ts: "1.1", ts: "1.3" });
    rig.slack.events.push({ type: "member_joined_channel", user: "U7", channel: "C1", event_ts: "1.4" });
    rig.slack.events.push({ type: "app_home_opened", user: "U7", channel: "D7", tab: "home", event_ts: "1.5" });
    await settled();
    const view = { id: "V1", callback_id: "c", state: { values: {} } };
    const submitted = await form({
      payload: JSON.stringify({ type: "view_submission", trigger_id: "t", user: { id: "U7", username: "s" }, view }),
    });
    expect(submitted.status).toBe(200);
    expect(host.offers()).toBe(0);
    expect(rig.channel.counters()).toMatchObject({ ignored: 5, notUnderstood: 0 });
  });
});
