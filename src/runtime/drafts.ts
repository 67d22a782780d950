/**
 * Replies that are shown while they grow, on platforms that can edit. The first text becomes a part of status `draft`, stored under the
 * turn's fence and sent like any part; what follows is shown by edits, which are not stored: they show the same message again. The turn's
 * commit puts the final part in its place. Until the draft may start, deltas only go to the stream.
 */
import { channelOf, type ChatKey } from "../core/chat-key.ts";
import { interrupted, textContent, textOf, type Content } from "../core/content.ts";
import { TransientError } from "../core/errors.ts";
import type { Channel } from "../ports/channel.ts";
import type { CancelTimer } from "../ports/clock.ts";
import type { OutboxPart } from "../ports/store/records.ts";
import type { Claim } from "../ports/store/store.ts";
import type { ChannelDirectory } from "./channels.ts";
import type { Deliveries } from "./deliveries.ts";
import type { Kernel } from "./kernel.ts";
import type { Pacer } from "./pacer.ts";
import { splitText } from "./split-text.ts";

export interface Drafts {
  /** The text of a turn's first reply, so far. */
  readonly grow: (claim: Claim, text: string) => void;
  /** The agent has ended: nothing more is begun. */
  readonly close: (key: ChatKey) => void;
  /** The chat begins anew from its row. */
  readonly forget: (key: ChatKey) => void;
  /** The send of a draft has ended; `platformId` when the platform took it. */
  readonly settled: (part: OutboxPart, platformId: string | undefined) => void;
  /**
   * The attempt is over: nothing more is shown, and what is on its way has arrived when this resolves (after 10 s it is given up).
   * Answers the draft as it should be left if the turn has no reply: what was shown, marked as interrupted. `mark` shows that at once, as
   * far as it can: for attempts that another one follows.
   */
  readonly end: (key: ChatKey, options?: { readonly mark: boolean }) => Promise<Content | undefined>;
}

interface Draft {
  readonly claim: Claim;
  readonly channel: Channel;
  text: string;
  shown: string;
  platformId: string | undefined;
  isStored: boolean;
  isOver: boolean;
  timer: CancelTimer | undefined;
  /** What is on its way: the store's answer or an edit. */
  work: Promise<void> | undefined;
}

/** An answer that is whole sooner is shown at once. */
const FIRST_MS = 800;
const EDIT_MS = 1_000;
const MARK_UNITS = textOf(interrupted(textContent(""))).length;
/** Longest that a turn's end waits for what is on its way. */
const END_MS_MAX = 10_000;
const MARK_MS_MAX = 2_000;
/** Longest that one edit may take. */
const EDIT_MS_MAX = 30_000;

