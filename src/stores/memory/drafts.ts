/** The draft of an open turn: a part that is shown while it grows, at most one a chat. */
import { interrupted, type Content } from "../../core/content.ts";
import type { ErrorNote } from "../../core/errors.ts";
import { numberOf, type Chat, type Part } from "./disk.ts";
import { removeOrdered } from "./ordered.ts";

/** A draft as its platform has it. */
export interface Shown {
  readonly platformId: string | undefined;
  readonly isAmbiguous: boolean;
}

export function draftOf(chat: Chat, turnId: string): Part | undefined {
  return chat.unsettled.find((part) => part.isDraft && part.turnId === turnId);
}

function forgetDraft(chat: Chat, part: Part): void {
  removeOrdered(chat.unsettled, part, numberOf);
  removeOrdered(chat.parts, part, numberOf);
}

/** It stays, as a dead part, where an earlier send of it may have arrived. */
export function refuseDraft(chat: Chat, part: Part, error: ErrorNote): void {
  if (!part.ambiguous) return forgetDraft(chat, part);
  removeOrdered(chat.unsettled, part, numberOf);
  delete part.isDraft;
  Object.assign(part, { status: "dead", isEnding: false, turnId: `${part.turnId}.draft`, error: { ...error } } satisfies Partial<Part>);
}

/** The final reply takes the place of the draft, which is no part any longer. */
export function adoptDraft(chat: Chat, turnId: string): Shown | undefined {
  const part = draftOf(chat, turnId);
  if (!part) return undefined;
  forgetDraft(chat, part);
  return { platformId: part.platformId, isAmbiguous: part.ambiguous || part.status === "sending" };
}

/** The turn ended without a reply: what the platform shows of it is marked, what it never got is forgotten. */
export function interruptDraft(chat: Chat, turnId: string, content: Content | undefined): void {
  const part = draftOf(chat, turnId);
  if (!part) return;
  if (part.status === "draft" && part.platformId === undefined && !part.ambiguous) return forgetDraft(chat, part);
  part.content = content ?? interrupted(part.content);
  delete part.isDraft;
  if (part.status === "sending") part.isEnding = true;
  else part.status = "waiting";
}
