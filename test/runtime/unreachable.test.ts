import { expect, it } from "vitest";
import { TerminalError } from "../../src/core/errors.ts";
import type { Channel, ChannelHost } from "../../src/ports/channel.ts";
import { openRuntime } from "./rig.ts";

it("gives up what a platform refuses for good, says so, and goes on when the person writes", async () => {
  let host: ChannelHost | undefined;
  let isBlocked = true;
  const calls: string[] = [];
  const channel: Channel = {
    name: "sim",
    kind: "fake",
    limits: { textUnits: 100, canEdit: false },
    start: async (given) => {
      host = given;
      given.report({ type: "connection.opened" });
    },
    stop: async () => undefined,
    deliver: async ({ content }) => {
      calls.push(JSON.stringify(content));
      if (isBlocked) throw new TerminalError("CHAT_UNREACHABLE", "the bot was blocked by the user");
      return { platformId: String(calls.length) };
    },
  };
  const rig = await openRuntime({ alter: (parts) => ({ ...parts, channels: [channel] }) });
  const say = async (text: string, id: string): Promise<void> => {
    await rig.settled(
      host!.accept([{ chat: "sim:1", address: "1", externalId: id, content: [{ type: "text", text }], sender: { id: "1" } }]),
    );
    await rig.clock.advance(100);
  };
  await say("hello", "1");
  await rig.clock.advance(86_400_000);
  expect(calls).toHaveLength(1);
  const parts = await rig.store.outbox.list({ chat: "sim:1" }, { limit: 9 });
  expect(parts.items).toMatchObject([{ status: "dead", attempts: 1, error: { code: "CHAT_UNREACHABLE" } }]);
  expect((await rig.loop.chat("sim:1")).unreachableSince).toBeGreaterThan(0);
  expect((await rig.loop.why("sim:1")).sentence).toMatch(/refuses whatever is sent since 2026-01-01/);
  isBlocked = false;
  await say("I am back", "2");
  expect(calls).toHaveLength(2);
  expect((await rig.loop.chat("sim:1")).unreachableSince).toBeUndefined();
});
