/**
 * What the error numbers of the WhatsApp Cloud API mean for a message, and what a person can do.
 * @see https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
 */

/** What follows from an error. */
export type Consequence =
  /** The access token is refused: nothing will be taken until a person has mended it. */
  | "token"
  /** The whole phone number must send more slowly. */
  | "throughput"
  /** This chat must be written to more slowly. */
  | "pair"
  /** The account may not send for now; a person has to look at it. */
  | "account"
  /** The platform is in trouble; it passes. */
  | "down"
  /** Nothing will reach this person. */
  | "unreachable"
  /** This message will never be taken. */
  | "refused";

export interface Meaning {
  readonly consequence: Consequence;
  /** What to do, as the end of a sentence. */
  readonly advice: string;
}

const TOKEN: Meaning = {
  consequence: "token",
  advice:
    "the access token is refused or may not do this; make a new one with whatsapp_business_messaging for a system user, set it and restart",
};
const THROUGHPUT: Meaning = { consequence: "throughput", advice: "the phone number sends faster than its limit; it is sent later" };
const DOWN: Meaning = { consequence: "down", advice: "WhatsApp is in trouble; it is tried again" };
const REFUSED: Meaning = { consequence: "refused", advice: "it will never be taken as it is; check the chat and the content" };
const UNREACHABLE: Meaning = {
  consequence: "unreachable",
  advice: "the person cannot be reached: no WhatsApp behind the number, an old app, the terms not accepted, or the bot is blocked",
};
const account = (advice: string): Meaning => ({ consequence: "account", advice });
const refused = (advice: string): Meaning => ({ consequence: "refused", advice });

const MEANINGS: ReadonlyMap<number, Meaning> = new Map([
  [0, TOKEN],
  [3, TOKEN],
  [10, TOKEN],
  [190, TOKEN],
  [1, DOWN],
  [2, DOWN],
  [4, THROUGHPUT],
  [33, account("the business phone number was deleted; set phoneNumberId to one that exists")],
  [80_007, THROUGHPUT],
  [368, account("the business account is restricted for a violation of policy; see Business Support Home of Meta")],
  [130_429, THROUGHPUT],
  [130_472, refused("WhatsApp withholds it from this person in an experiment; it will not be taken")],
  [130_497, { consequence: "unreachable", advice: "the business may not write to people of this country" }],
  [131_000, DOWN],
  [131_005, TOKEN],
  [131_016, DOWN],
  [131_021, { consequence: "unreachable", advice: "it is the bot's own number; write to another one" }],
  [131_026, UNREACHABLE],
  [
    131_030,
    {
      consequence: "unreachable",
      advice: "the number is not in the list of recipients of a test number; add it in the app dashboard of Meta",
    },
  ],
  [131_031, account("the business account is locked; see Business Support Home of Meta")],
  [131_037, account("the display name of the number is not approved yet; see WhatsApp Manager")],
  [131_042, account("a payment method is missing or overdue; see the billing settings of the business")],
  [131_045, account("the phone number is not registered properly; register it again")],
  [
    131_047,
    refused(
      "the person last wrote more than 24 hours ago, and then WhatsApp takes only message templates, which satibot does not send; it can be said once the person writes again",
    ),
  ],
  [131_048, account("too many messages of this number were blocked or reported as spam; see its quality in WhatsApp Manager")],
  [131_049, refused("WhatsApp chose not to deliver it, to keep what people receive in bounds")],
  [131_050, refused("the person does not want such messages")],
  [131_056, { consequence: "pair", advice: "too many messages to this person in a short time; it is sent later" }],
  [131_057, account("the business account is in maintenance mode; it passes")],
  [133_004, DOWN],
  [133_010, account("the phone number is not registered with the Cloud API; register it in WhatsApp Manager")],
]);

/** What an answer means: by its number where that is known, else by the HTTP status. */
export function meaningOf({ code, status }: { readonly code?: number | undefined; readonly status: number }): Meaning {
  const known = code === undefined ? undefined : MEANINGS.get(code);
  if (known) return known;
  if (code !== undefined && code >= 200 && code < 300) return TOKEN;
  if (status === 401) return TOKEN;
  if (status === 429) return THROUGHPUT;
  return status >= 500 ? DOWN : REFUSED;
}
