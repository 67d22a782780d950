/** The account of a simulation, drawn from outside where it can be: what was posted, what agents saw, what the platform took. */
import type { ChatKey } from "../core/chat-key.ts";
import { textOf } from "../core/content.ts";
import type { Turn } from "../ports/agent.ts";
import type { OutboxPart } from "../ports/store/records.ts";
import type { Store } from "../ports/store/store.ts";
import type { FakePlatform } from "./fake-channel.ts";

export interface Account {
  readonly expect: (chat: ChatKey, text: string) => void;
  readonly posted: () => void;
  readonly isAllPosted: () => boolean;
  /** A process begins: no turn of an earlier one runs any more. */
  readonly begin: () => void;
  /** An attempt begins; call the answer when it ends. */
  readonly attempt: (turn: Turn) => () => void;
  readonly violate: (what: string) => void;
  readonly violations: () => readonly string[];
  /** Compares what the platform took with what was expected, and looks for what is left in the store. */
  readonly audit: (store: Store, platform: FakePlatform) => Promise<void>;
}

const ALL = { limit: 1_000 };

export function accountOf(note: (line: string) => void): Account {
  const expected = new Map<ChatKey, string[]>();
  const running = new Set<ChatKey>();
  const violations: string[] = [];
  let expectedCount = 0;
  let postedCount = 0;
  let life = 0;
  const violate = (what: string): void => {
    note(`VIOLATION ${what}`);
    violations.push(what);
  };

  /** Replies in the order of the messages; an extra copy only where its part is marked ambiguous. */
  const auditReplies = (
    chat: ChatKey,
    texts: readonly string[],
    taken: readonly { text: string; key: string }[],
    parts: readonly OutboxPart[],
  ): void => {
    const ambiguous = new Set(parts.filter((part) => part.ambiguous).map((part) => `${part.turnId}/${part.part}`));
    const seen = new Set<string>();
    const firsts: string[] = [];
    for (const { text, key } of taken) {
      if (!seen.has(key)) firsts.push(text);
      else if (!ambiguous.has(key)) violate(`${chat}: part ${key} was sent twice without being marked ambiguous`);
      seen.add(key);
    }
    const answered = firsts.filter((text) => !text.includes(" part ")).map((text) => text.slice(3));
    if (answered.join() !== texts.join()) violate(`${chat}: answered ${answered.join()} instead of ${texts.join()}`);
    const sent = parts.filter((part) => part.status === "sent").map((part) => textOf(part.content));
    if (sent.join() !== firsts.join()) violate(`${chat}: sent ${firsts.join()} but stored ${sent.join()}`);
    for (const part of parts) if (part.status !== "sent") violate(`${chat}: part ${part.id} is left as ${part.status}`);
  };

  const auditTurns = async (store: Store, chat: ChatKey): Promise<void> => {
    const record = await store.chats.open(chat);
    if (!record) return violate(`${chat} is unknown to the store`);
    if (record.waiting !== 0 || record.openTurn) violate(`${chat}: ${record.waiting} rows wait at the end`);
    if (!["idle", "queued"].includes(record.state)) violate(`${chat} ends ${record.state}`);
    const history = await store.chats.history(chat, 1_000);
    const seqs = history.filter((entry) => entry.role === "user").map((entry) => entry.seq ?? 0);
    if (new Set(seqs).size !== seqs.length) violate(`${chat}: a message was committed in two turns: ${seqs.join()}`);
    if (seqs.join() !== [...seqs].sort((a, b) => a - b).join()) violate(`${chat}: committed out of order: ${seqs.join()}`);
  };

  return {
    expect: (chat, text) => {
      expected.set(chat, [...(expected.get(chat) ?? []), text]);
      expectedCount += 1;
    },
    posted: () => {
      postedCount += 1;
    },
    isAllPosted: () => postedCount === expectedCount,
    begin: () => {
      life += 1;
      running.clear();
    },
    attempt: (turn) => {
      const born = life;
      note(`attempt ${turn.attempt} of ${turn.turnId} in ${turn.chat}`);
      if (running.has(turn.chat)) violate(`${turn.chat}: two turns at a time`);
      running.add(turn.chat);
      return () => {
        if (born === life) running.delete(turn.chat);
      };
    },
    violate,
    violations: () => violations,
    audit: async (store, platform) => {
      for (const [chat, texts] of expected) {
        const taken = platform.taken().filter((part) => part.chat === chat);
        const parts = await store.outbox.list({ chat }, ALL);
        auditReplies(
          chat,
          texts,
          taken.map((part) => ({ text: textOf(part.content), key: part.idempotencyKey })),
          parts.items,
        );
        await auditTurns(store, chat);
      }
    },
  };
}
