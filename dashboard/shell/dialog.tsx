import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

interface Props {
  readonly title: string;
  readonly action: string;
  readonly isDangerous?: boolean;
  readonly children: ComponentChildren;
  readonly onDone: () => void;
  /** Also by Escape. */
  readonly onClosed: () => void;
}

/** A question that has to be answered before anything else. */
export function Dialog({ title, action, isDangerous = false, children, onDone, onClosed }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    <dialog ref={dialog} class="dialog" onClose={onClosed} aria-label={title}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          onDone();
          dialog.current?.close();
        }}
      >
        <h2>{title}</h2>
        {children}
        <div class="dialog-buttons">
          <button type="button" class="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="submit" class={isDangerous ? "button danger" : "button primary"}>
            {action}
          </button>
        </div>
      </form>
    </dialog>
  );
}
