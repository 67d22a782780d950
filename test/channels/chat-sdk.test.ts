/** The bridge keeps its promises whatever an adapter does. */
import { inspect } from "node:util";
import type { WebhookOptions } from "chat";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createChatSdkChannel } from "../../src/channels/chat-sdk/channel.ts";
import type { ChatSdkChannel, ChatSdkOptions } from "../../src/channels/chat-sdk/channel.ts";
import { bodyHash } from "../../src/core/body-hash.ts";
import { textContent, textOf } from "../../src/core/content.ts";
import { AmbiguousError, TransientError } from "../../src/core/errors.ts";
import { createRecordingHost } from "../../src/testing/channel-contract.ts";
import type { RecordingHost } from "../../src/testing/channel-contract.ts";
import { createPigeon, messageOf, requestOf } from "./chat-sdk-pigeon.ts";
import type { Letter, Pigeon } from "./chat-sdk-pigeon.ts";
import { createHeldClock, systemClock } from "./clocks.ts";

const SECRET = "feather-0123456789";
const coded = (code: string, more: object = {}): Error => Object.assign(new Error(`no: ${code} ${SECRET}`), { code, ...more });
const away = async (): Promise<never> => {
  throw new TransientError("STORE_UNAVAILABLE", "the disk is away; try again", { retryAfterMs: 1_000 });
};
const letter = (id: string, text = id, to = "home"): Letter => ({ id, to, from: "ann", text });
const { signal } = new AbortController();

let pigeon: Pigeon;
let channel: ChatSdkChannel;
let host: RecordingHost;

async function start(options: Partial<ChatSdkOptions> = {}): Promise<void> {
  channel = createChatSdkChannel({ name: "pigeon", adapter: pigeon, clock: systemClock, ...options });
  await channel.start(host);
  await host.until(() => host.reports().length > 0);
}
const status = async (...letters: readonly Letter[]): Promise<number> => (await channel.webhook!(requestOf(...letters))).status;
const texts = (): string[] => host.stored().map((message) => textOf(message.content));

beforeEach(() => {
  pigeon = createPigeon();
  host = createRecordingHost("pigeon");
});
afterEach(() => channel.stop());

