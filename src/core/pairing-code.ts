/** One-time codes that make a person known: eight characters that cannot be misread, shown as `ABCD-EFGH`. */
const CODE = /^[2-9A-HJKMNP-Z]{8}$/;
const LENGTH = 8;

/** The code that a text is, in capitals without dash: alone, or behind `/start`, as a platform's deep link sends it. Undefined for any other text. */
export function readPairingCode(text: string): string | undefined {
  const said = /^\s*(?:\/start(?:@\w+)?\s+)?([0-9A-Za-z]{4})[- ]?([0-9A-Za-z]{4})\s*$/.exec(text);
  const code = said && `${said[1]}${said[2]}`.toUpperCase();
  return code && CODE.test(code) ? code : undefined;
}

/** A new code. `id` answers random lower-case text; about 39 bits of it end up in the code. */
export function createPairingCode(id: () => string): string {
  let code = "";
  while (code.length < LENGTH)
    code += id()
      .toUpperCase()
      .replace(/[^2-9A-HJKMNP-Z]/g, "");
  return code.slice(0, LENGTH);
}

/** `ABCD-EFGH`, for people to type. */
export function formatPairingCode(code: string): string {
  return `${code.slice(0, 4)}-${code.slice(4)}`;
}

/** Compares in a time that depends on the lengths alone. */
export function isSameCode(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let place = 0; place < a.length; place += 1) difference |= a.charCodeAt(place) ^ b.charCodeAt(place % (b.length || 1));
  return difference === 0;
}
