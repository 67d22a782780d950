/** What became of updates since the channel was made. */
export interface TelegramCounters {
  /** Handed to intake and stored, whatever its outcome. */
  accepted: number;
  /** Written by somebody who may not. */
  forbidden: number;
  /** Said in a group but not to the bot. */
  ignored: number;
  notUnderstood: number;
}
