/**
 * The webhook as Telegram knows it. It is set only when something differs, and removed only when it is the one that was set from here: a
 * webhook of somebody else may be another program at work, which would fall silent without ever knowing. Waiting updates are never dropped.
 * @see https://core.telegram.org/bots/api#setwebhook
 */
import type { Api } from "grammy/web";
import { bodyHash } from "../../core/body-hash.ts";
import type { ChannelHost } from "../../ports/channel.ts";
import type { Log } from "../../ports/log.ts";
import { signalFor } from "./api-client.ts";
import { UPDATE_KINDS } from "./translate.ts";

/** Requests that Telegram makes side by side; updates of one chat never are. Its default. */
const CONNECTIONS_MAX = 40;

export interface RegistrationOptions {
  readonly api: Api;
  readonly host: Pick<ChannelHost, "load" | "save" | "remove">;
  readonly botId: number;
  readonly name: string;
  readonly signal: AbortSignal;
  readonly log: Log | undefined;
}

function cellName(botId: number): string {
  return `webhook:${botId}`;
}

/** What was set from here, without the secret. */
function cellOf(value: unknown): { readonly url?: string; readonly terms?: string } {
  if (typeof value !== "object" || value === null) return {};
  const { url, terms } = value as Record<string, unknown>;
  return { ...(typeof url === "string" ? { url } : {}), ...(typeof terms === "string" ? { terms } : {}) };
}

/** Makes Telegram call `url`. Throws what the calls throw. */
export async function register(options: RegistrationOptions, url: string, secretToken: string): Promise<void> {
  const { api, host, botId, name, signal, log } = options;
  const terms = bodyHash(JSON.stringify([url, secretToken, UPDATE_KINDS, CONNECTIONS_MAX]));
  const known = cellOf(await host.load(cellName(botId)));
  const info = await api.raw.getWebhookInfo(signalFor(signal));
  if (info.last_error_message !== undefined && info.url === url) {
    const { last_error_message: reason, pending_update_count: pending, last_error_date: atS } = info;
    log?.warn(
      { channel: name, reason, pending, at: atS },
      "the last webhook request of Telegram failed; is webhookUrl reachable from outside?",
    );
  }
  if (info.url === url && known.terms === terms) return;
  // Remembered as ours before it is; without the terms, so that a call that fails is made again.
  await host.save(cellName(botId), { url });
  await api.raw.setWebhook(
    { url, secret_token: secretToken, allowed_updates: [...UPDATE_KINDS], max_connections: CONNECTIONS_MAX },
    signalFor(signal),
  );
  await host.save(cellName(botId), { url, terms });
  log?.info({ channel: name, url }, "telegram calls this webhook");
}

/** Removes the webhook that `register` set, if it is still the one that Telegram calls. Throws what the calls throw. */
export async function unregister(options: RegistrationOptions): Promise<void> {
  const { api, host, botId, name, signal, log } = options;
  const { url } = cellOf(await host.load(cellName(botId)));
  if (url === undefined) return;
  const info = await api.raw.getWebhookInfo(signalFor(signal));
  if (info.url === url) {
    await api.raw.deleteWebhook({ drop_pending_updates: false }, signalFor(signal));
    log?.info({ channel: name, url }, "the webhook was removed; updates are polled");
  }
  await host.remove(cellName(botId));
}
