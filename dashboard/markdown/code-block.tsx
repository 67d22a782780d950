import { useState } from "preact/hooks";
import { copyText } from "./clipboard.ts";

/** Code as it is, with a button that copies it. */
export function CodeBlock({ text, language }: { readonly text: string; readonly language: string | undefined }) {
  const [note, setNote] = useState("Copy");
  const copy = async (): Promise<void> => {
    setNote((await copyText(text)) ? "Copied" : "Not copied");
    window.setTimeout(() => setNote("Copy"), 2_000);
  };
  return (
    <div class="code">
      <div class="code-bar">
        <span>{language ?? "code"}</span>
        <button type="button" class="plain-button" onClick={() => void copy()} aria-label="Copy the code">
          {note}
        </button>
      </div>
      <pre dir="ltr" tabIndex={0}>
        <code>{text}</code>
      </pre>
    </div>
  );
}
