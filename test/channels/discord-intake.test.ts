import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DiscordChannel, DiscordOptions } from "../../src/channels/discord/channel.ts";
import { textContent, textOf } from "../../src/core/content.ts";
import { TransientError } from "../../src/core/errors.ts";
import type { AcceptOutcome, DeliverRequest } from "../../src/ports/channel.ts";
import { createRecordingHost } from "../../src/testing/channel-contract.ts";
import type { RecordingHost } from "../../src/testing/channel-contract.ts";
import type { DiscordServer } from "../../src/testing/discord-server/server.ts";
import { createHeldClock } from "./clocks.ts";
import { openChannel, openServer } from "./discord-rig.ts";

describe("discord", () => {
  let server: DiscordServer;
  let host: RecordingHost;
  let channel: DiscordChannel;
  const texts = (): string[] => host.stored().map((message) => textOf(message.content));
  const stored = (count: number): Promise<void> => host.until(() => host.stored().length === count);
  const connect = async (options: Partial<DiscordOptions> = {}): Promise<void> => {
    channel = openChannel(server, options);
    await channel.start(host);
    await host.until(() => host.reports().some((report) => report.type === "connection.opened"));
  };
  const request = (text: string, address: string, idempotencyKey = text): DeliverRequest => ({
    chat: `discord:${address}`,
    address,
    content: textContent(text),
    idempotencyKey,
    signal: new AbortController().signal,
  });

  beforeEach(async () => {
    server = await openServer();
    host = createRecordingHost("discord");
    channel = openChannel(server);
  });
  afterEach(async () => {
    await channel.stop();
    await server.close();
  });

  describe("in servers", () => {
    it("hears its name, its role and replies to it, and nothing else", async () => {
      await connect();
      const { platformId } = await channel.deliver(request("good morning", server.generalId));
      const channelId = server.generalId;
      server.say("among people", { channelId });
      server.say("you there?", { channelId, mentions: true });
      server.say("same to you", { channelId, replyTo: platformId });
      server.say(`<@&${server.bot.roleId}> and you?`, { channelId, extra: { mention_roles: [server.bot.roleId] } });
      server.say("beep", { channelId, mentions: true, extra: { author: { id: "55", username: "other", bot: true } } });
      server.say("done");
      await stored(4);
      expect(texts()).toEqual(["you there?", "same to you", "and you?", "done"]);
    });

    it("hears everything where it is told to, the nearest setting first", async () => {
      const loud = server.openChannel();
      const thread = server.openThread(loud);
      const quietThread = server.openThread(loud);
      await connect({ groups: { "*": "mention", [loud]: "all", [quietThread]: "mention" } });
      const late = server.openThread(loud);
      for (const channelId of [loud, thread, quietThread, late, server.generalId]) server.say(channelId, { channelId });
      server.say("done");
      await stored(4);
      expect(texts().sort()).toEqual([loud, thread, late, "done"].sort());
    });
  });

  describe("a change of a message", () => {
    it("is handed over as one, in order, and a preview is not", async () => {
      await connect();
      const channelId = server.directId("7");
      const id = server.say("teh");
      server.embed(channelId, id);
      server.edit(channelId, id, "the");
      server.embed(channelId, id);
      server.say("done");
      await stored(3);
      expect(texts()).toEqual(["teh", "the", "done"]);
      expect(host.stored()[1]).toMatchObject({ editOf: id, chat: `discord:${channelId}` });
      expect(host.stored()[1]?.externalId).not.toBe(id);
    });
  });

  describe("slash commands", () => {
    it("mirror those of the runtime, and are written only when they changed", async () => {
      await connect();
      await host.until(() => [...host.cells.keys()].some((cell) => cell.startsWith("commands:")));
      expect(server.commands()).toMatchObject([
        { name: "help", description: "What I can do", options: [{ name: "text", type: 3, required: false }] },
        { name: "stop" },
      ]);
      await channel.stop();
      await channel.start(host);
      server.say("x");
      await host.until(() => host.reports().filter((report) => report.type === "connection.opened").length === 2);
      await channel.stop();
      expect(server.calls("commands")).toBe(1);
      await channel.start(Object.assign(host, { commands: [{ name: "new", description: "Begin anew" }] }));
      await server.until(() => server.calls("commands") === 2);
      expect(server.commands()).toMatchObject([{ name: "new" }]);
    });

    it("that cannot be written stop nothing, and are written at the next login", async () => {
      server.fail({ kind: "throttled", retryAfterS: 500 }, { call: "commands" });
      await connect();
      await server.until(() => server.calls("commands") === 1);
      server.say("hello");
      await stored(1);
      await channel.stop();
      await channel.start(host);
      await server.until(() => server.commands().length === 2);
      expect(server.calls("commands")).toBe(2);
    });

    it("are answered at once and handed over as text; the reply takes the place of the wait", async () => {
      await connect();
      const { id } = server.command("stop", { text: "now please", channelId: server.generalId });
      await stored(1);
      expect(host.stored()[0]).toMatchObject({
        chat: `discord:${server.generalId}`,
        address: server.generalId,
        externalId: id,
        content: [{ type: "text", text: "/stop now please" }],
        sender: { id: "7" },
        identities: ["7", "@person7", server.generalId, server.guildId],
      });
      expect(host.stored()[0]?.isPrivate).toBeUndefined();
      const { platformId } = await channel.deliver(request("stopped", server.generalId));
      expect(server.calls("respond")).toBe(1);
      expect(server.messages(server.generalId).map((message) => [message.id, message.raw.content])).toEqual([[platformId, "stopped"]]);
      await channel.deliver(request("a second part", server.generalId));
      expect(server.calls("respond")).toBe(1);
      await channel.edit?.({ ...request("stopped, all of it", server.generalId), platformId });
      expect(server.messages(server.generalId).map(({ raw }) => raw.content)).toEqual(["stopped, all of it", "a second part"]);
    });

    it("of one chat are answered in their order", async () => {
      await connect();
      const first = server.command("help");
      const second = server.command("stop");
      await stored(2);
      await channel.deliver(request("to help", server.directId("7")));
      await channel.deliver(request("to stop", server.directId("7")));
      expect([first.original?.raw.content, second.original?.raw.content]).toEqual(["to help", "to stop"]);
    });

    it("get a message of its own when the reply comes too late or the wait was lost", async () => {
      const clock = createHeldClock();
      await connect({ clock });
      const late = server.command("help");
      await stored(1);
      clock.pass(14.5 * 60_000);
      await channel.deliver(request("late", server.directId("7")));
      server.fail({ kind: "error", status: 404, code: 10_062 }, { call: "callback" });
      server.command("help");
      await stored(2);
      await channel.deliver(request("unshown", server.directId("7")));
      server.command("help");
      await stored(3);
      server.fail({ kind: "error", status: 404, code: 10_015 }, { call: "respond" });
      await channel.deliver(request("gone", server.directId("7")));
      expect(late.original).toBeUndefined();
      expect(server.sends().map(({ text }) => text)).toEqual(["late", "unshown", "gone"]);
    });

    it("keep their place for a reply that could not be sent", async () => {
      await connect();
      const command = server.command("help");
      await stored(1);
      server.fail({ kind: "throttled", retryAfterS: 3 }, { call: "respond" });
      server.fail({ kind: "takenThenCut" }, { call: "respond" });
      const send = (): Promise<unknown> => channel.deliver(request("answer", server.directId("7"))).catch((error: unknown) => error);
      expect(await send()).toMatchObject({ retryAfterMs: 3_000 });
      expect(await send()).toMatchObject({ name: "AmbiguousError" });
      expect(await send()).toEqual({ platformId: command.original?.id });
      expect(server.messages(server.directId("7"))).toHaveLength(1);
    });

    it.each<AcceptOutcome>(["forbidden", "duplicate"])("that are %s wait for nothing", async (outcome) => {
      host.setAccept(async (messages) => messages.map(() => outcome));
      await connect();
      const command = server.command("help");
      await server.until(() => command.state === "deleted");
      await channel.deliver(request("something else", server.directId("7")));
      expect(server.sends().map(({ text }) => text)).toEqual(["something else"]);
    });

    it("are kept while the store is away", async () => {
      host.setAccept(async () => {
        throw new TransientError("STORE_UNAVAILABLE", "the disk is away; try again", { retryAfterMs: 50 });
      });
      await connect();
      const command = server.command("help");
      await host.until(() => host.offers() === 2);
      expect(command.state).toBe("thinking");
      host.setAccept(undefined);
      await stored(1);
      expect(texts()).toEqual(["/help"]);
    });
  });

  describe("buttons", () => {
    it("are acknowledged and handed over as the answer to their question", async () => {
      await connect();
      const address = server.directId("7");
      const content = [
        { type: "text", text: "sure?" },
        {
          type: "buttons",
          questionId: "turn:1/2",
          options: [
            { id: "y:es", label: "Yes" },
            { id: "no", label: "No" },
          ],
        },
      ] as const;
      const { platformId } = await channel.deliver({ ...request("", address), content, idempotencyKey: "q" });
      const sent = server.lastPayload("send") as { components: { components: { custom_id: string }[] }[] };
      const press = server.press(address, platformId, sent.components[0]?.components[0]?.custom_id ?? "");
      await stored(1);
      expect(host.stored()[0]).toMatchObject({
        externalId: press.id,
        questionId: "turn:1/2",
        content: [{ type: "text", text: "y:es" }],
        isPrivate: true,
      });
      await server.until(() => press.state === "acknowledged");
    });

    it("of others are left alone", async () => {
      await connect();
      const { platformId } = await channel.deliver(request("text", server.directId("7")));
      for (const customId of ["unknown", ":x", "%E0%A4%A:x", "q:"]) server.press(server.directId("7"), platformId, customId);
      server.say("done");
      await stored(1);
      expect(texts()).toEqual(["done"]);
    });
  });
});
