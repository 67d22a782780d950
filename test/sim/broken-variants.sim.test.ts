import { describe, expect, it } from "vitest";
import { createMemoryStore, type MemoryStore } from "../../src/stores/memory/store.ts";
import { simulate, type SimulationOptions } from "../../src/testing/simulator/simulator.ts";
import type { EventLoopParts } from "../../src/runtime/event-loop.ts";

/** Seeds within which each broken variant must be found. */
const SEEDS = 60;

async function firstFound(
  alter: (parts: EventLoopParts) => EventLoopParts,
  openStore: SimulationOptions["openStore"] = createMemoryStore,
): Promise<readonly string[]> {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const { violations } = await simulate({ seed, openStore, alter });
    if (violations.length > 0) return violations;
  }
  return [];
}

const withStore =
  (change: (store: EventLoopParts["store"]) => Partial<EventLoopParts["store"]>) =>
  (parts: EventLoopParts): EventLoopParts => ({
    ...parts,
    store: { ...parts.store, ...change(parts.store) },
  });

describe("the simulator finds a runtime that", () => {
  it("has no dedupe", async () => {
    const found = await firstFound(
      withStore(({ inbox }) => ({
        inbox: { ...inbox, append: (rows) => inbox.append(rows.map((row) => ({ ...row, dedupe: undefined }))) },
      })),
    );
    expect(found.join()).toMatch(/answered/);
  });

  it("acknowledges before it commits", async () => {
    const found = await firstFound((parts) => ({
      ...parts,
      channels: parts.channels!.map((channel) => ({
        ...channel,
        start: (host) =>
          channel.start({ ...host, accept: async (messages) => (void host.accept(messages), messages.map(() => "accepted")) }),
      })),
    }));
    expect(found.join()).toMatch(/answered|rest/);
  });

  it("sends before `sending` is committed", async () => {
    const found = await firstFound(
      withStore(({ turns }) => ({ turns: { ...turns, recover: async () => ({ suspects: 0, ambiguous: 0 }) } })),
    );
    expect(found.length).toBeGreaterThan(0);
  });

  it("forgets the turn that was running when it starts again", async () => {
    const found = await firstFound(
      withStore(({ chats }) => ({ chats: { ...chats, needingWork: async () => ({ items: [], next: undefined }) } })),
    );
    expect(found.length).toBeGreaterThan(0);
  });

  it("commits a turn twice", async () => {
    const openStore: SimulationOptions["openStore"] = (hooks) => {
      const store: MemoryStore = createMemoryStore(hooks);
      return {
        ...store,
        turns: {
          ...store.turns,
          commit: async (commit) => store.turns.commit({ ...commit, history: [...commit.history, ...commit.history] }),
        },
      };
    };
    expect((await firstFound((parts) => parts, openStore)).join()).toMatch(/two turns/);
  });
});
