/** Parameters of a Bot API call. */
export type Payload = Readonly<Record<string, unknown>>;

/** What the server answers to a call: an HTTP status and a body of the Bot API's shape. */
export interface Answer {
  readonly status: number;
  readonly body: Payload;
}

export function succeed(result: unknown): Answer {
  return { status: 200, body: { ok: true, result } };
}

export function refuse(
  status: number,
  description: string,
  parameters?: { readonly retry_after?: number; readonly migrate_to_chat_id?: number },
): Answer {
  return { status, body: { ok: false, error_code: status, description, ...(parameters === undefined ? {} : { parameters }) } };
}

/** 400, in Telegram's words. */
export function badRequest(why: string): Answer {
  return refuse(400, `Bad Request: ${why}`);
}
