import { initialTransition } from "xstate";
import { describe, expect, it } from "vitest";
import { CHAT_MIGRATIONS, type ChatMigration } from "../../machines/chat-migrations.ts";
import { CHAT_SCHEMA_VERSION, chatMachine } from "../../machines/chat.machine.ts";
import type { ChatRecord } from "../../src/ports/store/records.ts";
import { createSnapshotReader, type SnapshotReading } from "../../src/runtime/chat-snapshot.ts";
import { contextOf, fixtureOf, fromJson, timer } from "./stored-chats.ts";

type Stored = Pick<ChatRecord, "key" | "snapshot" | "timers" | "damaged">;
const stored = (value: unknown, context: unknown, rest: Partial<Stored> = {}): Stored => ({
  key: "api:a",
  snapshot: { value, context },
  timers: [],
  ...rest,
});
const idle = (fields: object = {}): Stored => stored("idle", contextOf("api:a", fields));
const why = (reading: SnapshotReading): string | undefined => (reading.type === "unreadable" ? reading.error.message : reading.type);

describe("a snapshot of this version", () => {
  const reader = createSnapshotReader();

  it("is read as it is", () => {
    const context = contextOf("api:a", { failures: 2, delayMs: 1.5 });
    const timers = [timer("retryDelay", "backingOff", 5)];
    expect(reader.read(stored("backingOff", context, { timers }))).toEqual({ type: "readable", value: "backingOff", context, timers });
    expect(reader.read({ key: "api:a", snapshot: undefined, timers: [] })).toEqual({ type: "none" });
  });

  it.each<[string, Stored, string]>([
    ["null in place of a snapshot's context", stored("idle", null), "its snapshot has no context"],
    ["a list in place of the context", stored("idle", []), "its snapshot has no context"],
    ["no version", idle({ schemaVersion: undefined }), "its snapshot has no version"],
    ["a version in words", idle({ schemaVersion: "1" }), "its snapshot has no version"],
    ["half a version", idle({ schemaVersion: 0.5 }), "its snapshot has no version"],
    ["a newer version", idle({ schemaVersion: 2 }), "a newer satibot stored it (version 2, this one knows 1)"],
    ["an older version that nothing leads from", idle({ schemaVersion: 0 }), "it is of version 0, and this satibot reads 1 to 1"],
    ["a state that is gone", stored("dreaming", contextOf("api:a")), 'there is no state "dreaming"'],
    ["a state of every object", stored("toString", contextOf("api:a")), 'there is no state "toString"'],
    ["a nested state", stored({ idle: "deep" }, contextOf("api:a")), 'there is no state {"idle":"deep"}'],
    ["a count in words", idle({ waiting: "x" }), 'context.waiting is "x"'],
    ["a negative count", idle({ failures: -1 }), "context.failures is -1"],
    ["a negative delay", idle({ delayMs: -5 }), "context.delayMs is -5"],
    ["a field that is missing", idle({ questionId: undefined }), "context.questionId is missing"],
    ["a field that nobody knows", idle({ mood: "blue" }), "there is no field context.mood"],
    ["an error in words", idle({ error: "boom" }), 'context.error is "boom"'],
    ["10 MB of junk", idle({ turnClass: 7, junk: "x".repeat(10_000_000) }), "context.turnClass is 7"],
    ["10 MB in a field", idle({ waiting: "x".repeat(10_000_000) }), "context.waiting is"],
    ["a timer of a state that is gone", { ...idle(), timers: [timer("nap", "dreaming", 5)] }, "a timer is"],
    ["a timer before all time", { ...idle(), timers: [timer("retryDelay", "backingOff", -5)] }, "a timer is"],
    ["null for a timer", { ...idle(), timers: fromJson("[null]") }, "a timer is null"],
    ["too many timers", { ...idle(), timers: Array.from({ length: 101 }, () => timer("debounce", "collecting", 5)) }, "it has 101 timers"],
    ["columns that are damaged", { ...idle(), damaged: ["timers", "turn"] }, "the columns timers, turn of its row are damaged"],
  ])("is refused with %s, in one line that says what to do", (_what, chat, fault) => {
    const message = why(reader.read(chat));
    expect(message).toContain(fault);
    expect(message).toContain("`satibot chats retry api:a` starts it afresh and keeps what waits");
    expect(message?.length).toBeLessThan(500);
  });
});