describe("a request", () => {
  it("is confirmed once all that is in it is stored, although the adapter answers before", async () => {
    await start();
    let store = (): void => undefined;
    host.setAccept(
      (messages) =>
        new Promise((resolve) => {
          store = () => resolve(messages.map(() => "accepted"));
        }),
    );
    let isAnswered = false;
    const answering = status(letter("one"), letter("two")).finally(() => {
      isAnswered = true;
    });
    await host.until(() => host.offers() === 1);
    store();
    await host.until(() => host.offers() === 2);
    expect(isAnswered).toBe(false);
    store();
    expect(await answering).toBe(200);
  });

  it("is refused when one of its messages could not be stored, and later ones of it do not overtake that", async () => {
    await start();
    host.setAccept(away);
    expect(await status(letter("one"), letter("two"))).toBe(503);
    expect(host.offers()).toBe(1);
    host.setAccept(undefined);
    expect(await status(letter("one"), letter("two"))).toBe(200);
    expect(texts()).toEqual(["one", "two"]);
  });

  it("keeps the order of a thread, however long each message takes to read", async () => {
    await start();
    let release = (): void => undefined;
    const slow = new Promise<void>((resolve) => {
      release = resolve;
    });
    pigeon.parse = async (one) => {
      if (one.text === "slow") await slow;
      return messageOf(one);
    };
    const first = status(letter("1", "slow"));
    const second = status(letter("2", "quick"));
    await status(letter("3", "elsewhere", "home2"));
    release();
    expect(await Promise.all([first, second])).toEqual([200, 200]);
    expect(texts()).toEqual(["elsewhere", "slow", "quick"]);
  });

  it.each([
    ["a shape that the adapter does not understand", new TypeError("Cannot read properties of undefined"), 200],
    ["a thing that is gone", coded("NOT_FOUND"), 200],
    ["a platform that is away", Object.assign(new TypeError("fetch failed"), { cause: coded("ECONNRESET") }), 503],
    ["a reason that nobody knows", new Error("?"), 503],
  ])("whose message cannot be read for %s is answered by what a repetition could do", async (_why, error, expected) => {
    await start();
    pigeon.parse = () => {
      throw error;
    };
    expect(await status(letter("1"))).toBe(expected);
    expect(channel.counters().notUnderstood).toBe(expected === 200 ? 1 : 0);
  });

  it("that the adapter itself cannot read is not understood", async () => {
    await start();
    const answered = await channel.webhook!(new Request("http://127.0.0.1/", { method: "POST", body: "{oops" }));
    expect(answered.status).toBe(400);
  });

  it("waits for work of the adapter's own, and is refused with it", async () => {
    await start();
    pigeon.dispatch = (_letters, options) => options?.waitUntil?.(Promise.reject(coded("ECONNRESET")));
    expect(await status()).toBe(503);
    pigeon.dispatch = (_letters, options) => options?.waitUntil?.(Promise.reject(new TypeError("x is not a function")));
    expect(await status()).toBe(200);
  });

  it("includes what the adapter brings without passing the options on", async () => {
    await start();
    host.setAccept(away);
    pigeon.dispatch = async ([one]) => {
      await Promise.resolve();
      void pigeon.chat().handleIncomingMessage(pigeon, "pigeon:home", messageOf(one!));
    };
    expect(await status(letter("1"))).toBe(503);
  });

  it("is refused when what the adapter wants to remember is not kept, unless it never could be", async () => {
    await start();
    const { save } = host;
    Object.assign(host, { save: away });
    pigeon.dispatch = async ([one]) => {
      await pigeon.chat().getState().set("cursor", one?.id);
      await pigeon.chat().processMessage(pigeon, "pigeon:home", messageOf(one!));
    };
    expect(await status(letter("1"))).toBe(503);
    Object.assign(host, { save });
    expect(await status(letter("1"))).toBe(200);
    expect(await pigeon.chat().getState().get("cursor")).toBe("1");
    // More lasting values than one cell of 128 holds.
    const isCrowded = (key: string): boolean => Number.parseInt(bodyHash(`value:${key}`).slice(0, 8), 16) % 128 === 0;
    const crowd = Array.from({ length: 40_000 }, (_, n) => `k${n}`).filter(isCrowded);
    expect(crowd.length).toBeGreaterThan(130);
    pigeon.dispatch = async () => {
      for (const key of crowd.slice(0, 130)) await pigeon.chat().getState().set(key, 1);
    };
    expect(await status()).toBe(200);
  });

  it("is given up after a while when the adapter never ends, and what it brings later is still stored", async () => {
    const clock = createHeldClock();
    await start({ clock });
    let release = (): void => undefined;
    let options: WebhookOptions | undefined;
    pigeon.dispatch = (_letters, given) => {
      options = given;
      return new Promise<void>((resolve) => {
        release = resolve;
      });
    };
    const answering = status(letter("1"));
    await clock.untilPending(15_000);
    clock.pass(15_000);
    expect(await answering).toBe(503);
    release();
    await pigeon.chat().processMessage(pigeon, "pigeon:home", messageOf(letter("1", "late")), options);
    expect(texts()).toEqual(["late"]);
  });

  it("is refused before the adapter is initialised, and beyond those that can be held at once", async () => {
    channel = createChatSdkChannel({ name: "pigeon", adapter: pigeon, clock: createHeldClock() });
    expect(await status(letter("0"))).toBe(503);
    await channel.start(host);
    await host.until(() => host.reports().length > 0);
    host.setAccept(() => new Promise(() => undefined));
    const held = Array.from({ length: 500 }, (_, n) => channel.webhook!(requestOf(letter(`${n}`, "x", `home${n}`))));
    expect(await status(letter("500"))).toBe(503);
    expect(held).toHaveLength(500);
    // Nothing will ever come of those: a channel that waits for them is left behind.
    channel = createChatSdkChannel({ name: "pigeon", adapter: createPigeon(), clock: systemClock });
  });
});

