import { describe, expect, it } from "vitest";
import { faultsOf, readLedger, type ChatAccount } from "./account.ts";

const LEDGER = "api:a 1 t1 1\napi:a 1 t1 2\napi:a 7 t2 1\napi:b 1 t3 1\n";
const good: ChatAccount = { chat: "api:a", accepted: [1, 7], heard: ["1 1/1 t1 2", "7 1/2 t2 1", "7 2/2 t2 1"], ambiguous: new Set() };
const faults = (change: Partial<ChatAccount>, ledger = LEDGER) => faultsOf({ ...good, ...change }, readLedger(ledger)).join("; ");

describe("the account", () => {
  it("finds nothing in a run that kept all promises", () => {
    expect(faults({})).toBe("");
    expect(faults({ heard: ["1 1/1 t1 2", "1 1/1 t1 2", "7 1/2 t2 1", "7 2/2 t2 1"], ambiguous: new Set(["1 1/1 t1 2"]) })).toBe("");
  });

  it.each<[string, Partial<ChatAccount>, string | undefined, RegExp]>([
    ["a lost reply", { heard: good.heard.slice(1) }, undefined, /reply 0 is "7 1\/2"/],
    ["a reply that is not whole", { heard: good.heard.slice(0, 2) }, undefined, /2 of 3 came/],
    ["an inversion", { heard: ["1 1/1 t1 2", "7 2/2 t2 1", "7 1/2 t2 1"] }, undefined, /reply 1 is "7 2\/2"/],
    ["a repetition without excuse", { heard: ["1 1/1 t1 2", ...good.heard] }, undefined, /repeated/],
    ["a late repetition", { heard: [...good.heard, "1 1/1 t1 2"], ambiguous: new Set(["1 1/1 t1 2"]) }, undefined, /reply 3/],
    ["an answer of two attempts", { heard: ["1 1/1 t1 2", "7 1/2 t2 1", "7 2/2 t2 2"] }, undefined, /message 7 was answered by/],
    ["an answer of an attempt that was overtaken", { heard: ["1 1/1 t1 1", ...good.heard.slice(1)] }, undefined, /its last attempt/],
    ["a message in two turns", {}, `${LEDGER}api:a 7 t9 1\n`, /given to 2 turns/],
    ["a turn after the next has begun", {}, `${LEDGER}api:a 1 t1 3\n`, /message 1 ran after message 7/],
    ["a turn for nothing", {}, `api:a 3 t0 1\n${LEDGER}`, /never accepted/],
  ])("finds %s", (_, change, ledger, expected) => {
    expect(faults(change, ledger)).toMatch(expected);
  });

  it("passes over a torn last line of the ledger", () => {
    expect(faults({}, `${LEDGER}api:a 7 t`)).toBe("");
  });
});
