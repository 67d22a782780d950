/**
 * The envelope of a webhook, read without trusting its shape: entries hold changes, changes hold messages and statuses. What belongs to
 * another phone number, another field or another object is passed over.
 * @see https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages
 */

export type Fields = Readonly<Record<string, unknown>>;

/** Who wrote, or who was written to. Where somebody has a username the number may be missing. */
export interface WireAuthor {
  readonly waId: string | undefined;
  /** Business-scoped user id. */
  readonly userId: string | undefined;
  readonly name: string | undefined;
  /** Without `@`. */
  readonly username: string | undefined;
}

export interface WireMessage {
  readonly id: string;
  readonly type: string;
  readonly author: WireAuthor;
  /** The whole message. */
  readonly fields: Fields;
}

export interface WireStatus {
  /** Of the message that satibot sent. */
  readonly id: string;
  readonly status: string;
  readonly atMs: number;
  readonly recipient: WireAuthor;
  readonly error: { readonly code: number | undefined; readonly text: string } | undefined;
}

export interface Payload {
  /** In the order sent. */
  readonly messages: readonly WireMessage[];
  readonly statuses: readonly WireStatus[];
  /** What the platform says of the account, for the log. */
  readonly problems: readonly string[];
  /** Changes and items that are none of ours. */
  readonly ignored: number;
}

/** A field that is an object; undefined for anything else. */
export function objectIn(fields: Fields | undefined, name: string): Fields | undefined {
  const value = fields?.[name];
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

/** A field that is a text with something in it, made well-formed. */
export function textIn(fields: Fields | undefined, name: string): string | undefined {
  const value = fields?.[name];
  return typeof value === "string" && value !== "" ? value.toWellFormed() : undefined;
}

/** The objects in a field that is a list. */
export function listIn(fields: Fields | undefined, name: string): readonly Fields[] {
  const value = fields?.[name];
  return Array.isArray(value) ? value.filter((item): item is Fields => typeof item === "object" && item !== null) : [];
}

function authorOf(message: Fields, contacts: readonly Fields[]): WireAuthor {
  const [waId, userId] = [textIn(message, "from"), textIn(message, "from_user_id")];
  const contact =
    contacts.find((one) => (userId !== undefined && one.user_id === userId) || (waId !== undefined && one.wa_id === waId)) ??
    (contacts.length === 1 ? contacts[0] : undefined);
  const profile = objectIn(contact, "profile");
  return {
    waId,
    userId: userId ?? textIn(contact, "user_id"),
    name: textIn(profile, "name"),
    username: textIn(profile, "username") ?? textIn(contact, "username"),
  };
}

/** `131026 Message undeliverable: details`. */
function errorIn(fields: Fields): WireStatus["error"] {
  const [error] = listIn(fields, "errors");
  if (!error) return undefined;
  const details = textIn(objectIn(error, "error_data"), "details");
  const said = [textIn(error, "title") ?? textIn(error, "message"), details].filter((text) => text !== undefined).join(": ");
  return { code: typeof error.code === "number" ? error.code : undefined, text: said.slice(0, 300) };
}

function statusOf(fields: Fields): WireStatus | undefined {
  const [id, status] = [textIn(fields, "id"), textIn(fields, "status")];
  const recipient: WireAuthor = {
    waId: textIn(fields, "recipient_id"),
    userId: textIn(fields, "recipient_user_id"),
    name: undefined,
    username: undefined,
  };
  if (id === undefined || status === undefined || (recipient.waId ?? recipient.userId) === undefined) return undefined;
  const seconds = Number(fields.timestamp);
  return { id, status, atMs: Number.isFinite(seconds) ? seconds * 1_000 : 0, recipient, error: errorIn(fields) };
}

/** Reads any JSON value; never throws. */
export function readPayload(value: unknown, phoneNumberId: string): Payload {
  const messages: WireMessage[] = [];
  const statuses: WireStatus[] = [];
  const problems: string[] = [];
  let ignored = 0;
  const [root] = listIn({ root: [value] }, "root");
  const changes = root?.object === "whatsapp_business_account" ? listIn(root, "entry").flatMap((entry) => listIn(entry, "changes")) : [];
  if (changes.length === 0) ignored += 1;
  for (const change of changes) {
    const body = objectIn(change, "value");
    if (change.field !== "messages" || textIn(objectIn(body, "metadata"), "phone_number_id") !== phoneNumberId) {
      ignored += 1;
      continue;
    }
    const contacts = listIn(body, "contacts");
    for (const fields of listIn(body, "messages")) {
      const [id, type, author] = [textIn(fields, "id"), textIn(fields, "type"), authorOf(fields, contacts)];
      // A group has its own rules and address; an answer in private to what was said there would be wrong.
      const isGroup = fields.group_id !== undefined;
      if (id === undefined || type === undefined || isGroup || (author.waId ?? author.userId) === undefined) ignored += 1;
      else messages.push({ id, type, author, fields });
    }
    for (const fields of listIn(body, "statuses")) {
      const status = statusOf(fields);
      if (status) statuses.push(status);
      else ignored += 1;
    }
    const problem = body && errorIn(body);
    if (problem) problems.push(`${problem.code ?? ""} ${problem.text}`.trim());
  }
  return { messages, statuses, problems, ignored };
}
