/** Keeps what an adapter must not tell out of everything that leaves this folder. */

/** Returns the text without secrets. */
export type Mask = (text: string) => string;

const SECRET_UNITS_MIN = 8;
const DEPTH_MAX = 6;
/** Options that are named in messages and protect nothing. */
const HARMLESS = /^(userName|name|mode|apiVersion|.*(Id|Url|Prefix))$/;
const TELLING = /(TOKEN|SECRET|KEY|PASSWORD|CREDENTIAL)/;
/** Slack's tokens, and whatever a header carried. */
const PATTERNS = [/\bxox[a-z]-[\w-]{8,}/g, /\bxapp-[\w-]{8,}/g, /\b(?:Bearer|Basic)\s+[\w.~+/=-]{8,}/gi];

function collect(value: unknown, key: string, found: Set<string>, depth: number): void {
  if (typeof value === "string") {
    const isUrlWithSecret = URL.canParse(value) && new URL(value).password !== "";
    if (value.length >= SECRET_UNITS_MIN && (!HARMLESS.test(key) || isUrlWithSecret)) found.add(value);
    return;
  }
  if (typeof value !== "object" || value === null || depth > DEPTH_MAX) return;
  for (const [name, inner] of Object.entries(value)) collect(inner, Array.isArray(value) ? key : name, found, depth + 1);
}

/**
 * Masks every string of the options that may be a secret, the environment variables that the adapter reads by itself (`SLACK_BOT_TOKEN`
 * for `slack`), and what looks like a token.
 */
export function createMask(
  options: Readonly<Record<string, unknown>>,
  adapterName: string,
  environment: Readonly<Record<string, string | undefined>>,
): Mask {
  const found = new Set<string>();
  collect(options, "", found, 0);
  const prefix = `${adapterName.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_")}_`;
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && value.length >= SECRET_UNITS_MIN && name.startsWith(prefix) && TELLING.test(name)) found.add(value);
  }
  const forms = [...found].flatMap((secret) => [secret, encodeURIComponent(secret)]).sort((a, b) => b.length - a.length);
  return (text) => {
    const masked = forms.reduce((left, form) => left.replaceAll(form, "<secret>"), text);
    return PATTERNS.reduce((left, pattern) => left.replaceAll(pattern, "<secret>"), masked);
  };
}
