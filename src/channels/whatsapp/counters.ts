/** What became of webhooks since the channel was made. */
export interface WhatsAppCounters {
  /** Handed to intake and stored, whatever its outcome. */
  accepted: number;
  /** Written by somebody who may not. */
  forbidden: number;
  /** Of another number, field or object, or said in a group. */
  ignored: number;
  /** Messages without content for us: reactions, system notices, kinds that are not known. */
  notUnderstood: number;
  statuses: number;
  badSignatures: number;
}
