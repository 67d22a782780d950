/** The demo's view, without the demo: it fits the terminal, and colours only what may be coloured. */
import { Writable } from "node:stream";
import stringWidth from "string-width";
import { describe, expect, it } from "vitest";
import { viewComparison, viewFairness } from "../../examples/demo/comparison.ts";
import type { Measures } from "../../examples/demo/meter.ts";
import { createScreen, type Screen, type Span } from "../../examples/demo/screen.ts";
import { replyLine, talkLine, viewFrame, viewLine, type Frame } from "../../examples/demo/view.ts";

const FRAME: Frame = {
  title: "async event loop: all chats at once",
  elapsedMs: 12_345,
  answered: 1_234,
  total: 10_000,
  states: { idle: 999, queued: 120, responding: 16, committing: 3, backingOff: 2, passivated: 860 },
  slots: { running: 16, slots: 16, waiting: 120 },
  timers: 143,
  next: Array.from({ length: 8 }, (_, place) => ({ name: `job-${place}`, inMs: place * 333 })),
  platforms: (["telegram", "discord", "whatsapp"] as const).map((name) => ({
    name,
    received: 12_345,
    sent: 12_000,
    waiting: 345,
    refused: 7,
  })),
  talk: Array.from({ length: 50 }, (_, place) =>
    place % 2 === 0
      ? talkLine("discord", "花子", "今日の天気は? 📦🚚 ".repeat(9))
      : replyLine("whatsapp", "Łucja 2", "Dzień dobry. ".repeat(12), 11_400),
  ),
  commands: Array.from({ length: 9 }, () => ({
    command: "satibot chats why discord:nina",
    result: "The agent has been answering. ".repeat(6),
  })),
};

/** A terminal that keeps what is written to it. */
function terminal(columns: number, rows: number, env: NodeJS.ProcessEnv = {}, isTTY = true): { screen: Screen; written: () => string } {
  let written = "";
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      written += chunk.toString();
      done();
    },
  });
  const screen = createScreen(Object.assign(stream, { isTTY, columns, rows }) as NodeJS.WriteStream, env);
  return { screen, written: () => written };
}

// oxlint-disable-next-line no-control-regex -- escape sequences are what is looked for
const ESCAPES = /\u001b\[[?\d;]*[A-Za-z]/g;
// oxlint-disable-next-line no-control-regex -- escape sequences are what is looked for
const COLOURS = /\u001b\[[\d;]*m/;

const shown = (written: string): readonly string[] => written.replace(ESCAPES, "").trimEnd().split("\n");
const plain = (spans: readonly Span[]): string => spans.map((span) => (typeof span === "string" ? span : span[1])).join("");

describe("the view", () => {
  it.each([
    [80, 24],
    [50, 24],
    [120, 40],
    [50, 12],
  ])("fits %i by %i, wide characters included", (columns, rows) => {
    const { screen, written } = terminal(columns, rows);
    screen.draw(viewFrame(FRAME, screen.columns(), screen.rows()));
    const lines = shown(written());
    expect(lines.length).toBeLessThan(rows);
    expect(lines.filter((line) => stringWidth(line) >= columns)).toEqual([]);
    expect(lines[0]).toMatch(/^async event loop: all chats at once {2,}12\.3 s$/);
    expect(lines[1]).toMatch(/^█+░+ +1234 of 10000 answered$/);
  });

  it("fills 80 by 24 with everything it has to say", () => {
    const { screen, written } = terminal(80, 24);
    screen.draw(viewFrame(FRAME, 80, 24));
    const lines = shown(written());
    expect(lines).toHaveLength(23);
    const text = lines.join("\n");
    for (const part of [
      "idle 999",
      "queued 120",
      "16 of 16 busy, 120 waiting, 143 timers",
      "job-0 0.0 s",
      "Telegram     12345    12000      345        7",
    ])
      expect(text).toContain(part);
    expect(text).toContain("bot → Łucja 2 (11.4 s): Dzień dobry.");
    expect(text.match(/^\$ satibot/gm)).toHaveLength(3);
  });

  it("stays readable before anything has happened", () => {
    const empty: Frame = {
      ...FRAME,
      answered: 0,
      total: 1,
      states: {},
      next: [],
      talk: [],
      commands: [],
      platforms: [],
      timers: undefined,
    };
    const lines = viewFrame(empty, 80, 24).map(plain);
    expect(lines.length).toBeLessThan(24);
    expect(lines[1]).toMatch(/^░+ 0 of 1 answered$/);
  });

  it("says the same in one line", () => {
    expect(viewLine({ ...FRAME, states: { idle: 2, queued: 0 }, platforms: FRAME.platforms.slice(0, 1) })).toBe(
      "12.3 s  1234 of 10000 answered; chats: 2 idle; slots 16/16, 120 waiting; timers 143; telegram 12345 in 12000 out; next job-0 in 0.0 s",
    );
  });
});

describe("the screen", () => {
  const lines: readonly (readonly Span[])[] = [[["green", "yes"], " and ", ["bold", "no"]]];

  it("colours on a terminal, unless NO_COLOR is set", () => {
    for (const [env, isColoured] of [
      [{}, true],
      [{ NO_COLOR: "" }, true],
      [{ NO_COLOR: "1" }, false],
    ] as const) {
      const { screen, written } = terminal(80, 24, env);
      screen.draw(lines);
      screen.print(["red", "stays"]);
      expect(COLOURS.test(written())).toBe(isColoured);
      expect(shown(written()).join()).toContain("yes and no");
    }
  });

  it("draws nothing and writes no escape codes where there is no terminal", () => {
    for (const { screen, written } of [terminal(80, 24, { FORCE_COLOR: "1" }, false), terminal(80, 24, { TERM: "dumb" })]) {
      screen.draw(lines);
      screen.print(["red", "a long line ".repeat(20)]);
      screen.clear();
      expect(screen.isLive).toBe(false);
      expect(written()).toBe(`${"a long line ".repeat(20)}\n`);
    }
  });
});

describe("the table", () => {
  const fast: Measures = {
    messages: 72,
    elapsedMs: 4_460,
    latencyP50Ms: 223,
    latencyP99Ms: 810,
    waitingMax: 5,
    waitingMean: 0.42,
    cpuMs: 551,
  };
  const slow: Measures = {
    messages: 72,
    elapsedMs: 15_970,
    latencyP50Ms: 6_680,
    latencyP99Ms: 11_840,
    waitingMax: 53,
    waitingMean: 28.6,
    cpuMs: 99,
  };

  it("has both gateways in the units of their size", () => {
    const lines = viewComparison(slow, fast, 80).map(plain);
    expect(lines[0]).toMatch(/^ +synchronous gateway {4}async event loop$/);
    expect(lines.find((line) => line.startsWith("Latency, 99 %"))).toMatch(/ 11\.84 s +810 ms$/);
    expect(lines.find((line) => line.startsWith("Answers per second"))).toMatch(/ 4\.5 +16\.1$/);
  });

  it.each([
    [80, 14],
    [50, 18],
  ])("fits %i columns in %i lines, notes included", (columns, rows) => {
    const notes = viewFairness({ seed: 1, cronTurns: 14, commands: 8 }, columns);
    const lines = [...viewComparison(slow, fast, columns).map(plain), ...notes];
    expect(lines.filter((line) => stringWidth(line) > columns)).toEqual([]);
    expect(lines.length).toBeLessThanOrEqual(rows);
  });
});