export function createDrafts(
  kernel: Kernel,
  parts: {
    readonly channels: ChannelDirectory;
    readonly pacer: Pacer;
    readonly addressOf: (key: ChatKey) => Promise<string>;
    readonly deliveries: () => Pick<Deliveries, "wake" | "atRest">;
  },
): Drafts {
  const { store, clock, log } = kernel;
  const { channels, pacer } = parts;
  const drafts = new Map<ChatKey, Draft>();

  const begin = (claim: Claim): Draft | undefined => {
    const channel = channels.find(channelOf(claim.chat));
    if (!channel?.limits.canEdit || !channel.edit || claim.run) return undefined;
    const draft: Draft = {
      claim,
      channel,
      text: "",
      shown: "",
      platformId: undefined,
      isStored: false,
      isOver: false,
      timer: undefined,
      work: undefined,
    };
    drafts.set(claim.chat, draft);
    return draft;
  };

  const arm = (draft: Draft, delayMs: number): void => {
    if (draft.isOver || draft.timer || draft.work) return;
    draft.timer = clock.setTimer(delayMs, () => {
      draft.timer = undefined;
      if (draft.isOver) return;
      draft.work = (draft.isStored ? show(draft) : keep(draft))
        .catch((error: unknown) => {
          log.debug({ chat: draft.claim.chat, err: error }, "a draft was not shown; the reply comes whole");
          return EDIT_MS;
        })
        .then((nextMs) => {
          draft.work = undefined;
          if (nextMs !== undefined && draft.text !== draft.shown) arm(draft, nextMs);
        });
    });
  };

  const within = (work: Promise<void>, limitMs: number): Promise<void> =>
    new Promise((resolve) => {
      const cancel = clock.setTimer(limitMs, resolve);
      void work.finally(() => {
        cancel();
        resolve();
      });
    });

  /** What of a text fits one message, together with the mark that it may get. */
  const first = (draft: Draft, text: string): string => splitText(text, draft.channel.limits.textUnits - MARK_UNITS)[0] ?? "";

  /** Answers when to look again; undefined: not before something happens. */
  const keep = async (draft: Draft): Promise<number | undefined> => {
    const { chat, fence, turnId } = draft.claim;
    if (!channels.isOnline(channelOf(chat))) return EDIT_MS;
    const text = first(draft, draft.text);
    const part = await store.outbox.draft({ chat, fence, turnId, content: textContent(text), atMs: clock.now() });
    if (part === "busy") return EDIT_MS;
    if (part === "fenced") {
      draft.isOver = true;
      return undefined;
    }
    draft.isStored = true;
    draft.platformId = part.platformId;
    if (part.platformId !== undefined) return 0;
    draft.shown = text;
    // Over already: the commit of its turn, which waits for this, forgets it.
    if (!draft.isOver) parts.deliveries().wake(chat);
    return undefined;
  };

  const edit = async (draft: Draft, content: Content, limitMs: number): Promise<void> => {
    const { chat, turnId } = draft.claim;
    const { platformId, channel } = draft;
    if (platformId === undefined) return;
    const abort = new AbortController();
    const cancel = clock.setTimer(limitMs, () => abort.abort());
    try {
      const address = await parts.addressOf(chat);
      await channel.edit?.({ chat, address, content, platformId, idempotencyKey: `${turnId}/draft`, isDraft: true, signal: abort.signal });
      pacer.took(channel, chat);
    } finally {
      cancel();
    }
  };

  const show = async (draft: Draft): Promise<number | undefined> => {
    const { chat } = draft.claim;
    const { channel } = draft;
    const everyMs = channel.limits.pace?.editMs ?? EDIT_MS;
    if (draft.platformId === undefined) return undefined;
    const text = first(draft, draft.text);
    if (text === draft.shown) {
      draft.shown = draft.text;
      return undefined;
    }
    // Replies go first: an edit takes a place only when one is free.
    if (!channels.isOnline(channel.name) || !pacer.tryNow(channel, chat)) return everyMs;
    try {
      await edit(draft, textContent(text), EDIT_MS_MAX);
      draft.shown = text;
    } catch (error) {
      if (!(error instanceof TransientError)) {
        draft.isOver = true;
        throw error;
      }
      pacer.refused(channel, chat, error);
      return Math.max(everyMs, error.retryAfterMs ?? 0);
    }
    return everyMs;
  };

  const close = (draft: Draft): void => {
    draft.isOver = true;
    draft.timer?.();
    draft.timer = undefined;
  };

  return {
    grow: (claim, text) => {
      const known = drafts.get(claim.chat);
      const draft = known?.claim === claim ? known : begin(claim);
      if (!draft || draft.isOver) return;
      draft.text = text;
      if (text.trim() !== "") arm(draft, draft.isStored ? (draft.channel.limits.pace?.editMs ?? EDIT_MS) : FIRST_MS);
    },
    close: (key) => {
      const draft = drafts.get(key);
      if (draft) close(draft);
    },
    forget: (key) => {
      const draft = drafts.get(key);
      if (draft) close(draft);
      drafts.delete(key);
    },
    settled: (part, platformId) => {
      const draft = drafts.get(part.chat);
      if (draft?.claim.turnId !== part.turnId) return;
      draft.platformId = platformId ?? draft.platformId;
      if (platformId !== undefined && draft.text !== draft.shown) arm(draft, draft.channel.limits.pace?.editMs ?? EDIT_MS);
    },
    end: async (key, { mark } = { mark: false }) => {
      const draft = drafts.get(key);
      if (!draft) return undefined;
      close(draft);
      if (draft.work || draft.isStored) {
        await within(
          Promise.resolve(draft.work).then(() => (draft.isStored ? parts.deliveries().atRest(key) : undefined)),
          END_MS_MAX,
        );
      }
      if (drafts.get(key) === draft) drafts.delete(key);
      if (!draft.isStored) return undefined;
      const left = interrupted(textContent(first(draft, draft.text)));
      if (mark)
        await within(
          edit(draft, left, MARK_MS_MAX).catch(() => undefined),
          MARK_MS_MAX,
        );
      return left;
    },
  };
}
