/** What was said, oldest first; stays at the end while the reader is there. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { textOf } from "../../src/core/content.ts";
import { Icon } from "../shell/icon.tsx";
import type { ChatState } from "./chat-state.ts";
import { EmptyState } from "./empty-state.tsx";
import { DraftMessage, type OwnActions, OwnMessage, PartialMessage, ReplyMessage } from "./messages.tsx";

interface Props extends OwnActions {
  readonly state: ChatState;
  readonly nowMs: number;
  readonly onTry: (text: string) => void;
}

/** Pixels from the end that still count as the end. */
const END_PX = 48;
/** Characters of a reply that are read out. */
const SPOKEN_MAX = 600;

export function MessageList({ state, nowMs, onTry, onEdit, onRepeat, onRemove }: Props) {
  const { items, draft, isLoaded, link } = state;
  const box = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  const [hasNews, setNews] = useState(false);
  const last = items.at(-1);
  const isOwnLast = last?.kind === "own" && last.status !== "accepted";

  const toEnd = (): void => {
    const area = box.current;
    if (area === null) return;
    isAtEnd.current = true;
    setNews(false);
    area.scrollTop = area.scrollHeight;
  };
  useLayoutEffect(() => {
    if (isAtEnd.current) toEnd();
    else setNews(true);
  }, [items.length, last?.key, draft?.text, isLoaded]);
  useLayoutEffect(() => {
    if (isOwnLast) toEnd();
  }, [isOwnLast ? last.key : ""]);
  useEffect(() => {
    const area = box.current;
    if (area === null) return undefined;
    // The keyboard of a phone, a turned screen, an image of text that wraps anew.
    const watcher = new ResizeObserver(() => {
      if (isAtEnd.current) area.scrollTop = area.scrollHeight;
    });
    watcher.observe(area);
    return () => watcher.disconnect();
  }, []);

  const lastReply = items.findLast((item) => item.kind === "reply")?.key;
  const lastOwn = items.findLast((item) => item.kind === "own")?.key;
  const isEmpty = items.length === 0 && draft === undefined;
  let day = "";
  return (
    <div class="messages-frame">
      <div
        class="messages"
        ref={box}
        tabIndex={0}
        role="group"
        aria-label="Messages"
        onScroll={(event) => {
          const { scrollHeight, scrollTop, clientHeight } = event.currentTarget;
          isAtEnd.current = scrollHeight - scrollTop - clientHeight <= END_PX;
          if (isAtEnd.current) setNews(false);
        }}
      >
        <div class="messages-in">
          {state.isWindowFull && <p class="notice">Older messages are not shown here.</p>}
          {isEmpty && isLoaded && <EmptyState onTry={onTry} />}
          {isEmpty && !isLoaded && link.status !== "lost" && <p class="notice">Reading the conversation…</p>}
          {items.map((item) => {
            const name = item.kind === "partial" ? day : dayOf(item.atMs, nowMs);
            const isNewDay = name !== day;
            day = name;
            return [
              isNewDay && (
                <p key={`day-${name}`} class="day">
                  <span>{name}</span>
                </p>
              ),
              item.kind === "own" ? (
                <OwnMessage key={item.key} item={item} nowMs={nowMs} onEdit={onEdit} onRepeat={onRepeat} onRemove={onRemove} />
              ) : item.kind === "reply" ? (
                <ReplyMessage key={item.key} item={item} onPress={item.key === lastReply && item.key !== lastOwn ? onTry : undefined} />
              ) : (
                <PartialMessage key={item.key} text={item.text} note="stopped; satibot keeps nothing of this answer" />
              ),
            ];
          })}
          {draft !== undefined && <DraftMessage draft={draft} />}
        </div>
      </div>
      {hasNews && (
        <button type="button" class="button news" onClick={toEnd}>
          <Icon name="down" />
          New messages
        </button>
      )}
      <Spoken state={state} />
    </div>
  );
}

/** Reads out each reply once it is whole; what was there at the start is not read. */
function Spoken({ state }: { readonly state: ChatState }) {
  const known = useRef<Set<string> | undefined>(undefined);
  const [text, setText] = useState("");
  useEffect(() => {
    if (!state.isLoaded) return;
    const replies = state.items.filter((item) => item.kind === "reply");
    const fresh = known.current === undefined ? [] : replies.filter(({ key, id }) => id !== undefined && known.current?.has(key) === false);
    known.current = new Set(replies.map(({ key }) => key));
    if (fresh.length > 0)
      setText(
        fresh
          .map(({ content }) => textOf(content))
          .join("\n")
          .slice(0, SPOKEN_MAX),
      );
  }, [state.items, state.isLoaded]);
  return (
    <div class="off-screen" role="status" aria-live="polite">
      {text}
    </div>
  );
}

function dayOf(atMs: number, nowMs: number): string {
  const date = new Date(atMs);
  const today = new Date(nowMs);
  if (date.toDateString() === today.toDateString()) return "Today";
  const isThisYear = date.getFullYear() === today.getFullYear();
  return date.toLocaleDateString(undefined, { weekday: "long", month: "long", day: "numeric", year: isThisYear ? undefined : "numeric" });
}
