import { expect, it } from "vitest";
import type { Channel, ChannelHost } from "../../src/ports/channel.ts";
import { openRuntime } from "./rig.ts";

it("keeps a receipt that comes before the answer to its send is stored", async () => {
  let host: ChannelHost | undefined;
  let told: Promise<void> | undefined;
  const channel: Channel = {
    name: "sim",
    kind: "fake",
    limits: { textUnits: 100, canEdit: false },
    start: async (given) => {
      host = given;
      given.report({ type: "connection.opened" });
    },
    stop: async () => undefined,
    deliver: async ({ chat }) => {
      told = host?.receive([{ chat, platformId: "p1", status: "delivered", atMs: 1 }]);
      return { platformId: "p1" };
    },
    addressOf: () => "1",
  };
  const rig = await openRuntime({ alter: (parts) => ({ ...parts, channels: [channel] }) });
  await rig.settled(
    host!.accept([{ chat: "sim:1", address: "1", externalId: "1", content: [{ type: "text", text: "hi" }], sender: { id: "1" } }]),
  );
  await rig.clock.advance(100);
  await rig.settled(told!);
  const { items } = await rig.store.outbox.list({ chat: "sim:1" }, { limit: 9 });
  expect(items).toMatchObject([{ status: "sent", platformId: "p1", receipt: { status: "delivered", atMs: 1 } }]);
});
