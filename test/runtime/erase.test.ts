import { expect, it } from "vitest";
import type { ChatKey } from "../../src/core/chat-key.ts";
import { openRuntime } from "./rig.ts";

const CHAT = "api:a";
const isKnown = async (rig: Awaited<ReturnType<typeof openRuntime>>, key: ChatKey = CHAT) =>
  (await rig.store.chats.open(key)) !== undefined;

it("exports everything known of a chat, and erases it but for its dedupe hashes", async () => {
  const rig = await openRuntime();
  const { loop, settled, clock } = rig;
  await settled(loop.addChatMessage(CHAT, "a secret", { messageId: "1" }));
  await clock.advance(1_000);
  expect(JSON.stringify(await settled(loop.export(CHAT)))).toContain("re a secret");
  await settled(loop.erase(CHAT));
  expect(await isKnown(rig)).toBe(false);
  await expect(settled(loop.export(CHAT))).rejects.toMatchObject({ code: "CHAT_UNKNOWN" });
  await expect(settled(loop.erase(CHAT))).rejects.toMatchObject({ code: "CHAT_UNKNOWN" });
  // Redelivered, it is still known as the same message.
  expect(await settled(loop.addChatMessage(CHAT, "a secret", { messageId: "1" }))).toMatchObject({ duplicate: true });
  await settled(loop.addChatMessage(CHAT, "anew", { messageId: "2" }));
  await clock.advance(1_000);
  expect((await settled(loop.chat(CHAT))).history.map((entry) => entry.role)).toEqual(["user", "assistant"]);
});

it("ends the turn that runs, frees its slot and leaves the other chats alone", async () => {
  let isAborted = false;
  const rig = await openRuntime({
    limits: { concurrentTurns: 1 },
    agent: async function* (turn, { signal }) {
      if (turn.chat === CHAT) {
        await new Promise<void>((resolve) =>
          signal.addEventListener("abort", () => {
            isAborted = true;
            resolve();
          }),
        );
      }
      yield `re ${turn.messages[0]?.text}`;
    },
  });
  const { loop, settled, clock, said, lines } = rig;
  await settled(loop.addChatMessage(CHAT, "one"));
  await settled(loop.addChatMessage(CHAT, "two"));
  await settled(loop.addChatMessage("api:b", "three"));
  await clock.advance(1_000);
  await settled(loop.erase(CHAT));
  await clock.advance(10_000);
  expect(isAborted).toBe(true);
  expect(await isKnown(rig)).toBe(false);
  expect(await said("api:b")).toEqual(["re three"]);
  expect((await loop.status()).queue).toMatchObject({ running: 0, waiting: 0 });
  expect(lines.filter((line) => line.includes("crashed"))).toEqual([]);
});

it("gives up the replies that were on their way", async () => {
  const rig = await openRuntime();
  const { loop, settled, clock, platform, post } = rig;
  platform.setOnline(false);
  await clock.advance(10);
  platform.setOnline(true);
  platform.script({ kind: "unavailable", retryAfterMs: 60_000 });
  post("hi", "u1");
  await clock.advance(70_000);
  post("again", "u2");
  platform.script({ kind: "unavailable", retryAfterMs: 60_000 });
  await clock.advance(5_000);
  const before = platform.takenCount();
  await settled(loop.erase("sim:1"));
  await clock.advance(600_000);
  expect(platform.takenCount()).toBe(before);
  expect(await isKnown(rig, "sim:1")).toBe(false);
  await settled(loop.shutdown());
});
