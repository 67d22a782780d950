import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createDeadManSwitch } from "../../src/app/dead-man.ts";
import type { Log } from "../../src/ports/log.ts";
import { createVirtualClock } from "../../src/testing/virtual-clock.ts";

const SECRET = "https://ping.example/9b0c-secret";

function rig(answer: (count: number) => number | Promise<number> = () => 200) {
  const clock = createVirtualClock();
  const lines: string[] = [];
  const asked: { readonly url: string; readonly atMs: number }[] = [];
  const state: { alive: boolean | "rejects" } = { alive: true };
  const note = (facts: object, line: string): void => void lines.push(`${line} ${JSON.stringify(facts)}`);
  const log: Log = { debug: note, info: note, warn: note, error: note };
  const start = clock.monotonic();
  const dead = createDeadManSwitch({
    clock,
    log,
    isAlive: () => (state.alive === "rejects" ? Promise.reject(new Error("no store")) : Promise.resolve(state.alive)),
    get: async (url) => {
      asked.push({ url, atMs: clock.monotonic() - start });
      return answer(asked.length);
    },
  });
  return { clock, lines, asked, state, dead };
}

describe("the dead man's switch", () => {
  it("asks its URL at once and at its interval while all is well, and says nothing", async () => {
    const { clock, asked, dead, lines } = rig();
    dead.configure({ url: SECRET, everyMs: 60_000 });
    await clock.advance(180_000);
    expect(asked.map(({ atMs }) => atMs)).toEqual([0, 60_000, 120_000, 180_000]);
    expect(lines).toEqual([]);
  });

  it("is silent while the loop stalls or the store does not commit, says so once, and goes on by itself", async () => {
    const { clock, asked, dead, lines, state } = rig();
    dead.configure({ url: SECRET, everyMs: 60_000 });
    await clock.advance(1);
    state.alive = false;
    await clock.advance(120_000);
    state.alive = "rejects";
    await clock.advance(120_000);
    expect(asked).toHaveLength(1);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain("the store does not commit");
    state.alive = true;
    await clock.advance(60_000);
    expect(asked).toHaveLength(2);
    expect(lines[1]).toContain("pinged again");
  });

  it("logs a failure once, with what to look at and without the URL", async () => {
    const failures = [Object.assign(new Error(`getaddrinfo ENOTFOUND ${SECRET}`), { code: "ENOTFOUND" }), 503, 503, 200];
    const { clock, dead, lines, asked } = rig((count) => {
      const outcome = failures[Math.min(count, failures.length) - 1]!;
      if (outcome instanceof Error) throw new TypeError("fetch failed", { cause: outcome });
      return outcome;
    });
    dead.configure({ url: SECRET, everyMs: 60_000 });
    await clock.advance(240_000);
    expect(asked).toHaveLength(5);
    expect(lines).toHaveLength(3);
    expect(lines[0]).toContain("ENOTFOUND");
    expect(lines[1]).toContain("503");
    expect(lines[2]).toContain("again");
    expect(lines.join()).not.toContain("secret");
  });

  it("says of a redirect that it pinged nobody", async () => {
    const { clock, dead, lines } = rig(() => 301);
    dead.configure({ url: SECRET, everyMs: 60_000 });
    await clock.advance(120_000);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain("a redirect (301)");
    expect(lines[0]).toContain("heartbeat.pingUrl");
  });

  it("never asks twice at once, however slow the answer is", async () => {
    let answer = (): void => undefined;
    const { clock, dead, asked } = rig(() => new Promise((resolve) => (answer = () => resolve(200))));
    dead.configure({ url: SECRET, everyMs: 1_000 });
    await clock.advance(30_000);
    expect(asked).toHaveLength(1);
    answer();
    await clock.advance(1);
    expect(asked).toHaveLength(2);
  });

  it("changes to another URL, to the same one without a stir, and to none", async () => {
    const { clock, dead, asked } = rig();
    dead.configure({ url: `${SECRET}/1`, everyMs: 60_000 });
    await clock.advance(1);
    dead.configure({ url: `${SECRET}/1`, everyMs: 60_000 });
    dead.configure({ url: `${SECRET}/2`, everyMs: 60_000 });
    await clock.advance(60_000);
    expect(asked.map(({ url }) => url.at(-1))).toEqual(["1", "2", "2"]);
    dead.configure(undefined);
    await clock.advance(600_000);
    expect(asked).toHaveLength(3);
    expect(clock.pending()).toBe(0);
  });

  it("ends", async () => {
    const { clock, dead, asked } = rig();
    dead.configure({ url: SECRET, everyMs: 60_000 });
    dead.stop();
    await clock.advance(600_000);
    expect(asked.length).toBeLessThanOrEqual(1);
    expect(clock.pending()).toBe(0);
  });
});

describe("over the network", () => {
  let server: Server | undefined;
  afterEach(() => void server?.close());

  it("sends a GET, and follows no redirect", async () => {
    const seen: string[] = [];
    const told: string[] = [];
    let arrived = (): void => undefined;
    const both = new Promise<void>((resolve) => (arrived = resolve));
    server = createServer((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      response.writeHead(seen.length === 1 ? 302 : 200, { location: "/elsewhere" }).end("x".repeat(100_000));
      if (seen.length === 2) arrived();
    });
    await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const note = (_: object, line: string): void => void told.push(line);
    const dead = createDeadManSwitch({
      clock: {
        now: Date.now,
        monotonic: () => performance.now(),
        setTimer: (ms, run) =>
          (
            (id) => () =>
              clearTimeout(id)
          )(setTimeout(run, ms)),
        soon: setImmediate,
      },
      log: { debug: note, info: note, warn: note, error: note },
      isAlive: () => Promise.resolve(true),
    });
    dead.configure({ url: `http://127.0.0.1:${port}/ping/secret`, everyMs: 1 });
    await both;
    dead.stop();
    expect(seen).toEqual(["GET /ping/secret", "GET /ping/secret"]);
    expect(told).toEqual(["the dead man's switch was not pinged; its service may raise an alarm"]);
  });
});
