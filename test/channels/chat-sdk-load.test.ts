/** How a channel finds its adapter, and what it says when it cannot. */
import { readFile, readdir } from "node:fs/promises";
import { afterEach, describe, expect, it } from "vitest";
import { createChatSdkChannel } from "../../src/channels/chat-sdk/channel.ts";
import type { ChatSdkChannel, ChatSdkOptions } from "../../src/channels/chat-sdk/channel.ts";
import { createRecordingHost } from "../../src/testing/channel-contract.ts";
import type { Log } from "../../src/ports/log.ts";
import { createPigeon, messageOf } from "./chat-sdk-pigeon.ts";
import * as one from "./chat-sdk-modules/one.ts";
import * as several from "./chat-sdk-modules/several.ts";
import { systemClock } from "./clocks.ts";

const FOLDER = "./test/channels/chat-sdk-modules";
let channel: ChatSdkChannel | undefined;

afterEach(async () => {
  await channel?.stop();
  channel = undefined;
});

const make = (options: Partial<ChatSdkOptions>): ChatSdkChannel =>
  createChatSdkChannel({ name: "birds", adapter: "?", clock: systemClock, ...options });
async function start(options: Partial<ChatSdkOptions>): Promise<ReturnType<typeof createRecordingHost>> {
  const host = createRecordingHost("birds");
  channel = make(options);
  await channel.start(host);
  await host.until(() => host.reports().length > 0);
  return host;
}

describe("an adapter", () => {
  it("is found in a module by its factory, which gets the options and a logger", async () => {
    const host = await start({ adapter: `${FOLDER}/one.ts`, options: { ring: "feather-0123456789" } });
    expect(host.reports()).toEqual([{ type: "connection.opened", account: { name: "@coop" } }]);
    expect(one.given.at(-1)).toMatchObject({ ring: "feather-0123456789", logger: { warn: expect.any(Function) as unknown } });
  });

  it("is made anew for each start where a function makes it", async () => {
    let made = 0;
    const host = await start({
      adapter: async () => {
        made += 1;
        return createPigeon();
      },
    });
    await channel?.stop();
    await channel?.start(host);
    expect(made).toBe(2);
  });

  it("is chosen among several by the name behind #", async () => {
    const host = await start({ adapter: `${FOLDER}/several.ts#createWoodPigeonAdapter` });
    expect(host.reports()).toHaveLength(1);
  });
});

describe("advice", () => {
  it.each([
    ["names the install command", "@chat-adapter/no-such-platform", /npm install chat @chat-adapter\/no-such-platform/],
    ["names the path", `${FOLDER}/none.ts`, /check the path/],
    [
      "names the factories",
      `${FOLDER}/several.ts`,
      new RegExp(`#createRockPigeonAdapter \\(${Object.keys(several).slice(0, 2).join(", ")}\\)`),
    ],
    ["names the way to choose", "node:path", /exports no create…Adapter; name the function/],
    ["names what there is", `${FOLDER}/several.ts#createOwlAdapter`, /no function createOwlAdapter; it has createRock/],
    ["names what is missing", `${FOLDER}/several.ts#makeNothing`, /no Chat SDK adapter, it lacks initialize/],
  ])("%s for %s", async (_what, adapter, message) => {
    channel = make({ adapter });
    await expect(channel.start(createRecordingHost("birds"))).rejects.toMatchObject({
      name: "ConfigError",
      code: "CONFIG_INVALID",
      message: expect.stringMatching(message) as string,
    });
  });

  it("names the options that the factory refuses, without secrets, and a later start may succeed", async () => {
    channel = make({ adapter: `${FOLDER}/one.ts#${one.createPigeonAdapter.name}`, options: { refuse: true, ring: "feather-0123456789" } });
    await expect(channel.start(createRecordingHost("birds"))).rejects.toMatchObject({
      path: "options",
      message: expect.stringMatching(/refuse is not for pigeons, nor is <secret>; correct them$/) as string,
    });
    await channel.stop();
    await expect(channel.start(createRecordingHost("birds"))).rejects.toMatchObject({ path: "options" });
  });

  it.each([
    ["name", { name: "Birds" }],
    ["name", { name: "cron" }],
    ["adapter", { adapter: " " }],
    ["groups", { groups: "some" as "all" }],
    ["textUnits", { textUnits: 99 }],
    ["allow[1]", { allow: ["U7", ""] }],
    ["allow[0]", { allow: ["@ann"] }],
  ] as readonly (readonly [string, Partial<ChatSdkOptions>])[])("names the option %s", (path, options) => {
    expect(() => make(options)).toThrow(expect.objectContaining({ code: "CONFIG_INVALID", path }));
  });
});

