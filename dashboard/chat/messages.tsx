import { useMemo } from "preact/hooks";
import type { Content } from "../../src/core/content.ts";
import { Marked } from "../markdown/marked.tsx";
import { Icon } from "../shell/icon.tsx";
import type { Draft } from "./chat-state.ts";
import { type OwnItem, type ReplyItem, isNotice } from "./items.ts";
import { duration } from "./status.ts";

export interface OwnActions {
  /** Back into the message field. */
  readonly onEdit: (messageId: string, text: string) => void;
  readonly onRepeat: (messageId: string) => void;
  readonly onRemove: (messageId: string) => void;
}

/** What the person wrote, as it was written. */
export function OwnMessage({ item, nowMs, onEdit, onRepeat, onRemove }: OwnActions & { readonly item: OwnItem; readonly nowMs: number }) {
  const { messageId, text, status, refusal, isDropped } = item;
  const waitS = refusal?.retryAtMs === undefined ? 0 : Math.ceil((refusal.retryAtMs - nowMs) / 1_000);
  return (
    <article class="own" data-status={status} aria-label="You">
      <div class="bubble" dir="auto">
        {text}
      </div>
      <p class="meta">
        {status === "waiting" && "not sent yet"}
        {status === "sending" && "sending…"}
        {status === "accepted" && isDropped === true && "not answered · "}
        {status === "accepted" && <Time atMs={item.atMs} />}
      </p>
      {status === "refused" && messageId !== undefined && (
        <div class="refusal" role="alert">
          <p dir="auto">
            Not sent: {refusal?.message}
            {waitS > 0 && ` Try again in ${duration(waitS)}.`}
          </p>
          <div class="refusal-buttons">
            <button type="button" class="button" onClick={() => onEdit(messageId, text)}>
              Edit
            </button>
            <button type="button" class="button" disabled={waitS > 0} onClick={() => onRepeat(messageId)}>
              Send again
            </button>
            <button type="button" class="button" onClick={() => onRemove(messageId)}>
              Remove
            </button>
          </div>
        </div>
      )}
    </article>
  );
}

/** @param onPress - of the latest reply: what a pressed button says */
export function ReplyMessage({ item, onPress }: { readonly item: ReplyItem; readonly onPress: ((label: string) => void) | undefined }) {
  const body = useMemo(() => <Parts content={item.content} onPress={onPress} />, [item.content, onPress === undefined]);
  if (isNotice(item)) {
    return (
      <article class="reply reply-notice" aria-label="satibot">
        {body}
      </article>
    );
  }
  return (
    <article class="reply" aria-label="satibot">
      {body}
      <p class="meta">
        {item.of > 1 && `${item.part} of ${item.of} · `}
        <Time atMs={item.atMs} />
      </p>
    </article>
  );
}

function Parts({ content, onPress }: { readonly content: Content; readonly onPress: ((label: string) => void) | undefined }) {
  if (content.length === 0) return <p class="quiet">(a file or buttons, which the history does not show)</p>;
  return (
    <>
      {content.map((part, place) => {
        switch (part.type) {
          case "text":
            return <Marked key={place} text={part.text} />;
          case "file":
            return (
              <p key={place} class="file">
                <Icon name="file" />
                <span>
                  <bdi class="wrap">{part.name || part.kind}</bdi>
                  <small>
                    {part.mime} · {sizeOf(part.bytes)}
                  </small>
                </span>
              </p>
            );
          case "buttons":
            return (
              <div key={place} class="choices">
                {part.options.map(({ id, label }) => (
                  <button
                    key={id}
                    type="button"
                    class="button"
                    dir="auto"
                    disabled={onPress === undefined}
                    onClick={() => onPress?.(label)}
                  >
                    {label}
                  </button>
                ))}
              </div>
            );
        }
      })}
    </>
  );
}

/** The answer as it comes. */
export function DraftMessage({ draft }: { readonly draft: Draft }) {
  const { text, status, hasGap } = draft;
  const isWaiting = text === "" && (status === "streaming" || status === "done");
  if (text === "" && !isWaiting) return null;
  return (
    <article class="reply draft" data-status={status} aria-label="satibot, writing" aria-busy="true">
      {isWaiting ? (
        <p class="dots" aria-hidden="true">
          <i />
          <i />
          <i />
        </p>
      ) : (
        <Marked text={text} isChanging />
      )}
      {(status === "failed" || status === "aborted") && <p class="meta">{status === "failed" ? "this attempt failed" : "interrupted"}</p>}
      {hasGap && text !== "" && <p class="meta">a piece is missing; the whole answer follows</p>}
    </article>
  );
}

export function PartialMessage({ text, note }: { readonly text: string; readonly note: string }) {
  return (
    <article class="reply draft" data-status="aborted" aria-label="satibot, interrupted">
      <Marked text={text} />
      <p class="meta">{note}</p>
    </article>
  );
}

function Time({ atMs }: { readonly atMs: number }) {
  const date = new Date(atMs);
  if (Number.isNaN(date.getTime())) return null;
  return (
    <time dateTime={date.toISOString()} title={date.toLocaleString()}>
      {date.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" })}
    </time>
  );
}

function sizeOf(bytes: number): string {
  if (bytes < 1_000) return `${bytes} bytes`;
  return bytes < 1_000_000 ? `${(bytes / 1_000).toFixed(0)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
