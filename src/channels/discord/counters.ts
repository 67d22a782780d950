/** What became of what people did, since the channel was made. */
export interface DiscordCounters {
  /** Handed to intake and stored, whatever its outcome. */
  accepted: number;
  /** Written by somebody who may not. */
  forbidden: number;
  /** Said in a server but not to the bot, or by a program. */
  ignored: number;
  notUnderstood: number;
  /** Edits and interactions that found a full queue; messages are read back instead. */
  dropped: number;
  /** Times that a channel had more to read back than `backfillMax`. */
  cutShort: number;
}
