import { renderUnicodeCompact } from "uqr";
import type { WirePairingCode } from "../http/wire.ts";

/** Beside a QR code a narrower terminal would break its lines. */
const QR_COLUMNS = 45;

/** A one-time code as people read it; with the link as a QR code where `columns` has the room for one. */
export function viewPairingCode(pairing: WirePairingCode, nowMs: number, columns: number | undefined): string {
  const { channel, code, account, url, expiresAt } = pairing;
  const minutes = Math.max(1, Math.round((expiresAt - nowMs) / 60_000));
  const bot = account ?? `the bot on ${channel}`;
  const rest = `Valid once, for ${minutes} min. Whoever sends it owns the bot; \`satibot pair code ${channel}\` makes a new one.`;
  if (url === undefined) return `To talk to ${bot}, send it this code:\n\n  ${code}\n\n${rest}`;
  const picture = columns !== undefined && columns >= QR_COLUMNS ? `${renderUnicodeCompact(url, { border: 1 })}\n\n` : "";
  return `To talk to ${bot}, open this link and press Start:\n\n  ${url}\n\n${picture}or send it the code ${code}.\n${rest}`;
}
