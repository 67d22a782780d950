/**
 * Cuts a text into pieces of at most `max` UTF-16 units: at the last line break or space of a piece where there is one in its second
 * half, never inside a surrogate pair. The pieces joined give the text back.
 */
export function splitText(text: string, max: number): readonly string[] {
  const pieces: string[] = [];
  let from = 0;
  while (text.length - from > max) {
    let end = from + max;
    const window = text.slice(from, end);
    const cut = Math.max(window.lastIndexOf("\n"), window.lastIndexOf(" ")) + 1;
    if (cut > max / 2) end = from + cut;
    else if (isHighSurrogate(text.charCodeAt(end - 1))) end -= 1;
    pieces.push(text.slice(from, end));
    from = end;
  }
  if (from < text.length || pieces.length === 0) pieces.push(text.slice(from));
  return pieces;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}
