import { describe, expect, it } from "vitest";
import { CHANNELS_MAX, loadLedger } from "../../src/channels/discord/ledger.ts";
import type { Entry, Ledger } from "../../src/channels/discord/ledger.ts";
import { createReader } from "../../src/channels/discord/reader.ts";
import type { RestCall, RestResult } from "../../src/channels/discord/rest.ts";
import { createRecordingHost } from "../../src/testing/channel-contract.ts";
import type { RecordingHost } from "../../src/testing/channel-contract.ts";
import { createHeldClock } from "./clocks.ts";

const always = (): boolean => true;
const entryOf = (channelId: string, after: string, guildId?: string): Entry => ({ channelId, guildId, parentId: undefined, after });

describe("the ledger of channels", () => {
  const open = (host: RecordingHost): Promise<Ledger> => loadLedger(host, "discord", undefined);

  it("finds again what it has stored", async () => {
    const host = createRecordingHost("discord");
    const ledger = await open(host);
    const entries = [entryOf("10", "100"), entryOf("11", "101", "5"), { ...entryOf("12", "102", "5"), parentId: "11" }];
    for (const entry of entries) {
      ledger.add(entry, always);
      await ledger.save(entry);
    }
    expect([...(await open(host)).entries()]).toEqual(entries);
    expect(host.cells.get("channels")).toBe(3);
  });

  it("uses the place of a channel that is gone for the next one", async () => {
    const host = createRecordingHost("discord");
    const ledger = await open(host);
    for (const entry of [entryOf("10", "100"), entryOf("11", "101")]) {
      ledger.add(entry, always);
      await ledger.save(entry);
    }
    await ledger.remove(ledger.get("10") ?? entryOf("10", "0"));
    expect(ledger.get("10")).toBeUndefined();
    const next = entryOf("12", "102");
    ledger.add(next, always);
    await ledger.save(next);
    expect([...(await open(host)).entries()].map(({ channelId }) => channelId).sort()).toEqual(["11", "12"]);
    expect(host.cells.get("channels")).toBe(2);
  });

  it("forgets the quietest channel that is idle when it is full", async () => {
    const host = createRecordingHost("discord");
    const ledger = await open(host);
    for (let n = 0; n < CHANNELS_MAX; n += 1) ledger.add(entryOf(String(10_000 + n), String(90_000 - n)), always);
    const busiest = String(10_000 + CHANNELS_MAX - 1);
    const next = entryOf("7", "99999");
    ledger.add(next, ({ channelId }) => channelId !== busiest);
    await ledger.save(next);
    expect([...ledger.entries()]).toHaveLength(CHANNELS_MAX);
    expect(ledger.get(busiest)).toBeDefined();
    expect(ledger.get(String(10_000 + CHANNELS_MAX - 2))).toBeUndefined();
    expect(Number(host.cells.get("channels"))).toBe(CHANNELS_MAX);
  });

  it("passes over cells that it cannot read, and uses them again", async () => {
    const host = createRecordingHost("discord");
    await host.save("channels", 4);
    await host.save("channel:0", { id: "10", after: "100" });
    await host.save("channel:1", { id: "x", after: "100" });
    await host.save("channel:2", "nonsense");
    const ledger = await open(host);
    expect([...ledger.entries()]).toEqual([entryOf("10", "100")]);
    const next = entryOf("11", "101");
    ledger.add(next, always);
    await ledger.save(next);
    expect(host.cells.get("channels")).toBe(4);
    expect([...(await open(host)).entries()]).toHaveLength(2);
  });
});

describe("the reader of messages", () => {
  it("asks for four channels at once, and next for one in which somebody waits", async () => {
    const asked: { readonly path: string; readonly answer: (result: RestResult) => void }[] = [];
    const rest = { call: ({ path }: RestCall) => new Promise<RestResult>((answer) => void asked.push({ path, answer })) };
    const { signal } = new AbortController();
    const reader = createReader({
      rest,
      clock: createHeldClock(),
      signal,
      name: "discord",
      log: undefined,
      onRefused: () => undefined,
    });
    const reads = [1, 2, 3, 4, 5, 6].map((id) => reader.read(String(id), "0", () => id === 6));
    const channels = (): (string | undefined)[] => asked.map(({ path }) => path.split("/")[2]);
    await new Promise((resolve) => void setImmediate(resolve));
    expect(channels()).toEqual(["1", "2", "3", "4"]);
    for (let at = 0; at < 6; at += 1) {
      asked[at]?.answer({ kind: "ok", body: [], headers: new Headers() });
      await new Promise((resolve) => void setImmediate(resolve));
    }
    expect(channels()).toEqual(["1", "2", "3", "4", "6", "5"]);
    expect(await Promise.all(reads)).toEqual([[], [], [], [], [], []]);
  });
});
