/** An id or @username as it is compared: without the spaces around it, in lower case. */
export function identityOf(text: string): string {
  return text.trim().toLowerCase();
}

const NAME_CODE_POINTS_MAX = 48;

/** A name that a stranger chose, fit to stand in a sentence: one line, no markup, nothing that turns the text around, at most 48 characters. */
export function harmlessName(name: string | undefined): string {
  const plain = (name ?? "")
    .toWellFormed()
    .replace(/[^\p{L}\p{M}\p{N}\p{Extended_Pictographic}',-]+/gu, (odd) => (/[\p{C}\p{Z}]/u.test(odd) ? " " : ""));
  const kept = [...plain.trim()].slice(0, NAME_CODE_POINTS_MAX).join("").trim();
  return kept === "" ? "Somebody" : kept;
}