describe("the code of the bridge", () => {
  it("knows the SDK by its types alone, so that nobody loads it who does not use it", async () => {
    const folder = new URL("../../src/channels/chat-sdk/", import.meta.url);
    const files = (await readdir(folder)).map((file) => readFile(new URL(file, folder), "utf8"));
    const imports = (await Promise.all(files)).flatMap(
      (source) => source.match(/^import [^;]*from "(?:chat|@chat-adapter|@slack)[^;]*;/gm) ?? [],
    );
    expect(imports.length).toBeGreaterThan(3);
    expect(imports.filter((line) => !line.startsWith("import type "))).toEqual([]);
  });
});

describe("the log", () => {
  it("has neither secrets nor what people wrote, and a warning once a minute", async () => {
    const lines: string[] = [];
    const write =
      (level: string) =>
      (facts: object, line: string): void =>
        void lines.push(JSON.stringify({ level, line, ...facts }));
    const log: Log = { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
    const pigeon = createPigeon();
    await start({ adapter: pigeon, options: { ring: "feather-0123456789" }, log });
    const logger = pigeon.chat().getLogger("post");
    for (let n = 0; n < 3; n += 1)
      logger.warn("could not fly", { error: new Error("lost feather-0123456789"), text: "dear Ann", messageId: "m1" });
    logger.child("inner").debug("letter xoxb-1111-2222-abcdef", { text: "dear Ann", threadId: "pigeon:home" }, "dear Ann");
    expect(lines).toEqual([
      '{"level":"warn","line":"could not fly","channel":"birds","part":"post","reason":"lost <secret>","messageId":"m1"}',
      '{"level":"debug","line":"letter <secret>","channel":"birds","part":"post:inner","threadId":"pigeon:home"}',
    ]);
  });
});

describe("the instance that an adapter gets", () => {
  it("answers what it is asked and counts what the runtime has no use for", async () => {
    const pigeon = createPigeon();
    const host = await start({ adapter: pigeon });
    const chat = pigeon.chat();
    expect(chat.getUserName()).toBe("coop");
    expect(await chat.processModalSubmit({} as never)).toBeUndefined();
    expect(await chat.processOptionsLoad({} as never)).toBeUndefined();
    await chat.abortTurn("pigeon:home");
    expect(() => chat.transcripts).toThrow(expect.objectContaining({ code: "CHANNEL_REFUSED" }));
    expect(channel?.counters().ignored).toBe(2);
    expect(host.offers()).toBe(0);
  });

  it("turns the platform's own stop button into /stop", async () => {
    const pigeon = createPigeon();
    const host = await start({ adapter: pigeon });
    const event = { adapter: pigeon, channelId: "home", streamingMessageTs: [], threadId: "pigeon:home", threadTs: "", userId: "ann" };
    pigeon.chat().processAgentSessionStopped(event);
    await host.until(() => host.stored().length === 1);
    expect(host.stored()[0]).toMatchObject({
      chat: "birds:home",
      sender: { id: "ann" },
      isPrivate: true,
      content: [{ type: "text", text: "/stop" }],
    });
  });

  it("lists the past as the adapter does", async () => {
    const pigeon = createPigeon();
    pigeon.fetchMessages = async (threadId, { cursor } = {}) => {
      const n = Number(cursor ?? 0);
      const letters = [0, 1].map((k) => messageOf({ id: `${threadId}/${n + k}`, to: "home", from: "ann", text: "x" }));
      return { messages: letters, ...(n < 4 ? { nextCursor: String(n + 2) } : {}) };
    };
    await start({ adapter: pigeon });
    const { history } = pigeon.chat();
    const ids: string[] = [];
    for await (const message of history.thread.collect("t", { limit: 5 })) ids.push(message.id);
    expect(ids).toEqual(["t/0", "t/1", "t/2", "t/3", "t/4"]);
    await expect(history.channel.listMessages("c")).rejects.toMatchObject({ code: "CHANNEL_REFUSED" });
  });
});
