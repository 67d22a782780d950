/** How long things are kept: what is older, epoch milliseconds, may be deleted once it has ended. */
export interface Retention {
  readonly eventsBeforeMs: number;
  readonly dedupeBeforeMs: number;
  readonly inboxBeforeMs: number;
  readonly historyBeforeMs: number;
  readonly outboxBeforeMs: number;
  /** Ended runs, and completed jobs that the configuration does not name. */
  readonly runsBeforeMs: number;
}
