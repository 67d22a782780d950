import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createSseParser } from "../../dashboard/sse.ts";

const STREAM = 'retry: 1000\n\n: heartbeat\n\nevent: state\ndata: {"a":1}\n\nid: 7\nevent: reply\ndata: {"text":"x: y"}\n\nevent: cut';

describe("server-sent events", () => {
  it("are the same however the text is cut", () => {
    const whole = createSseParser().feed(STREAM);
    expect(whole).toEqual([
      { name: "state", id: undefined, text: '{"a":1}' },
      { name: "reply", id: "7", text: '{"text":"x: y"}' },
    ]);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: STREAM.length }), { maxLength: 20 }), (cuts) => {
        const parser = createSseParser();
        const places = [0, ...cuts.toSorted((a, b) => a - b), STREAM.length];
        const events = places.slice(1).flatMap((end, at) => parser.feed(STREAM.slice(places[at], end)));
        expect(events).toEqual(whole);
      }),
    );
  });

  it("refuse an event that never ends", () => {
    const parser = createSseParser();
    expect(() => {
      for (let at = 0; at < 10; at += 1) parser.feed("x".repeat(1024 * 1024));
    }).toThrow("too large");
  });
});
