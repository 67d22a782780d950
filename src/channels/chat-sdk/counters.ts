/** What became of events since the channel was made. */
export interface ChatSdkCounters {
  /** Handed to intake and stored, whatever its outcome. */
  accepted: number;
  /** Written by somebody who may not. */
  forbidden: number;
  /** Not for the bot, or of a kind that the runtime has no use for, such as reactions. */
  ignored: number;
  /** Of a shape that the adapter or the bridge cannot read. */
  notUnderstood: number;
  /** Came outside of a request and were lost, since the channel stopped before the store took them. */
  lost: number;
}