describe("messages", () => {
  it("are for the bot when they name it, where the adapter leaves that open", async () => {
    await start();
    await status(letter("1", "coop, come", "square"), letter("2", "@coop come", "square"), letter("3", "mail me: x@coop.org", "square"));
    await status(letter("4", "@cooperative", "square"));
    expect(texts()).toEqual(["come"]);
    expect(channel.counters()).toMatchObject({ accepted: 1, ignored: 3 });
  });

  it("do not subscribe the bot to a whole group by one answer", async () => {
    await start();
    await channel.deliver({ chat: "pigeon:square", address: "pigeon:square", content: textContent("a"), idempotencyKey: "k", signal });
    await channel.deliver({ chat: "pigeon:x", address: "pigeon:square:perch", content: textContent("b"), idempotencyKey: "k", signal });
    await status(letter("1", "among ourselves", "square"), letter("2", "to the bot", "square:perch"));
    expect(texts()).toEqual(["to the bot"]);
  });

  it("come from people: neither from the bot itself nor from the platform or other bots", async () => {
    await start();
    const author = { userId: "x", userName: "x", fullName: "X", isBot: false, isMe: false };
    pigeon.parse = (one) => messageOf(one, { author: { ...author, ...(JSON.parse(one.text) as object) } });
    await status(letter("1", '{"isMe":true}'), letter("2", '{"isBot":true}'), letter("3", '{"isSystem":true}'), letter("4", "{}"));
    expect(host.stored().map(({ sender }) => sender)).toEqual([{ id: "x", name: "X" }]);
  });

  it("are cut to what the runtime takes, and are not understood when nothing is in them", async () => {
    await start();
    await status(letter("1", "ä".repeat(60_000)), letter("2", "  "));
    expect(texts()).toHaveLength(1);
    expect(new TextEncoder().encode(texts()[0]).length).toBeLessThanOrEqual(64 * 1024);
    expect(texts()[0]).toMatch(/ä… \(cut\)$/);
    expect(channel.counters().notUnderstood).toBe(1);
  });

  it("count as forbidden when intake says so", async () => {
    await start();
    host.setAccept(async () => ["forbidden"]);
    expect(await status(letter("1"))).toBe(200);
    expect(channel.counters()).toMatchObject({ accepted: 0, forbidden: 1 });
  });
});

describe("stopping", () => {
  it("refuses what is still being read after a moment, and is not held up by it", async () => {
    const clock = createHeldClock();
    await start({ clock });
    pigeon.parse = () => new Promise(() => undefined);
    const answering = status(letter("1"));
    await clock.untilPending(10_000);
    const stopping = channel.stop();
    await clock.untilPending(2_000);
    clock.pass(2_000);
    await stopping;
    expect(await answering).toBe(503);
    expect(host.offers()).toBe(0);
  });
});

describe("an adapter with a connection of its own", () => {
  it("has its messages held in order until the store is back", async () => {
    const clock = createHeldClock();
    await start({ clock });
    host.setAccept(away);
    const stored = ["one", "two"].map((text) => pigeon.chat().processMessage(pigeon, "pigeon:home", messageOf(letter(text))));
    await clock.untilPending(1_000);
    clock.pass(1_000);
    await clock.untilPending(1_000);
    expect(host.offers()).toBe(2);
    host.setAccept(undefined);
    clock.pass(1_000);
    await Promise.all(stored);
    expect(texts()).toEqual(["one", "two"]);
  });

  it("loses what the store did not take before the channel stopped, and that is counted", async () => {
    const clock = createHeldClock();
    await start({ clock });
    host.setAccept(away);
    const stored = pigeon.chat().processMessage(pigeon, "pigeon:home", messageOf(letter("one")));
    const outcome = stored.then(
      () => "stored",
      (error: { readonly code?: string }) => error.code,
    );
    await clock.untilPending(1_000);
    await channel.stop();
    expect(await outcome).toBe("STORE_UNAVAILABLE");
    expect(channel.counters().lost).toBe(1);
    expect(pigeon.isConnected).toBe(false);
  });

  it("is disconnected by stop, also when it connects only afterwards", async () => {
    let connected = (): void => undefined;
    pigeon.connect = () =>
      new Promise((resolve) => {
        connected = resolve;
      });
    channel = createChatSdkChannel({ name: "pigeon", adapter: pigeon, clock: systemClock });
    await channel.start(host);
    await channel.stop();
    connected();
    while (!pigeon.isConnected) await Promise.resolve();
    while (pigeon.isConnected) await Promise.resolve();
    expect(host.reports()).toEqual([]);
  });

  it.each([
    [coded("AUTH_FAILED"), "connection.refused"],
    [coded("ECONNREFUSED"), "connection.lost"],
    [new Error("?"), "connection.lost"],
  ])("reports what keeps it from connecting: %o", async (error, type) => {
    pigeon.connect = () => Promise.reject(error);
    await start({ options: { ring: SECRET } });
    expect(host.reports()).toMatchObject([{ type }]);
    expect(inspect(host.reports(), { depth: 9 })).not.toContain(SECRET);
  });
});

