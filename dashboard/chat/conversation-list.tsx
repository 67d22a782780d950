import { useSignal } from "@preact/signals";
import { Dialog } from "../shell/dialog.tsx";
import { Icon } from "../shell/icon.tsx";
import { type Conversation, type Conversations, NAME_MAX } from "./conversations.ts";

interface Props {
  readonly conversations: Conversations;
  readonly onOpened: () => void;
  readonly onRemove: (key: string) => void;
}

export const UNNAMED = "New conversation";

export function ConversationList({ conversations, onOpened, onRemove }: Props) {
  const asked = useSignal<{ readonly what: "rename" | "remove"; readonly one: Conversation } | undefined>(undefined);
  const typed = useSignal("");
  const done = (): void => {
    asked.value = undefined;
  };
  const active = conversations.active.value;
  return (
    <nav class="list" aria-label="Conversations of this browser">
      <button
        type="button"
        class="button list-new"
        onClick={() => {
          conversations.begin();
          onOpened();
        }}
      >
        <Icon name="plus" />
        New conversation
      </button>
      <ul>
        {conversations.list.value.map((one) => (
          <li key={one.key} class="list-row" data-active={one.key === active}>
            <button
              type="button"
              class="list-open"
              dir="auto"
              aria-current={one.key === active ? "page" : undefined}
              onClick={() => {
                conversations.open(one.key);
                onOpened();
              }}
            >
              {one.name || UNNAMED}
            </button>
            <button
              type="button"
              class="icon-button small"
              aria-label={`Rename ${one.name || UNNAMED}`}
              title="Rename"
              onClick={() => {
                typed.value = one.name;
                asked.value = { what: "rename", one };
              }}
            >
              <Icon name="pen" />
            </button>
            <button
              type="button"
              class="icon-button small"
              aria-label={`Remove ${one.name || UNNAMED}`}
              title="Remove from the list"
              onClick={() => {
                asked.value = { what: "remove", one };
              }}
            >
              <Icon name="bin" />
            </button>
          </li>
        ))}
      </ul>
      <p class="list-note">The list is kept in this browser, what was said by satibot.</p>
      {asked.value?.what === "rename" && (
        <Dialog
          title="Rename the conversation"
          action="Rename"
          onClosed={done}
          onDone={() => asked.value && conversations.rename(asked.value.one.key, typed.value)}
        >
          <input
            class="field"
            dir="auto"
            aria-label="Name"
            maxLength={NAME_MAX}
            autofocus
            value={typed.value}
            onInput={(event) => {
              typed.value = event.currentTarget.value;
            }}
          />
        </Dialog>
      )}
      {asked.value?.what === "remove" && (
        <Dialog
          title="Remove from the list?"
          action="Remove"
          isDangerous
          onClosed={done}
          onDone={() => asked.value && onRemove(asked.value.one.key)}
        >
          <p dir="auto">
            “{asked.value.one.name || UNNAMED}” leaves this browser, with what is not sent yet. satibot keeps what was said, as{" "}
            <code class="wrap">{asked.value.one.key}</code>.
          </p>
        </Dialog>
      )}
    </nav>
  );
}
