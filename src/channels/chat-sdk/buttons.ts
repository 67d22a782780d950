/** Buttons of a question as ids of a platform, and back. */

const PREFIX = "satibot";

/** Ids of buttons have to differ within one message: the place makes them so. */
export function buttonId(questionId: string, place: number): string {
  return `${PREFIX}:${place}:${questionId}`;
}

/** The question that a pressed button answers; undefined for a button that is not ours. */
export function parseButtonId(id: string): string | undefined {
  return /^satibot:\d+:(.+)$/s.exec(id)?.[1];
}
