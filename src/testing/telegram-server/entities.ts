/**
 * The rules for entities that a bot sends, enforced where Telegram itself would often only mend: a test must see what is wrong.
 * @see https://core.telegram.org/bots/api#formatting-options
 */
const MARKUP: ReadonlySet<string> = new Set(["bold", "italic", "underline", "strikethrough", "spoiler"]);
const QUOTES: ReadonlySet<string> = new Set(["blockquote", "expandable_blockquote"]);
const CODES: ReadonlySet<string> = new Set(["code", "pre"]);
const OTHERS: ReadonlySet<string> = new Set(["text_link", "text_mention", "custom_emoji"]);
/** More are not shown. @see https://core.telegram.org/bots/api#formatting-options */
const ENTITIES_MAX = 100;

interface Entity {
  readonly type: string;
  readonly offset: number;
  readonly end: number;
}

/** Why Telegram would refuse or mend these entities over this text, in the words after `Bad Request: `; undefined when they are right. */
export function entityProblem(text: string, entities: unknown): string | undefined {
  if (entities === undefined) return undefined;
  if (!Array.isArray(entities)) return "can't parse entities: must be an array";
  if (entities.length > ENTITIES_MAX) return `can't parse entities: ENTITIES_TOO_LONG, ${entities.length}`;
  const checked: Entity[] = [];
  for (const [index, given] of (entities as unknown[]).entries()) {
    const entity = readEntity(text, given);
    if (typeof entity === "string") return `can't parse entities: entity ${index} ${entity}`;
    checked.push(entity);
  }
  checked.sort((a, b) => a.offset - b.offset || b.end - a.end);
  const open: Entity[] = [];
  for (const entity of checked) {
    while ((open.at(-1)?.end ?? Number.POSITIVE_INFINITY) <= entity.offset) open.pop();
    for (const outer of open) {
      const why = nestingProblem(outer, entity);
      if (why !== undefined) return `can't parse entities: ${why} at UTF-16 offset ${entity.offset}`;
    }
    open.push(entity);
  }
  return undefined;
}

function readEntity(text: string, given: unknown): Entity | string {
  if (typeof given !== "object" || given === null) return "is no object";
  const { type, offset, length, url, language, ...rest } = given as Record<string, unknown>;
  if (typeof type !== "string" || ![MARKUP, QUOTES, CODES, OTHERS].some((types) => types.has(type))) return "has an unknown type";
  if (Object.keys(rest).length > 0 && type !== "text_mention" && type !== "custom_emoji")
    return `has the unknown field ${Object.keys(rest)[0]}`;
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length)) return "needs a whole offset and length";
  const start = Number(offset);
  const end = start + Number(length);
  if (start < 0 || end <= start || end > text.length) return `reaches from ${start} to ${end} in a text of ${text.length} units`;
  if (isInsidePair(text, start)) return "begins in the middle of a UTF-16 symbol";
  if (isInsidePair(text, end)) return "ends in the middle of a UTF-16 symbol";
  if (text.slice(start, end).trim() === "") return "covers white space alone";
  if (type === "text_link" && !isLink(url)) return `URL '${String(url)}' is invalid`;
  if (language !== undefined && (type !== "pre" || typeof language !== "string")) return "has a language, but is no pre";
  return { type, offset: start, end };
}

function nestingProblem(outer: Entity, inner: Entity): string | undefined {
  if (inner.end > outer.end) return `${inner.type} partly overlaps ${outer.type}`;
  if (outer.type === inner.type) return `${inner.type} inside of ${outer.type}`;
  if (CODES.has(outer.type)) return `${inner.type} inside of ${outer.type}`;
  if (QUOTES.has(inner.type))
    return QUOTES.has(outer.type) || !MARKUP.has(outer.type) ? `${inner.type} inside of ${outer.type}` : undefined;
  if (QUOTES.has(outer.type)) return undefined;
  if (CODES.has(inner.type)) return `${inner.type} inside of ${outer.type}`;
  return MARKUP.has(outer.type) || MARKUP.has(inner.type) ? undefined : `${inner.type} inside of ${outer.type}`;
}

function isInsidePair(text: string, at: number): boolean {
  return /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(at - 1, at + 1));
}

/** Telegram takes no host without a dot. */
function isLink(url: unknown): boolean {
  if (typeof url !== "string" || !URL.canParse(url)) return false;
  const { protocol, hostname } = new URL(url);
  return protocol === "tg:" || (/^(https?|ftp):$/.test(protocol) && /[.\]]/.test(hostname));
}
