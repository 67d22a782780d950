import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import type { Edge } from "../edge.ts";
import { useNow } from "../shell/ticker.ts";
import { Banner } from "./banner.tsx";
import { Composer } from "./composer.tsx";
import { UNNAMED } from "./conversation-list.tsx";
import { MessageList } from "./message-list.tsx";
import type { Session } from "./session.ts";
import { type Status, statusOf } from "./status.ts";

interface Props {
  readonly edge: Edge;
  readonly session: Session;
  readonly name: string;
  readonly menu: ComponentChildren;
  readonly onWritten: (text: string) => void;
}

/** One conversation: its name, what was said, what goes on, and where to write. */
export function ChatPage({ edge, session, name, menu, onWritten }: Props) {
  const state = session.state.value;
  const isLost = state.link.status === "lost";
  const isBusy = statusOf(state, session.why.value, 0) !== undefined;
  const isCounting = isBusy || isLost || state.items.some((item) => item.kind === "own" && item.refusal?.retryAtMs !== undefined);
  const nowMs = useNow(edge, isCounting);
  const status = isLost ? undefined : statusOf(state, session.why.value, nowMs);
  const focus = useSignal(0);

  useEffect(() => {
    const stop = (event: KeyboardEvent): void => {
      const isTaken = event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]") !== null;
      if (event.key !== "Escape" || isTaken || status?.canStop !== true) return;
      event.preventDefault();
      void session.stop();
    };
    window.addEventListener("keydown", stop);
    return () => window.removeEventListener("keydown", stop);
  }, [session, status?.canStop]);

  const write = (text: string): boolean => {
    const isTaken = session.send(text);
    if (isTaken) onWritten(text);
    return isTaken;
  };
  const edit = (messageId: string, text: string): void => {
    session.withdraw(messageId);
    const rest = session.composed.value;
    session.compose(rest.trim() === "" ? text : `${text}\n${rest}`);
    focus.value += 1;
  };

  return (
    <section class="chat" aria-label={name || UNNAMED}>
      <header class="chat-head">
        {menu}
        <h1 dir="auto" class="chat-name">
          {name || UNNAMED}
        </h1>
      </header>
      <Banner session={session} edge={edge} nowMs={nowMs} />
      <MessageList state={state} nowMs={nowMs} onTry={write} onEdit={edit} onRepeat={session.repeat} onRemove={session.withdraw} />
      <div class="chat-foot">
        <StatusLine session={session} status={status} />
        <Composer session={session} onSend={write} canStop={status?.canStop === true} focus={focus.value} />
      </div>
    </section>
  );
}

function StatusLine({ session, status }: { readonly session: Session; readonly status: Status | undefined }) {
  const isOpen = useSignal(false);
  const why = session.why.value;
  const problem = session.problem.value;
  const isAside = session.state.value.activity.state === "quarantined";
  useEffect(() => {
    if (status === undefined) isOpen.value = false;
  }, [status === undefined]);
  return (
    <div class="status" data-tone={status?.tone ?? "quiet"}>
      {problem !== undefined && <p class="status-problem">{problem}</p>}
      {!session.isKept.value && <p class="status-problem">This browser keeps nothing: unsent messages are lost when the page closes.</p>}
      {status !== undefined && (
        <p class="status-line">
          {status.isBusy && <span class="pulse" aria-hidden="true" />}
          <span data-testid="status">{status.text}</span>
          <button
            type="button"
            class="plain-button"
            aria-expanded={isOpen.value}
            onClick={() => {
              isOpen.value = !isOpen.value;
              if (isOpen.value) void session.askWhy();
            }}
          >
            why?
          </button>
          {isAside && (
            <>
              <button type="button" class="plain-button" onClick={() => void session.retry(false)}>
                Try again
              </button>
              <button type="button" class="plain-button" onClick={() => void session.retry(true)}>
                Skip that message
              </button>
            </>
          )}
        </p>
      )}
      {status !== undefined && isOpen.value && why !== undefined && (
        <p class="status-why" dir="auto">
          {why.sentence}
        </p>
      )}
    </div>
  );
}
