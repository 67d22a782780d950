import { describe, expect, it } from "vitest";
import { TransientError } from "../../../src/core/errors.ts";
import { createMemoryStore } from "../../../src/stores/memory/store.ts";
import { openTerminal } from "./rig.ts";

const PASTE = (text: string): string => `\u001b[200~${text}\u001b[201~`;
const UP = "\u001b[A";

describe("the prompt", () => {
  it("shows what was said, the answer once, and a status line", async () => {
    const { say, terminal } = await openTerminal({ banner: "satibot 1.0" });
    await say("hello");
    expect(terminal.seen()).toEqual(["satibot 1.0", "main> hello", "re: hello", "main>", "/help"]);
    expect([terminal.emulator.row, terminal.emulator.column]).toEqual([3, 6]);
  });

  it("streams an answer below what was said and replaces it by the reply", async () => {
    const { say, terminal, clock } = await openTerminal();
    await say("one two three four", 250);
    expect(terminal.seen()).toEqual(["main> one two three four", "re: one two", "main>", "answering…"]);
    await clock.advance(1_000);
    expect(terminal.seen()).toEqual(["main> one two three four", "re: one two three four", "main>", "/help"]);
  });

  it("does not disturb what is being typed while an answer streams", async () => {
    const { say, press, terminal, clock } = await openTerminal({ columns: 24, rows: 12 });
    await say("a b c d e f g h", 100);
    for (const key of "typing 日本語 👨‍👩‍👧 beyond the width") await press(key);
    expect(terminal.seen()).toContain("main> typing 日本語 👨‍👩‍👧");
    await clock.advance(3_000);
    const seen = terminal.seen();
    expect(seen.filter((row) => row === "re: a b c d e f g h")).toHaveLength(1);
    expect(seen.join("").replaceAll(" ", "")).toContain("main>typing日本語👨‍👩‍👧beyondthewidth");
  });

  it("begins again with a new attempt", async () => {
    const { say, terminal, clock } = await openTerminal();
    await say("!flaky words of an answer", 150);
    expect(terminal.seen()).toContain("re: !flaky");
    await clock.advance(200);
    expect(terminal.seen().at(-1)).toMatch(/^failed, tries again/);
    expect(terminal.seen()).not.toContain("re: !flaky");
    await clock.advance(30_000);
    expect(terminal.seen().filter((row) => row.startsWith("re: "))).toEqual(["re: !flaky words of an answer"]);
  });

  it("tells what the chat does, for how long, and how many messages wait", async () => {
    const { say, terminal } = await openTerminal();
    await say("!slow one", 100);
    await say("two", 100);
    await say("three", 2_000);
    expect(terminal.seen().at(-1)).toBe("thinking… 2 s · 2 waiting");
  });

  it("keeps what was streamed when the person stops it", async () => {
    const { say, terminal } = await openTerminal();
    await say("one two three four five", 250);
    await say("/stop", 1_000);
    expect(terminal.seen()).toContain("re: one two … (stopped)");
    expect(terminal.seen()).toContain("Stopped; messages dropped: 1.");
  });

  it("neutralises whatever an answer holds", async () => {
    const { say, terminal } = await openTerminal({
      agent: () =>
        async function* () {
          yield "\u001b[2J\u001b]0;owned\u0007red\u001b[31m \u009b31m\u202eevil\u2066\r\nnext\rline\u0000";
        },
    });
    await say("go");
    expect(terminal.seen().slice(1, 4)).toEqual(["␛[2J␛]0;owned␇red␛[31m �31m�evil�", "next", "line␀"]);
    expect(terminal.emulator.colours).toBe(0);
  });

  it("colours only where it may", async () => {
    const plain = await openTerminal();
    await plain.say("**bold** and `code`");
    expect(plain.terminal.seen()).toContain("re: **bold** and `code`");
    expect(plain.terminal.emulator.colours).toBe(0);
    const coloured = await openTerminal({ env: {} });
    await coloured.say("**bold** and `code`");
    expect(coloured.terminal.seen()).toContain("re: bold and code");
    expect(coloured.terminal.emulator.colours).toBeGreaterThan(4);
  });

  it("prints lines of the program above the prompt, at any time", async () => {
    const { press, terminal, channel, shutdown } = await openTerminal();
    await press("half a mess");
    channel.print("\u001b[32minfo\u001b[39m \u001b[2Jone\nand two\n");
    expect(terminal.seen()).toEqual(["info ␛[2Jone", "and two", "main> half a mess", "/help"]);
    await shutdown();
    channel.print("after");
    expect(terminal.seen().at(-1)).toBe("after");
  });

  it("takes a paste of several lines as one message, and says so when it is cut", async () => {
    const { press, say, terminal, channel } = await openTerminal({ rows: 10 });
    await press(PASTE("one\r\ntwo\rthree\u001b[31m\u0007"));
    expect(terminal.seen()).toEqual(["main> one", "      two", "      three", "/help"]);
    expect(channel.counters().ended).toBe(0);
    await say("!");
    expect(terminal.seen()).toContain("re: one");
    expect(channel.counters().ended).toBe(1);
    await press(PASTE("x".repeat(70_000)));
    expect(terminal.seen().join("\n")).toContain("A message has at most 64 KiB; the rest was left out.");
  });

  it("sends each line of a paste that is not marked, in order", async () => {
    const { press, clock, loop } = await openTerminal();
    await press("one\rtwo\rthree\r");
    await clock.advance(5_000);
    const { history } = await loop.chat("terminal:main");
    const texts = history.filter(({ role }) => role === "user").map(({ content }) => content[0]);
    expect(texts).toEqual(["one", "two", "three"].map((text) => ({ type: "text", text })));
  });

  it("keeps the history over restarts", async () => {
    const store = createMemoryStore();
    const first = await openTerminal({ store });
    await first.say("remember me");
    await first.say("and me");
    await first.shutdown();
    const second = await openTerminal({ store, startMs: Date.UTC(2026, 0, 2) });
    await second.press(UP);
    expect(second.terminal.seen()).toContain("main> and me");
    await second.press(UP + UP);
    expect(second.terminal.seen()).toContain("main> remember me");
    await second.say("");
    expect(second.terminal.seen()).toContain("re: remember me");
  });
});

