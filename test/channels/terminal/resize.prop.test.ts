import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openTerminal } from "./rig.ts";

const WORDS = ["a", "word", "日本語", "🎉", "👨‍👩‍👧", "e\u0301", "averyveryverylongword", "x y", "ไทย"];
const key = fc.constantFrom("\u001b[D", "\u001b[C", "\u007f", "\u001b[A", "\u001b[B", "\u0001", "\u0005", "\u0017", "\t");
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("type" as const), text: fc.constantFrom(...WORDS) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("type" as const), text: key }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("enter" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 700 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("resize" as const), columns: fc.integer({ min: 12, max: 60 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("print" as const) }) },
);

describe("the screen", () => {
  it("never tears: whatever happens, each line is there once, and the live area at the end", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const { terminal, channel, clock, press, shutdown } = await openTerminal({ columns: 40, rows: 16, isKept: true });
        let printed = 0;
        for (const one of steps) {
          if (one.do === "type") await press(one.text);
          else if (one.do === "enter") await press("\r");
          else if (one.do === "wait") await clock.advance(one.ms);
          else if (one.do === "print") channel.print(`[log ${printed++}]`);
          else {
            terminal.resize(one.columns, 16);
            await clock.advance(50);
          }
        }
        await clock.advance(60_000);
        const rows = terminal.seen();
        // Every line of the log stands there once, and one prompt with one status line below everything else.
        for (let line = 0; line < printed; line += 1) expect(rows.filter((row) => row === `[log ${line}]`)).toHaveLength(1);
        expect(rows.at(-1)).toBe("/help");
        expect(rows.filter((row) => row === "/help")).toHaveLength(1);
        expect(rows.filter((row) => /^(thinking|answering|storing|waits)/.test(row))).toEqual([]);
        // Each message is answered, and each answer is there once.
        const answers = rows.filter((row) => row.startsWith("re:")).length;
        expect(answers).toBe(channel.counters().ended);
        await shutdown();
      }),
      { numRuns: Number(process.env.RUNS ?? 25) },
    );
  });
});
