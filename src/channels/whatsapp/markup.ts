/**
 * Markdown as WhatsApp writes it: `*bold*`, `_italic_`, `~struck~`, code as it is, links with their address behind them, headings bold.
 * The result is never longer than what came in, so a part that fits as Markdown fits.
 * @see https://faq.whatsapp.com/539178204879377 (formatting of messages)
 */

/** Stands for bold while single asterisks are read as italics; no text holds it, since control characters are taken out first. */
const BOLD = "\u0001";
// oxlint-disable-next-line no-control-regex -- the marker itself must not come from the text
const MARKERS = /\u0001/g;

/** A line that opens or closes a block of code. */
const FENCE = /^ {0,3}(`{3,}(?=[^`]*$)|~{3,})/;

function inline(text: string): string {
  return text
    .replace(/\*\*\*(?=\S)([^*]+)(?<=\S)\*\*\*/g, `${BOLD}_$1_${BOLD}`)
    .replace(/\*\*(?=\S)(.+?)(?<=\S)\*\*/g, `${BOLD}$1${BOLD}`)
    .replace(/(?<![\w_])__(?=\S)([^_]+?)(?<=\S)__(?![\w_])/g, `${BOLD}$1${BOLD}`)
    .replace(/(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])/g, "_$1_")
    .replace(/~~(?=\S)([^~]+?)(?<=\S)~~/g, "~$1~")
    .replace(/!?\[([^\]\n]*)\]\(<?([^\s()<>]+)>?(?:\s+"[^"\n]*")?\)/g, (_, label: string, url: string) =>
      label.trim() === "" || label === url ? url : `${label} (${url})`,
    );
}

/** Everything but code spans, which stay as they are. */
function prose(line: string): string {
  return line
    .split(/(`+[^`\n]+`+)/)
    .map((piece, place) => (place % 2 === 1 ? piece : inline(piece)))
    .join("");
}

function heading(line: string): string | undefined {
  const text = /^ {0,3}#{1,6}\s+(.*?)(?:\s+#+)?\s*$/.exec(line)?.[1];
  if (text === undefined || text === "") return undefined;
  const plain = prose(text).replaceAll(BOLD, "").replaceAll("*", "");
  return plain.trim() === "" ? undefined : `${BOLD}${plain.trim()}${BOLD}`;
}

/** The text as it is sent. */
export function toWhatsApp(markdown: string): string {
  let fence: string | undefined;
  const lines = markdown.replace(MARKERS, "").split("\n");
  const written = lines.map((line) => {
    const mark = FENCE.exec(line)?.[1];
    if (fence !== undefined) {
      if (mark === undefined || mark[0] !== fence[0] || mark.length < fence.length || line.trim() !== mark) return line;
      fence = undefined;
      return "```";
    }
    if (mark !== undefined) {
      fence = mark;
      return "```";
    }
    return heading(line) ?? prose(line.replace(/^(\s*)[+*](?=\s)/, "$1-"));
  });
  return written.join("\n").replaceAll(BOLD, "*");
}
