/**
 * Error names of Slack's Web API, sorted by what they mean for a send.
 * @see https://docs.slack.dev/reference/methods/chat.postMessage#errors
 */
import type { FailureKind } from "./failure.ts";

const BY_NAME: Readonly<Partial<Record<FailureKind, readonly string[]>>> = {
  unauthorized: [
    "invalid_auth",
    "not_authed",
    "account_inactive",
    "token_revoked",
    "token_expired",
    "not_allowed_token_type",
    "missing_scope",
    "no_permission",
    "org_login_required",
    "team_access_not_granted",
    "two_factor_setup_required",
    "ekm_access_denied",
    "access_denied",
    "accesslimited",
  ],
  unreachable: [
    "channel_not_found",
    "not_in_channel",
    "is_archived",
    "thread_not_found",
    "user_not_found",
    "user_disabled",
    "cannot_dm_bot",
    "messages_tab_disabled",
    "restricted_action",
    "restricted_action_read_only_channel",
    "restricted_action_thread_only_channel",
    "restricted_action_non_threadable_channel",
    "restricted_action_thread_locked",
  ],
  throttled: ["ratelimited", "rate_limited", "message_limit_exceeded"],
  notTaken: ["service_unavailable", "team_added_to_org"],
  // By Slack's own words, some of it may have succeeded.
  unknown: ["fatal_error", "internal_error", "request_timeout"],
};

const KINDS: ReadonlyMap<string, FailureKind> = new Map(
  Object.entries(BY_NAME).flatMap(([kind, names]) => names.map((name) => [name, kind as FailureKind] as const)),
);

/** What Slack's answer `{ ok: false, error: name }` means; a name that is not known is a refusal of this content. */
export function slackFailureKind(name: string): FailureKind {
  return KINDS.get(name) ?? "refused";
}
