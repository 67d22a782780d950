/** What became of updates since the channel was made. */
export interface TelegramCounters {
  /** Handed to intake and stored, whatever its outcome. */
  accepted: number;
  /** Written by somebody who may not. */
  forbidden: number;
  /** Said in a group but not to the bot, or an edit that changed nothing. */
  ignored: number;
  notUnderstood: number;
  /** Webhook requests without the secret. */
  unauthorized: number;
  /** Webhook requests with the secret, but without JSON. */
  garbled: number;
}

/** All zero. */
export function createCounters(): TelegramCounters {
  return { accepted: 0, forbidden: 0, ignored: 0, notUnderstood: 0, unauthorized: 0, garbled: 0 };
}
