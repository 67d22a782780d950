import type { TestContext } from "vitest";
import type { ChatKey } from "../../core/chat-key.ts";
import { textOf } from "../../core/content.ts";
import { invariant } from "../../core/errors.ts";
import type { ChatRecord, InboxRow, OutboxPart } from "../../ports/store/records.ts";
import type { TakeResult } from "../../ports/store/outbox-store.ts";
import type { Claim, ClaimRequest, Store } from "../../ports/store/store.ts";
import { CHAT, START_MS, appendRequest, claimRequest, type AppendOverrides } from "../store-rows.ts";

/** What a law may use of a rig. */
export interface LawRig {
  /** Started, empty. */
  readonly store: Store;
  /** Stops the store cleanly and answers a started one over the same rows. */
  readonly reopen: () => Promise<Store>;
  /** Another started handle on the same rows; absent where a store has a single owner. */
  readonly second?: () => Promise<Store>;
}

/** Runs a law on a rig of its own, which is closed whatever happens. */
export type On = (law: (rig: LawRig, context: TestContext) => Promise<void>) => (context: TestContext) => Promise<void>;

/** Appends one row and answers its sequence number. */
export async function append(store: Store, overrides: AppendOverrides = {}): Promise<number> {
  const [result] = await store.inbox.append([appendRequest(overrides)]);
  invariant(result?.status === "accepted", `the append was answered with ${JSON.stringify(result)}`);
  return result.seq;
}

/** Appends messages to one chat, one call each. */
export async function say(store: Store, texts: readonly string[], chat: ChatKey = CHAT): Promise<void> {
  for (const text of texts) await append(store, { chat, text });
}

/** Claims where something must be there to claim. */
export async function claim(store: Store, overrides: Partial<ClaimRequest> = {}): Promise<Claim> {
  const claimed = await store.turns.claim(claimRequest(overrides));
  invariant(claimed, `nothing to claim in ${overrides.chat ?? CHAT}`);
  return claimed;
}

/** The record of a chat that must be known. */
export async function recordOf(store: Store, chat: ChatKey = CHAT): Promise<ChatRecord> {
  const record = await store.chats.open(chat);
  invariant(record, `chat ${chat} is not known`);
  return record;
}

export async function waitingTexts(store: Store, chat: ChatKey = CHAT): Promise<string[]> {
  return textsOf((await store.inbox.waiting(chat, { limit: 100 })).items);
}

/** The parts of a chat by id. */
export async function parts(store: Store, chat: ChatKey = CHAT): Promise<readonly OutboxPart[]> {
  return (await store.outbox.list({ chat }, { limit: 1_000 })).items;
}

export async function statuses(store: Store, chat: ChatKey = CHAT): Promise<string[]> {
  return (await parts(store, chat)).map((part) => part.status);
}

/** Takes where a part must be there to send. */
export async function take(store: Store, atMs = START_MS, chat: ChatKey = CHAT): Promise<OutboxPart> {
  return taken(await store.outbox.take(chat, { atMs, maxAgeMs: MAX_AGE_MS }));
}

export function taken(result: TakeResult): OutboxPart {
  invariant(result.type === "taken", `no part was taken: ${JSON.stringify(result)}`);
  return result.part;
}

export const MAX_AGE_MS = 86_400_000;

export function textsOf(rows: readonly (InboxRow | OutboxPart)[]): string[] {
  return rows.map((row) => textOf(row.content));
}
