import { describe, expect, it } from "vitest";
import { openTerminal } from "./rig.ts";

const answers = (written: string): string[] => written.split("\n").filter((line) => line.startsWith("re: "));

describe("plain lines", () => {
  it("take one line as one message and answer in lines, without any escape sequence", async () => {
    const { terminal, clock, channel } = await openTerminal({ isTTY: false, env: {}, banner: "not shown" });
    expect(channel.isInteractive).toBe(false);
    terminal.type("\ufeffhello\r\n\n  \nsecond **line**\nthe last");
    terminal.end();
    await clock.advance(10_000);
    expect(terminal.written()).toBe("re: hello\nre: second **line**\nre: the last\n");
  });

  it("put characters together that arrive in pieces", async () => {
    const { terminal, clock } = await openTerminal({ isTTY: false });
    for (const byte of Buffer.from("日本 🎉\n")) terminal.type(Buffer.from([byte]));
    await clock.advance(2_000);
    expect(terminal.written()).toBe("re: 日本 🎉\n");
  });

  it("refuse a line of more than 64 KiB, and go on", async () => {
    const { terminal, clock } = await openTerminal({ isTTY: false });
    for (let piece = 0; piece < 40; piece += 1) terminal.type("x".repeat(5_000));
    terminal.type("\nshort\n");
    await clock.advance(2_000);
    expect(terminal.written()).toBe("satibot: a line of more than 65536 bytes was refused; send it in several lines\nre: short\n");
  });

  it("neutralise what an answer holds, and sign answers of other chats", async () => {
    const { terminal, clock, channel } = await openTerminal({ isTTY: false });
    terminal.type("\u001b[2Jboo\n");
    await clock.advance(2_000);
    const request = { address: "work", content: [{ type: "text", text: "a\r\nb" }], idempotencyKey: "t/1" } as const;
    await channel.deliver({ ...request, chat: "terminal:work", signal: new AbortController().signal });
    channel.print("\u001b[32minfo\u001b[39m line\n");
    expect(terminal.written()).toBe("re: ␛[2Jboo\n[work] a\n[work] b\ninfo line\n");
  });

  it("end with /quit, and not with the end of the input", async () => {
    const { terminal, clock, quits } = await openTerminal({ isTTY: false });
    terminal.type("/weather\n");
    await clock.advance(1_000);
    expect(answers(terminal.written())).toEqual(["re: /weather"]);
    terminal.type("/quit\n");
    await clock.advance(100);
    expect(quits()).toBe(1);
    terminal.end();
    await clock.advance(1_000);
    expect(quits()).toBe(1);
  });

  it("are all stored before /quit takes effect", async () => {
    const { terminal, clock, quits, channel } = await openTerminal({ isTTY: false });
    terminal.type("one\ntwo\n/quit\n");
    expect(quits()).toBe(0);
    await clock.advance(100);
    expect([quits(), channel.counters().ended]).toEqual([1, 2]);
  });

  it("are read no faster than the chat takes them, so that none is refused", async () => {
    const { terminal, clock, loop } = await openTerminal({ isTTY: false, limits: { inboxPerChat: 30 } });
    terminal.type(Array.from({ length: 300 }, (_, line) => `l${line}\n`).join(""));
    terminal.end();
    await clock.advance(120_000);
    expect(answers(terminal.written())).toEqual(Array.from({ length: 300 }, (_, line) => `re: l${line}`));
    expect((await loop.status()).channels[0]?.counters.received).toBe(300);
  });

  it("are what a terminal gets that cannot move its cursor; its words are answered there", async () => {
    const { terminal, clock, quits, channel } = await openTerminal({ env: { TERM: "dumb" } });
    expect(channel.isInteractive).toBe(false);
    terminal.type("/chat work\nhello\n");
    await clock.advance(1_000);
    expect(terminal.written()).toBe("── work ──\nre: hello\n");
    expect(terminal.isRaw()).toBe(false);
    terminal.end();
    expect(quits()).toBe(1);
  });

  it("show a repeated delivery once", async () => {
    const { terminal, channel } = await openTerminal({ isTTY: false });
    const request = {
      chat: "terminal:main",
      address: "main",
      content: [{ type: "text", text: "once" }],
      idempotencyKey: "t/1",
      signal: new AbortController().signal,
    } as const;
    const first = await channel.deliver(request);
    expect(await channel.deliver(request)).toEqual(first);
    expect(terminal.written()).toBe("once\n");
  });

  it("outlive a reader that goes away: replies wait for the next start", async () => {
    const { terminal, clock, loop, say, channel } = await openTerminal({ isTTY: false });
    terminal.failWith(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
    await say("hello", 5_000);
    channel.print("nobody reads this");
    const status = (await loop.status()).channels[0];
    expect([status?.state, status?.reason]).toEqual([
      "loggedOut",
      "the terminal's output was closed; replies to it wait for the next start",
    ]);
    await clock.advance(600_000);
    const { outbox } = await loop.chat("terminal:main");
    expect(outbox.map((part) => part.status)).toEqual(["waiting"]);
    expect(terminal.written()).toBe("");
  });
});