describe("several chats", () => {
  it("announce their replies in one line and show them when they are opened", async () => {
    const { say, press, terminal } = await openTerminal({ columns: 40 });
    await say("/chat work", 100);
    await say("!slow a question that is a good deal longer than forty columns are", 100);
    await say("/chat main", 100);
    await press("half");
    await say(" of it", 9_000);
    expect(terminal.seen().slice(-5)).toEqual([
      "main> half of it",
      "re: half of it",
      "work: re: !slow a question…  /chat work",
      "main>",
      "work: 1 new",
    ]);
    await say("/chats", 100);
    expect(terminal.seen()).toContain("* main  idle");
    expect(terminal.seen()).toContain("  work  1 new · idle");
    await say("/chat work", 100);
    expect(terminal.seen().slice(-5)).toEqual([
      "── work ──",
      "re: !slow a question that is a good",
      "deal longer than forty columns are",
      "work>",
      "/help",
    ]);
  });

  it("recall their last messages when they are opened for the first time", async () => {
    const store = createMemoryStore();
    const first = await openTerminal({ store });
    await first.say("/chat work", 100);
    await first.say("hello");
    await first.shutdown();
    const second = await openTerminal({ store, startMs: Date.UTC(2026, 0, 2) });
    await second.say("/chat work", 100);
    expect(second.terminal.seen()).toEqual(["main> /chat work", "── work ──", "work> hello", "re: hello", "work>", "/help"]);
  });

  it("refuse a name that no chat can have, and say why", async () => {
    const { say, terminal } = await openTerminal({ columns: 120 });
    await say(`/chat ${"x".repeat(200)}`, 100);
    expect(terminal.seen().join(" ")).toContain("has more than 128 characters; shorten it");
    await say("/chat a/b 🎉", 100);
    expect(terminal.seen()).toContain("── a/b 🎉 ──");
  });
});

