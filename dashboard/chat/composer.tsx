import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { Icon } from "../shell/icon.tsx";
import type { Session } from "./session.ts";

interface Props {
  readonly session: Session;
  readonly onSend: (text: string) => boolean;
  readonly canStop: boolean;
  /** Takes the focus whenever this changes. */
  readonly focus: number;
}

/** Where to write: Enter sends, Shift+Enter begins a line. */
export function Composer({ session, onSend, canStop, focus }: Props) {
  const field = useRef<HTMLTextAreaElement>(null);
  const text = session.composed.value;
  useLayoutEffect(() => {
    const area = field.current;
    if (area === null) return;
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight, 220)}px`;
  }, [text]);
  useEffect(() => {
    // On a phone the keyboard would cover the half of what there is to read.
    if (focus > 0 || window.matchMedia("(hover: hover)").matches) field.current?.focus();
  }, [focus]);

  const send = (): void => {
    if (onSend(text)) field.current?.focus();
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        id="composer"
        ref={field}
        rows={1}
        dir="auto"
        placeholder="Write a message"
        aria-label="Message"
        enterkeyhint="send"
        value={text}
        onInput={(event) => session.compose(event.currentTarget.value)}
        onKeyDown={(event) => {
          // While an input method composes, Enter chooses a word.
          if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
          event.preventDefault();
          send();
        }}
      />
      {canStop && (
        <button type="button" class="icon-button stop" aria-label="Stop" title="Stop (Escape)" onClick={() => void session.stop()}>
          <Icon name="stop" />
        </button>
      )}
      <button type="submit" class="icon-button send" aria-label="Send" title="Send (Enter)" disabled={text.trim() === ""}>
        <Icon name="send" />
      </button>
    </form>
  );
}