/** Version 0 called `backingOff` `napping` and kept seconds; version 1 had no question. */
const fromZero: ChatMigration = ({ value, context: { delaySeconds, questionId: _, ...context }, timers }) => {
  if (typeof delaySeconds !== "number") throw new TypeError("no seconds");
  return {
    value: value === "napping" ? "backingOff" : value,
    context: { ...context, delayMs: delaySeconds * 1_000 },
    timers: fromJson(JSON.stringify(timers).replaceAll("napping", "backingOff")),
  };
};
const fromOne: ChatMigration = (chat) => ({ ...chat, context: { ...chat.context, questionId: null } });

describe("a snapshot of an older version", () => {
  const { delayMs: _, ...kept } = contextOf("api:a", { schemaVersion: 0, failures: 2 }) as Record<string, unknown>;
  const old = stored("napping", { ...kept, delaySeconds: 3 }, { timers: [timer("retryDelay", "napping", 5)] });
  const migrated = {
    type: "readable",
    value: "backingOff",
    context: contextOf("api:a", { schemaVersion: 2, failures: 2, delayMs: 3_000 }),
    timers: [timer("retryDelay", "backingOff", 5)],
  };

  it("goes through every step to the version of today, with its state and its timers", () => {
    const reader = createSnapshotReader({ version: 2, migrations: [fromZero, fromOne] });
    expect(reader.read(old)).toEqual(migrated);
    const { questionId: _gone, ...one } = contextOf("api:a") as Record<string, unknown>;
    expect(reader.read(stored("idle", one))).toMatchObject({ type: "readable", context: contextOf("api:a", { schemaVersion: 2 }) });
    expect(reader.read(idle({ schemaVersion: 2 }))).toMatchObject({ type: "readable" });
    expect(why(reader.read(idle({ schemaVersion: 3 })))).toContain("a newer satibot stored it (version 3, this one knows 2)");
    expect(why(reader.read(idle({ schemaVersion: -1 })))).toContain("it is of version -1, and this satibot reads 0 to 2");
  });

  it("is left as it was read", () => {
    const before = structuredClone(old);
    createSnapshotReader({ version: 2, migrations: [fromZero, fromOne] }).read(old);
    expect(old).toEqual(before);
  });

  it("is refused when a migration throws, and when one leaves what no machine of today can take", () => {
    const reader = createSnapshotReader({ version: 1, migrations: [fromZero] });
    expect(why(reader.read(idle({ schemaVersion: 0 })))).toContain("a migration failed: TypeError: no seconds");
    const forgetful = createSnapshotReader({ version: 1, migrations: [(chat) => chat] });
    expect(why(forgetful.read(old))).toContain('there is no state "napping"');
    const broken = createSnapshotReader({ version: 1, migrations: [() => fromJson("null")] });
    expect(why(broken.read(idle({ schemaVersion: 0 })))).toContain("a migration failed");
  });
});

/**
 * What each version stored, kept for ever. Do not edit a file once a release has written snapshots of its version: raise
 * CHAT_SCHEMA_VERSION, add a migration and a new file (docs/snapshots.md).
 */
describe("the versions so far", () => {
  const newest = fixtureOf(CHAT_SCHEMA_VERSION);
  const oldest = CHAT_SCHEMA_VERSION - CHAT_MIGRATIONS.length;
  const versions = Array.from({ length: CHAT_MIGRATIONS.length + 1 }, (_, place) => oldest + place);

  it.each(versions)("are read: %i", (version) => {
    const reader = createSnapshotReader();
    for (const chat of fixtureOf(version).chats) {
      const reading = reader.read(chat);
      expect(why(reading)).toBe("readable");
      expect(reading).toMatchObject({ context: { schemaVersion: CHAT_SCHEMA_VERSION } });
    }
  });

  it("have a snapshot of each settled state, in the newest", () => {
    const settled = Object.values(chatMachine.states).filter((state) => state.tags.includes("settled"));
    expect(new Set(newest.chats.map((chat) => chat.snapshot?.value))).toEqual(new Set(settled.map((state) => state.key)));
  });

  it("have the shape of the machine of today, in the newest: raise CHAT_SCHEMA_VERSION when this fails", () => {
    const [initial] = initialTransition(chatMachine, { key: "api:a", debounceMs: 0, turnTimeoutMs: 1 });
    const fieldsOf = (value: unknown): string[] => Object.keys(value ?? {}).sort();
    for (const chat of newest.chats) expect(fieldsOf(chat.snapshot?.context)).toEqual(fieldsOf(initial.context));
    expect(Object.keys(chatMachine.states).sort()).toEqual(newest.states);
    const delayed = Object.values(chatMachine.states).flatMap((state) => state.after.map((edge) => edge.eventType));
    expect(delayed.sort()).toEqual(newest.delayed);
  });
});
