/** What is known of single adapters beyond the interface that all share. */
import type { ChannelLimits } from "../../ports/channel.ts";
import type { ChatSdkOptions } from "./options.ts";

export interface Profile {
  readonly limits: ChannelLimits;
  /** It learns who it is while it initialises; without that it would answer itself. */
  readonly knowsItself: boolean;
  /** Values that the adapter would wait for although nobody here uses them: asking fails at once. */
  readonly unwanted?: RegExp;
  /** The factory's options with what this runtime needs of them. */
  readonly prepare: (options: Readonly<Record<string, unknown>>, logger: object) => Record<string, unknown>;
}

const UNKNOWN: Profile = {
  // The shortest limit among the official adapters is Discord's.
  limits: { textUnits: 2_000, canEdit: false, pace: { chatMs: 1_000 } },
  knowsItself: false,
  prepare: (options, logger) => ({ logger, ...options }),
};

/** Longest time for one call of Slack's Web API, in milliseconds. */
const SLACK_CALL_MS = 30_000;

/** The logger that `@slack/web-api` wants; what it says, the adapter's errors say again. */
const silence = {
  debug: (): void => undefined,
  info: (): void => undefined,
  warn: (): void => undefined,
  error: (): void => undefined,
  setLevel: (): void => undefined,
  getLevel: (): string => "error",
  setName: (): void => undefined,
};

/**
 * Slack takes 12,000 characters of `markdown_text`; the rest is room for mentions, which the adapter lengthens to ids. Its client
 * would repeat calls for half an hour and sit out a 429 by itself: both are the runtime's, which does neither twice.
 * @see https://docs.slack.dev/reference/methods/chat.postMessage (`markdown_text`)
 * @see https://docs.slack.dev/apis/web-api/rate-limits (1 message per second and channel, edits 50 per minute)
 */
const SLACK: Profile = {
  limits: { textUnits: 11_000, canEdit: true, pace: { chatMs: 1_000, editMs: 1_200 } },
  knowsItself: true,
  // It holds each message with a link for two seconds, of Slack's three, until Slack has sent a preview of the page.
  unwanted: /^slack:unfurls?:/,
  prepare: (options, logger) => ({
    logger,
    ...options,
    webClientOptions: {
      logger: silence,
      timeout: SLACK_CALL_MS,
      ...(typeof options.webClientOptions === "object" ? options.webClientOptions : {}),
      retryConfig: { retries: 0 },
      rejectRateLimitedCalls: true,
    },
  }),
};

const PROFILES: ReadonlyMap<string, Profile> = new Map([["slack", SLACK]]);

/** The name as far as it is known before loading: `@chat-adapter/slack` is `slack`, an adapter says its own, what makes one says none. */
export function adapterNameOf(adapter: ChatSdkOptions["adapter"]): string {
  if (typeof adapter === "function") return "";
  if (typeof adapter !== "string") return adapter.name;
  return adapter.split("#")[0]?.split("/").at(-1) ?? "";
}

/** The profile of an adapter, with the limits that the options set. */
export function profileOf({ adapter, textUnits, canEdit }: ChatSdkOptions): Profile {
  const profile = PROFILES.get(adapterNameOf(adapter)) ?? UNKNOWN;
  const { limits } = profile;
  return {
    ...profile,
    limits: { ...limits, textUnits: textUnits ?? limits.textUnits, canEdit: canEdit ?? limits.canEdit },
  };
}
