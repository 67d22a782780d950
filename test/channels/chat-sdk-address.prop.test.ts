/** Whatever thread ids a platform has, each is one chat with a valid, stable key. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chatKeyOf, threadIdOf } from "../../src/channels/chat-sdk/address.ts";
import { parseChatKey } from "../../src/core/chat-key.ts";

const threadId = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 300 }),
  fc.string({ unit: "binary", maxLength: 300 }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 40 }).map((units) => String.fromCharCode(...units)),
  fc.constantFrom("slack:", "slack:::", "", "e\u0301", "slack:C1~2"),
);

describe("chat keys of threads", () => {
  it("are valid whatever the thread id", () => {
    fc.assert(
      fc.property(threadId, (id) => {
        const key = chatKeyOf("slack", id, "slack");
        expect(parseChatKey(key)).toBe(key);
        expect(chatKeyOf("slack", id, "slack")).toBe(key);
      }),
    );
  });

  it("lead back to the thread, or say that they do not", () => {
    expect(threadIdOf("slack:C1:1.1", "slack")).toBe("slack:C1:1.1");
    fc.assert(
      fc.property(threadId, (id) => {
        const key = chatKeyOf("slack", id, "slack");
        const back = threadIdOf(key, "slack");
        expect(back === undefined ? key : chatKeyOf("slack", back, "slack")).toBe(key);
      }),
    );
  });

  it("differ where threads differ", () => {
    fc.assert(
      fc.property(threadId, threadId, (a, b) => {
        const place = (id: string): string => (id.startsWith("slack:") ? id.slice(6) : id).replace(/:+$/, "");
        fc.pre(place(a) !== place(b));
        expect(chatKeyOf("slack", a, "slack")).not.toBe(chatKeyOf("slack", b, "slack"));
      }),
    );
  });

  it.each([
    ["slack:C1:1700000000.000001", "slack:C1:1700000000.000001"],
    ["slack:D7:", "slack:D7"],
    ["slack:D7", "slack:D7"],
  ])("%j is %j", (id, key) => {
    expect(chatKeyOf("slack", id, "slack")).toBe(key);
  });

  it.each([
    [`slack:${"x".repeat(200)}`, `slack:${"x".repeat(48)}~`],
    ["slack:a\u0000b", "slack:a-b~"],
  ])("%j begins as %j, and ends with a hash", (id, beginning) => {
    const key = chatKeyOf("slack", id, "slack");
    expect(key.slice(0, beginning.length)).toBe(beginning);
    expect(key.slice(beginning.length)).toMatch(/^[0-9a-f]{28,}$/);
  });
});
