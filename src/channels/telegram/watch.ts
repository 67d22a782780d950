/**
 * A look at the webhook now and then. Nothing tells a bot that its webhook was removed or replaced, and many libraries do so as soon as
 * they are started with the same token: without a look it would be silent for ever and seem well.
 */
import { noteOf, RuntimeError } from "../../core/errors.ts";
import type { ChannelHost } from "../../ports/channel.ts";
import type { Clock } from "../../ports/clock.ts";
import { signalFor } from "./api-client.ts";
import type { Fate } from "./fate.ts";
import { failureOf } from "./failure.ts";
import type { Redact } from "./failure.ts";
import { pause } from "./pause.ts";
import { register } from "./registration.ts";
import type { RegistrationOptions } from "./registration.ts";

/** Time between two looks. */
const LOOK_MS = 300_000;

export interface WatchOptions {
  readonly registration: RegistrationOptions;
  readonly host: Pick<ChannelHost, "report">;
  readonly clock: Clock;
  readonly redact: Redact;
  readonly fate: Fate;
  readonly url: string;
  readonly secretToken: string;
}

/** Where a webhook leads, without the path, which may be a secret. */
function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : "another place";
}

/**
 * Looks until the signal aborts or the token is refused. A webhook that is gone is set again at the look after the one that missed it; one
 * that leads elsewhere is left alone for as long as it does.
 */
export async function watchWebhook(options: WatchOptions): Promise<void> {
  const { registration, host, clock, redact, fate, url, secretToken } = options;
  const { api, name, signal, log } = registration;
  let isMissed = false;
  let lastErrorAtS = Math.floor(clock.now() / 1_000);

  const look = async (): Promise<boolean> => {
    const info = await api.raw.getWebhookInfo(signalFor(signal));
    const { url: found = "", last_error_date: errorAtS = 0, last_error_message: reason, pending_update_count: pending } = info;
    if (found === url) {
      if (errorAtS > lastErrorAtS)
        log?.warn({ channel: name, reason, pending }, "webhook requests of Telegram fail; is webhookUrl reachable from outside?");
      lastErrorAtS = Math.max(lastErrorAtS, errorAtS);
      if (isMissed) host.report({ type: "traffic.seen" });
      isMissed = false;
      return true;
    }
    if (found === "" && isMissed) {
      await register(registration, url, secretToken);
      host.report({ type: "traffic.seen" });
      isMissed = false;
      return true;
    }
    isMissed = true;
    const where = found === "" ? "was removed by somebody else; it is set again" : `leads to ${hostOf(found)}`;
    const message = `telegram: the webhook ${where}; another program uses this token: stop it, or use another token`;
    host.report({ type: "connection.conflicted", error: { code: "CHANNEL_CONFLICT", message } });
    return true;
  };

  for (let isOn = true; isOn && !signal.aborted;) {
    await pause(clock, LOOK_MS, signal);
    if (signal.aborted) return;
    isOn = await look().catch((error: unknown) => {
      if (signal.aborted) return false;
      const failure = failureOf(error, redact);
      const isRefused = failure.kind === "answered" && (failure.status === 401 || failure.status === 404);
      if (isRefused) fate.endFor(failure);
      else
        log?.warn(
          { channel: name, reason: error instanceof RuntimeError ? noteOf(error).message : failure.text },
          "the webhook could not be looked at",
        );
      return !isRefused;
    });
  }
}
