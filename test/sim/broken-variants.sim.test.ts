import { describe, expect, it } from "vitest";
import { textOf } from "../../src/core/content.ts";
import type { ChatRecord } from "../../src/ports/store/records.ts";
import type { Store } from "../../src/ports/store/store.ts";
import type { EventLoopParts } from "../../src/runtime/event-loop.ts";
import { createMemoryStore } from "../../src/stores/memory/store.ts";
import { simulate, type SimulationOptions } from "../../src/testing/simulator/simulator.ts";

/** Seeds within which each broken variant must be found. */
const SEEDS = 200;

type Alter = NonNullable<SimulationOptions["alter"]>;

/** The first violations that a broken runtime shows, and the seed. */
async function firstFound(alter: Alter, openStore: SimulationOptions["openStore"] = createMemoryStore): Promise<string> {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const { violations } = await simulate({ seed, openStore, alter });
    if (violations.length > 0) return `seed ${seed}: ${violations.join("; ")}`;
  }
  return "nothing";
}

const sound: Alter = (parts) => parts;
const withStore =
  (change: (store: Store, parts: EventLoopParts) => Partial<Store>): Alter =>
  (parts) => ({ ...parts, store: { ...parts.store, ...change(parts.store, parts) } });

const variants: Readonly<
  Record<string, { readonly alter: Alter; readonly openStore?: SimulationOptions["openStore"]; readonly shows: RegExp }>