describe("sends", () => {
  const deliver = (address = "pigeon:home", given: AbortSignal = signal): ReturnType<ChatSdkChannel["deliver"]> =>
    channel.deliver({ chat: "pigeon:x", address, content: textContent("hi"), idempotencyKey: "k", signal: given });

  it("have an unknown end when they are aborted under way", async () => {
    await start();
    pigeon.postMessage = () => new Promise(() => undefined);
    const abort = new AbortController();
    const sent = deliver("pigeon:home", abort.signal);
    await Promise.resolve();
    abort.abort();
    await expect(sent).rejects.toBeInstanceOf(AmbiguousError);
  });

  it("have an unknown end without a message id", async () => {
    await start();
    pigeon.postMessage = async (threadId) => ({ id: "", threadId, raw: letter("x") });
    await expect(deliver()).rejects.toBeInstanceOf(AmbiguousError);
  });

  it("are edited where the platform put them", async () => {
    await start({ canEdit: true });
    const edits: string[][] = [];
    pigeon.postMessage = async () => ({ id: "m1", threadId: "pigeon:elsewhere", raw: letter("x") });
    pigeon.editMessage = async (threadId, id) => {
      edits.push([threadId, id]);
      throw new Error("Bad Request: message is not modified");
    };
    const { platformId } = await deliver();
    await channel.edit!({ chat: "pigeon:x", address: "pigeon:home", content: textContent("hi"), idempotencyKey: "k", signal, platformId });
    expect(edits).toEqual([["pigeon:elsewhere", "m1"]]);
    expect(channel.limits).toMatchObject({ canEdit: true, textUnits: 2_000 });
  });

  it.each([
    [coded("PERMISSION_DENIED"), "CHAT_UNREACHABLE"],
    [coded("NOT_FOUND", { resourceType: "channel" }), "CHAT_UNREACHABLE"],
    [coded("NOT_FOUND", { resourceType: "file" }), "CHANNEL_REFUSED"],
    [coded("NOT_IMPLEMENTED"), "CHANNEL_REFUSED"],
    [coded("AUTH_FAILED"), "CHANNEL_UNAVAILABLE"],
    [coded("RATE_LIMITED", { retryAfterMs: 12_345 }), "CHANNEL_UNAVAILABLE"],
    [coded("NETWORK_ERROR", { originalError: coded("ENOTFOUND") }), "CHANNEL_UNAVAILABLE"],
    [coded("NETWORK_ERROR", { originalError: coded("ECONNRESET") }), "SEND_UNKNOWN"],
    [Object.assign(new Error("HTTP"), { response: { status: 429, headers: { "retry-after": "7" } } }), "CHANNEL_UNAVAILABLE"],
    [Object.assign(new Error("HTTP"), { status: 400 }), "CHANNEL_REFUSED"],
    [Object.assign(new Error("HTTP"), { status: 502 }), "SEND_UNKNOWN"],
    [new TransientError("STORE_UNAVAILABLE", "the adapter's state was away"), "SEND_UNKNOWN"],
    ["a string", "SEND_UNKNOWN"],
  ])("that end with %o are %s", async (error, code) => {
    await start({ options: { ring: SECRET } });
    pigeon.faults.push(error);
    const failed = await deliver().then(
      () => undefined,
      (caught: unknown) => caught,
    );
    expect(failed).toMatchObject({ code });
    expect(inspect(failed, { depth: 9, showHidden: true })).not.toContain(SECRET);
  });
});
