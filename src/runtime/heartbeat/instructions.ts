/** What is left of HEARTBEAT.md for the agent. */

/** Most characters of the file that go to the agent. */
export const INSTRUCTIONS_MAX = 16_000;

/**
 * The file's text without HTML comments, cut at INSTRUCTIONS_MAX with a note that says so; undefined when it asks for nothing: headings, rules,
 * empty list items and empty check boxes alone are no instructions.
 */
export function instructionsOf(file: string): string | undefined {
  const text = file
    .replace(/^\ufeff/, "")
    // One that is never closed hides all that follows, as it does on a rendered page.
    .replace(/<!--[\s\S]*?(?:-->|$)/g, "")
    .split(/\r?\n/)
    .map((line) => line.trimEnd())
    .join("\n")
    .replace(/\n{3,}/g, "\n\n")
    .trim();
  if (text.split("\n").every(asksForNothing)) return undefined;
  if (text.length <= INSTRUCTIONS_MAX) return text;
  return `${text.slice(0, INSTRUCTIONS_MAX).toWellFormed()}\n(The file is longer; it was cut here.)`;
}

function asksForNothing(line: string): boolean {
  const rest = line.trim();
  const isHeading = /^#{1,6}(?:\s|$)/.test(rest);
  const isRule = /^(?:[-*_=]\s*){3,}$/.test(rest);
  const isEmptyItem = /^(?:[-*+]|\d+[.)])?\s*(?:\[[ xX]?\])?$/.test(rest);
  const isFence = /^(?:```|~~~)\w*$/.test(rest);
  return isHeading || isRule || isEmptyItem || isFence;
}
