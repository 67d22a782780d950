import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/**
 * True when `header` (`X-Hub-Signature-256`) is the signature of exactly these bytes, compared in constant time.
 * @see https://developers.facebook.com/docs/graph-api/webhooks/getting-started#validate-payloads (it is made over the body as sent, `\u` escapes and all)
 */
export function isSigned(body: Uint8Array, header: string, appSecret: string): boolean {
  const given = /^sha256=([0-9a-f]{64})$/i.exec(header.trim())?.[1];
  if (given === undefined) return false;
  return timingSafeEqual(Buffer.from(given, "hex"), createHmac("sha256", appSecret).update(body).digest());
}

/** True when both texts are the same, in a time that does not tell where they differ. */
export function isSameSecret(given: string, expected: string): boolean {
  const hash = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(given), hash(expected));
}