> = {
  "acknowledges before it commits": {
    alter: (parts) => ({
      ...parts,
      channels: parts.channels!.map((channel) => ({
        ...channel,
        start: (host) =>
          channel.start({
            ...host,
            accept: async (messages) => {
              host.accept(messages).catch(() => undefined);
              return messages.map(() => "accepted");
            },
          }),
      })),
    }),
    shows: /people said/,
  },
  "shows a growing reply by new messages": {
    alter: (parts) => ({
      ...parts,
      channels: parts.channels!.map(({ edit, ...channel }) => ({
        ...channel,
        ...(edit ? { edit: async (request) => void (await channel.deliver(request)) } : {}),
      })),
    }),
    shows: /stored nowhere|sent twice|was sent as/,
  },
  "sends a reply beside its draft": {
    alter: withStore(({ outbox, turns }) => {
      const drafts = new Map<string, string>();
      return {
        outbox: {
          ...outbox,
          draft: async (request) => {
            const part = await outbox.draft(request);
            if (typeof part !== "string") drafts.set(request.turnId, part.id);
            return part;
          },
        },
        turns: {
          ...turns,
          commit: async (commit) => {
            const draft = drafts.get(commit.turnId);
            if (draft !== undefined) await outbox.purge(draft);
            return turns.commit(commit);
          },
        },
      };
    }),
    shows: /stored nowhere/,
  },
  "has no dedupe": {
    alter: withStore(({ inbox }) => ({
      inbox: { ...inbox, append: (rows) => inbox.append(rows.map((row) => ({ ...row, dedupe: undefined }))) },
    })),
    shows: /people said|acknowledged as/,
  },
  "writes its dedupe row before the message": {
    // As two transactions: what was refused in between is taken for a repetition.
    alter: withStore(({ inbox, kv }) => ({
      inbox: {
        ...inbox,
        append: async (rows) => {
          const known = await Promise.all(
            rows.map(async ({ dedupe }) => (dedupe ? kv.get("seen", `${dedupe.scope} ${dedupe.externalId}`) : undefined)),
          );
          for (const { dedupe } of rows) if (dedupe) await kv.set("seen", `${dedupe.scope} ${dedupe.externalId}`, true);
          const fresh = rows.filter((_, place) => known[place] === undefined);
          const results = [...(await inbox.append(fresh.map((row) => ({ ...row, dedupe: undefined }))))];
          return rows.map((_, place) => (known[place] === undefined ? results.shift()! : { status: "duplicate", seq: 1 }));
        },
      },
    })),
    shows: /people said|acknowledged as/,
  },
  "has no fence": {
    // What a turn that was stopped meanwhile wants to say is stored all the same. The answer to a command is late, so that turns end beside it.
    alter: withStore(({ turns, outbox, chats }, { clock }) => ({
      chats: {
        ...chats,
        command: async (commit) => {
          const result = await chats.command(commit);
          await new Promise<void>((resolve) => void clock.setTimer(500, resolve));
          return result;
        },
      },
      turns: {
        ...turns,
        commit: async (commit) => {
          const result = await turns.commit(commit);
          if (result !== "fenced" || commit.run) return result;
          const options = { groupId: commit.turnId, delivered: commit.delivery === "delivered", atMs: commit.write.atMs };
          await outbox.put(commit.chat, commit.parts, options);
          return result;
        },
      },
    })),
    shows: /dropped and answered/,
  },
  "does not arm its cron jobs again": {
    alter: withStore(({ jobs }) => ({
      jobs: { ...jobs, due: async () => [], list: async () => ({ items: [], next: undefined }) },
    })),
    shows: /silent/,
  },
  "does not arm the timers of a chat again": {
    // A chat that is restored gets its timers for another day.
    alter: withStore(({ chats, timers }) => {
      const later = (record: ChatRecord): ChatRecord => ({
        ...record,
        timers: record.timers.map((timer) => ({ ...timer, dueAtMs: timer.dueAtMs + 86_400_000 })),
      });
      return {
        timers: { ...timers, dueBefore: async () => [] },
        chats: {
          ...chats,
          open: async (chat) => {
            const record = await chats.open(chat);
            return record && later(record);
          },
          needingWork: async (page) => {
            const { items, next } = await chats.needingWork(page);
            return { items: items.map(later), next };
          },
        },
      };
    }),
    shows: /rest/,
  },
  "does not count attempts": {
    alter: withStore(({ turns }) => ({
      turns: {
        ...turns,
        claim: async (request) => {
          const claim = await turns.claim(request);
          return claim && { ...claim, failures: 0 };
        },
      },
    })),
    shows: /rest|innocent/,
  },
  "does not count deaths": {
    alter: withStore(({ turns, chats }) => ({
      turns: { ...turns, claim: (request) => turns.claim({ ...request, suspect: false }) },
      chats: {
        ...chats,
        open: async (chat) => {
          const record = await chats.open(chat);
          return record?.openTurn?.status === "suspect" ? { ...record, openTurn: { ...record.openTurn, failures: 0 } } : record;
        },
      },
    })),
    shows: /killed its process|rest/,
  },
  "counts every unknown end against its turn": {
    alter: withStore(({ turns, chats }) => ({
      turns: {
        ...turns,
        recover: async (atMs) => {
          const found = await turns.recover(atMs);
          const { items } = await chats.needingWork({ limit: 1_000 });
          for (const { key, openTurn } of items)
            if (openTurn?.status === "suspect") await turns.claim({ chat: key, turnId: "never", rowsMax: 1, suspect: true, atMs });
          await turns.recover(atMs);
          return found;
        },
      },
    })),
    shows: /innocent|without a cause/,
  },
  "ends messages by a watermark": {
    // Everything up to the newest row of the chat is called consumed.
    alter: withStore(({ turns, inbox }) => ({
      turns: {
        ...turns,
        commit: async (commit) => {
          const waiting = await inbox.waiting(commit.chat, { limit: 100 });
          return turns.commit({ ...commit, rows: waiting.items.map(({ seq }) => ({ seq, status: "consumed" })) });
        },
      },
    })),
    shows: /consumed|answered by nothing/,
  },
  "commits a turn in two transactions": {
    // The reply first: a crash in between runs the turn again.
    alter: withStore(({ turns, outbox }) => ({
      turns: {
        ...turns,
        commit: async (commit) => {
          if (commit.parts.length === 0 || commit.run) return turns.commit(commit);
          const options = { groupId: commit.turnId, delivered: commit.delivery === "delivered", atMs: commit.write.atMs };
          const parts = await outbox.put(commit.chat, commit.parts, options);
          const result = await turns.commit({ ...commit, parts: [], delivery: "waiting" });
          return result === "fenced" ? result : { ...result, parts };
        },
      },
    })),
    shows: /answered|sent/,
  },
  "commits a turn twice": {
    alter: sound,
    openStore: (hooks) => {
      const store = createMemoryStore(hooks);
      const { turns } = store;
      return {
        ...store,
        turns: { ...turns, commit: (commit) => turns.commit({ ...commit, history: [...commit.history, ...commit.history] }) },
      };
    },
    shows: /history/,
  },
  "sends a part before `sending` is committed": {
    alter: withStore(({ turns }) => ({
      turns: {
        ...turns,
        commit: async (commit) => {
          if (commit.delivery !== "sending") return turns.commit(commit);
          const result = await turns.commit({ ...commit, delivery: "waiting" });
          if (result === "fenced") return result;
          return {
            ...result,
            parts: result.parts.map((part, place) => (place === 0 ? { ...part, status: "sending", attempts: 1 } : part)),
          };
        },
      },
    })),
    shows: /twice without being marked|early/,
  },
  "does not look at its start what a dead process left": {
    alter: withStore(({ turns }) => ({
      turns: { ...turns, recover: async () => ({ suspects: 0, ambiguous: 0 }) },
    })),
    shows: /rest|killed its process|left as sending/,
  },
  "sends a draft outside the outbox": {
    alter: (parts) => {
      const [channel] = parts.channels!;
      return {
        ...parts,
        agent: async function* (turn, context) {
          for await (const chunk of parts.agent(turn, context)) {
            const text = typeof chunk === "string" ? chunk : textOf(chunk);
            const { signal } = context;
            const draft = {
              chat: turn.chat,
              address: "",
              content: [{ type: "text", text: `${text} …` }],
              idempotencyKey: "draft",
              signal,
            } as const;
            if (turn.chat.startsWith("sim:")) await channel!.deliver(draft).catch(() => undefined);
            yield chunk;
          }
        },
      };
    },
    shows: /stored nowhere|early/,
  },
  "forgets at its start what was running": {
    alter: withStore(({ chats }) => ({
      chats: { ...chats, needingWork: async () => ({ items: [], next: undefined }) },
    })),
    shows: /rest|wait/,
  },
  "runs two turns of a chat at once": {
    // A chat that is claimed while it answers is begun a second time.
    alter: (parts) => ({
      ...parts,
      agent: async function* (turn, context) {
        const other = parts.agent(turn, { ...context, signal: new AbortController().signal })[Symbol.asyncIterator]();
        void other.next().catch(() => undefined);
        yield* parts.agent(turn, context);
      },
    }),
    shows: /two turns at a time/,
  },
  "clamps what a platform asks it to wait": {
    alter: (parts) => ({
      ...parts,
      channels: parts.channels!.map((channel) => ({
        ...channel,
        deliver: (request) =>
          channel.deliver(request).catch((error: Error & { retryAfterMs?: number }) => {
            if (error.retryAfterMs !== undefined)
              Object.defineProperty(error, "retryAfterMs", { value: Math.min(error.retryAfterMs, 500) });
            throw error;
          }),
      })),
    }),
    shows: /early/,
  },
  "lets an abandoned turn keep its slot": {
    alter: (parts) => ({
      ...parts,
      limits: { ...parts.limits, turnTimeoutMs: 30 * 86_400_000 },
    }),
    shows: /rest/,
  },
};

describe("the simulator finds a runtime that", () => {
  it.for(Object.entries(variants))("%s", { timeout: 60_000 }, async ([, { alter, openStore, shows }]) => {
    expect(await firstFound(alter, openStore)).toMatch(shows);
  });
});
