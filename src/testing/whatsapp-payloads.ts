/** Bodies of webhooks as Meta writes them. */

export interface SayOptions {
  /** Message id; made up by default. */
  readonly id?: string;
  /** Default `16505551234`; null hides it, as a username does. */
  readonly from?: string | null;
  /** Business-scoped user id. */
  readonly userId?: string;
  /** Name in the profile. Default `Person`. */
  readonly name?: string;
  readonly username?: string;
}

export interface StatusOptions {
  /** Of the message that was sent. */
  readonly id: string;
  readonly status: string;
  /** Default `16505551234`. */
  readonly to?: string;
  /** Seconds. Default 1750263773. */
  readonly timestamp?: number;
  readonly errors?: readonly Readonly<Record<string, unknown>>[];
}

type Fields = Readonly<Record<string, unknown>>;

function metadata(phoneNumberId: string): Fields {
  return { messaging_product: "whatsapp", metadata: { display_phone_number: "15550783881", phone_number_id: phoneNumberId } };
}

/** The value of a change that holds one message. */
export function messageValue(phoneNumberId: string, message: Fields, options: SayOptions = {}): Fields {
  const { from = "16505551234", userId, name = "Person", username } = options;
  const profile = { name, ...(username === undefined ? {} : { username }) };
  return {
    ...metadata(phoneNumberId),
    contacts: [{ profile, ...(from === null ? {} : { wa_id: from }), ...(userId === undefined ? {} : { user_id: userId }) }],
    messages: [
      {
        ...(from === null ? {} : { from }),
        ...(userId === undefined ? {} : { from_user_id: userId }),
        timestamp: "1749416383",
        ...message,
      },
    ],
  };
}

/** The value of a change that holds one status. */
export function statusValue(
  phoneNumberId: string,
  { id, status, to = "16505551234", timestamp = 1_750_263_773, errors }: StatusOptions,
): Fields {
  return {
    ...metadata(phoneNumberId),
    statuses: [{ id, status, timestamp: String(timestamp), recipient_id: to, ...(errors ? { errors } : {}) }],
  };
}

/** A whole body; each value becomes a change of one entry. */
export function webhookBody(values: readonly Fields[], field = "messages"): string {
  return JSON.stringify({
    object: "whatsapp_business_account",
    entry: [{ id: "102290129340398", changes: values.map((value) => ({ value, field })) }],
  });
}
