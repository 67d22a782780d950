/** The frame of the page: what there is beside, what is open in the middle. Further sections of the dashboard stand beside the chat. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ChatPage } from "../chat/chat-page.tsx";
import { ConversationList } from "../chat/conversation-list.tsx";
import type { Conversations } from "../chat/conversations.ts";
import type { Sessions } from "../chat/sessions.ts";
import type { Edge } from "../edge.ts";
import { Icon } from "./icon.tsx";

interface Props {
  readonly edge: Edge;
  readonly conversations: Conversations;
  readonly sessions: Sessions;
}

export function App({ edge, conversations, sessions }: Props) {
  const isDrawerOpen = useSignal(false);
  const key = conversations.active.value;
  const conversation = conversations.list.value.find((one) => one.key === key);
  const session = sessions.enter(key);
  const close = (): void => {
    isDrawerOpen.value = false;
  };

  useEffect(() => {
    document.title = conversation === undefined || conversation.name === "" ? "satibot" : `${conversation.name} · satibot`;
  }, [conversation?.name]);

  const isOpen = isDrawerOpen.value;
  useEffect(() => {
    if (!isOpen) return undefined;
    document.querySelector<HTMLElement>(".list-new")?.focus();
    // Before the chat hears it, which would stop.
    const leave = (event: KeyboardEvent): void => {
      if (event.key !== "Escape" || document.querySelector("dialog[open]") !== null) return;
      event.preventDefault();
      close();
      document.querySelector<HTMLElement>("[aria-controls=side]")?.focus();
    };
    window.addEventListener("keydown", leave, { capture: true });
    return () => window.removeEventListener("keydown", leave, { capture: true });
  }, [isOpen]);

  return (
    <div class="shell" data-drawer={isDrawerOpen.value ? "open" : "closed"}>
      <a class="skip" href="#composer">
        Skip to the message field
      </a>
      <aside class="side" id="side" aria-label="Conversations">
        <div class="brand">
          <Icon name="logo" />
          <span>satibot</span>
          <button type="button" class="icon-button only-narrow" onClick={close} aria-label="Close the list">
            <Icon name="close" />
          </button>
        </div>
        <ConversationList conversations={conversations} onOpened={close} onRemove={sessions.remove} />
      </aside>
      <div class="scrim" onClick={close} aria-hidden="true" />
      <main class="main">
        <ChatPage
          key={key}
          edge={edge}
          session={session}
          name={conversation?.name ?? ""}
          onWritten={(text) => conversations.touch(key, text)}
          menu={
            <button
              type="button"
              class="icon-button only-narrow"
              aria-label="Conversations"
              aria-controls="side"
              aria-expanded={isDrawerOpen.value}
              onClick={() => {
                isDrawerOpen.value = !isDrawerOpen.value;
              }}
            >
              <Icon name="menu" />
            </button>
          }
        />
      </main>
    </div>
  );
}