describe("words with a slash", () => {
  it("are answered by the terminal, by the runtime or by the agent", async () => {
    const { say, terminal } = await openTerminal();
    for (const word of ["/why", "/help", "/status", "/slow", "//why", "//help", "/new"]) await say(word, 1_000);
    const seen = terminal.seen().join("\n");
    expect(seen).toContain("Nothing was said here yet.");
    expect(seen).toContain("/chat NAME  open or switch");
    expect(seen).toContain("turns: 0 of 16 running, 0 waiting");
    expect(seen).toContain("re: /slow");
    expect(seen).toContain("re: /why");
    expect(seen).toContain("/whoami - Show your id");
    expect(seen).toContain("A new conversation begins; messages dropped: 0.");
  });

  it("are completed by Tab", async () => {
    const { press, terminal } = await openTerminal();
    await press("/st\t");
    expect(terminal.seen()).toContain("/status  /stop");
    await press("a\t");
    expect(terminal.seen()).toContain("main> /status");
  });
});

describe("the end", () => {
  it("comes by Ctrl-C and Ctrl-D on an empty line and by /quit, and the terminal is given back", async () => {
    const { press, say, quits, terminal, shutdown } = await openTerminal();
    expect([terminal.isRaw(), terminal.emulator.marksPastes]).toEqual([true, true]);
    await press("some text");
    await press("\u0003");
    expect(quits()).toBe(0);
    expect(terminal.seen().at(-2)).toBe("main>");
    await press("\u0003");
    await press("\u0004");
    await say("/quit", 50);
    expect(quits()).toBe(2);
    expect(terminal.seen().join("\n")).toContain("Shutting down: this is not sent.");
    await shutdown();
    const { showsCursor, marksPastes, wraps } = terminal.emulator;
    expect([terminal.isRaw(), showsCursor, marksPastes, wraps]).toEqual([false, true, false, true]);
  });

  it("shows what was not sent, and the answer that was under way", async () => {
    const { press, say, terminal, shutdown } = await openTerminal();
    await say("!slow question", 100);
    await press("half a mess");
    await shutdown();
    const seen = terminal.seen();
    expect(seen).toContain("Not sent: half a mess");
    expect(seen.at(-1)).toBe("re: !slow question");
    expect(seen.filter((row) => row.startsWith("re: "))).toHaveLength(1);
  });

  it("comes when the terminal is closed", async () => {
    const { terminal, quits, clock } = await openTerminal();
    terminal.end();
    await clock.advance(10);
    expect(quits()).toBe(1);
  });
});

describe("trouble", () => {
  it("keeps a message that could not be stored, says so, and tries again at Enter", async () => {
    const store = createMemoryStore();
    const rig = await openTerminal({ store });
    const append = store.inbox.append;
    let isAway = true;
    Object.assign(store.inbox, {
      append: async (...args: Parameters<typeof append>) => {
        if (isAway) throw new TransientError("STORE_UNAVAILABLE", "the disk is full; free some space", { retryAfterMs: 25_000 });
        return append(...args);
      },
    });
    await rig.say("precious", 100);
    expect(rig.terminal.seen().join(" ")).toContain('Not stored: "precious" (the disk is full; free some space). It is kept');
    expect(rig.terminal.seen().at(-1)).toBe("1 not stored yet");
    isAway = false;
    await rig.say("", 2_000);
    expect(rig.terminal.seen()).toContain("re: precious");
  });

  it("says when a chat takes no more", async () => {
    const { say, terminal } = await openTerminal({ limits: { inboxPerChat: 1 } });
    await say("!slow one", 50);
    await say("two", 50);
    await say("three", 50);
    expect(terminal.seen().join(" ")).toMatch(/Not taken: "(two|three)": too many messages of this chat wait/);
  });

  it("does not draw to an output that does not keep up, and shows everything once it does", async () => {
    const { say, terminal, clock, channel } = await openTerminal({ rows: 8, columns: 30 });
    terminal.hold(true);
    await say("one two three", 3_000);
    for (let line = 0; line < 3_000; line += 1) channel.print(`line ${line} ${"x".repeat(1_000)}`);
    terminal.hold(false);
    await clock.advance(1_000);
    channel.print("the end");
    const seen = terminal.seen();
    expect(seen).toContain("re: one two three");
    expect(seen.some((row) => /lines were left out/.test(row))).toBe(true);
    expect(seen).toContain("the end");
  });
});
