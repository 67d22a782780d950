const TRIES = [
  { text: "Hello!", note: "is said back" },
  { text: "/slow 3s hi", note: "takes three seconds; write on meanwhile, or press Escape" },
  { text: "/parts 3", note: "answers in three parts" },
  { text: "/fail 1", note: "fails once, and is tried again" },
] as const;

/** What to do where nothing was said yet. */
export function EmptyState({ onTry }: { readonly onTry: (text: string) => void }) {
  return (
    <div class="empty">
      <h2>What is on your mind?</h2>
      <p>Write below. With the echo agent, which answers until you configure another, try one of these:</p>
      <ul>
        {TRIES.map(({ text, note }) => (
          <li key={text}>
            <button type="button" class="try" onClick={() => onTry(text)}>
              <code>{text}</code>
              <span>{note}</span>
            </button>
          </li>
        ))}
      </ul>
      <p class="empty-note">
        Every message is stored before it counts as sent: stop satibot in the middle of an answer, start it again, and the answer comes.
      </p>
    </div>
  );
}
