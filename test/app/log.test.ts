import { describe, expect, it } from "vitest";
import { createLog } from "../../src/app/log.ts";
import type { Log } from "../../src/ports/log.ts";

function logged(pretty: boolean, say: (log: Log) => void): string[] {
  const lines: string[] = [];
  say(createLog({ level: "info", pretty, secrets: ["hush-hush", 'quo"te'], write: (line) => lines.push(line) }));
  return lines;
}

describe("log", () => {
  it("writes one JSON line per fact, at once, from its level on", () => {
    const lines = logged(false, (log) => {
      log.debug({}, "too quiet");
      log.info({ chat: "api:ann", waiting: 2 }, "turn started");
    });
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? "")).toEqual({
      level: "info",
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      chat: "api:ann",
      waiting: 2,
      msg: "turn started",
    });
  });

  it.each([false, true])("masks secrets by key, by value and by shape (pretty: %s)", (pretty) => {
    const [line = ""] = logged(pretty, (log) =>
      log.warn(
        {
          token: "keyed-secret",
          headers: { authorization: "Bearer keyed-secret" },
          error: 'said quo"te and hush-hush',
          url: "https://api.telegram.org/bot123456:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr/getUpdates",
        },
        "hush-hush",
      ),
    );
    for (const secret of ["keyed-secret", "hush-hush", "quo", "AAbbCC"]) expect(line).not.toContain(secret);
    expect(line).toContain("bot123456:***");
  });

  it.each([false, true])("takes another level and further secrets while it is written (pretty: %s)", (pretty) => {
    const lines: string[] = [];
    const log = createLog({ level: "info", pretty, write: (line) => lines.push(line) });
    log.debug({}, "too quiet");
    log.setLevel("debug");
    log.hide(["new-secret"]);
    log.debug({ said: "new-secret" }, "loud");
    log.setLevel("error");
    log.warn({}, "not any more");
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain("***");
    expect(lines[0]).not.toContain("new-secret");
  });

  it("keeps the stack of an error", () => {
    const [line = ""] = logged(false, (log) => log.error({ err: new Error("lost", { cause: new Error("deep") }) }, "failed"));
    const { err } = JSON.parse(line) as { err: { message: string; stack: string } };
    expect(err.message).toContain("lost");
    expect(err.stack).toContain("log.test.ts");
    expect(err.stack).toContain("deep");
  });

  it("is readable on a terminal, one line per fact", () => {
    const [line = ""] = logged(true, (log) => log.info({ chat: "api:ann" }, "turn started"));
    expect(line).toMatch(/^\[\d\d:\d\d:\d\d\] INFO: turn started \{"chat":"api:ann"\}\n$/);
  });
});
