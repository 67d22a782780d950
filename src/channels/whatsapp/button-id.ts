/** Most characters of a button's id. @see https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/interactive-reply-buttons-messages */
const ID_UNITS_MAX = 256;

/** The id of a button that answers a question, as it comes back when it is pressed; undefined when it is too long for one. */
export function buttonId(questionId: string, optionId: string): string | undefined {
  const id = `q/${encodeURIComponent(questionId.toWellFormed())}/${encodeURIComponent(optionId.toWellFormed())}`;
  return id.length <= ID_UNITS_MAX ? id : undefined;
}

/** What `buttonId` was made from; undefined for any other id. */
export function readButtonId(id: string): { readonly questionId: string; readonly optionId: string } | undefined {
  const [, question, option] = /^q\/([^/]+)\/([^/]+)$/.exec(id) ?? [];
  if (question === undefined || option === undefined) return undefined;
  try {
    return { questionId: decodeURIComponent(question), optionId: decodeURIComponent(option) };
  } catch {
    return undefined;
  }
}
