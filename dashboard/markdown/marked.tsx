import { useMemo } from "preact/hooks";
import { CodeBlock } from "./code-block.tsx";
import { renderMarkdown } from "./markdown.ts";

/** UTF-16 units of a text that still changes and is read as Markdown each time; a longer one is shown as it is until it is whole. */
const CHANGING_MAX = 20_000;

/** A text as Markdown. */
export function Marked({ text, isChanging = false }: { readonly text: string; readonly isChanging?: boolean }) {
  const isPlain = isChanging && text.length > CHANGING_MAX;
  const body = useMemo(() => (isPlain ? <p class="plain">{text}</p> : renderMarkdown(text, CodeBlock)), [text, isPlain]);
  return <div class="marked">{body}</div>;
}
