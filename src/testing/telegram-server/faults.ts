/** How a call goes wrong; `error` is a proper Bot API answer, all others are not. */
export type TelegramFault =
  | {
      readonly kind: "error";
      readonly status: number;
      readonly description?: string;
      readonly retryAfterS?: number;
      readonly migrateTo?: number;
    }
  /** A gateway's page in place of JSON. */
  | { readonly kind: "html"; readonly status: number }
  /** JSON without `ok`. */
  | { readonly kind: "noOk"; readonly status: number }
  /** The connection is cut before anything was done. */
  | { readonly kind: "cut" }
  /** The call takes effect, then the connection is cut. */
  | { readonly kind: "takenThenCut" }
  /** The call takes effect and is never answered, until `close`. */
  | { readonly kind: "takenThenSilent" };

export interface FaultScope {
  /** Default `sendMessage`. `file` is a download, `webhook` a request to the bot: of that only the answer can be lost (`takenThenCut`). */
  readonly method?: string;
  /** Only calls for this chat. */
  readonly chatId?: number;
  /** How many calls meet it. Default 1. */
  readonly times?: number;
}

export interface Faults {
  readonly add: (
    fault: TelegramFault,
    scope: { readonly method: string; readonly chatId: number | undefined; readonly times: number },
  ) => void;
  /** The fault that this call meets, used up by it. */
  readonly take: (method: string, chatId: number) => TelegramFault | undefined;
}

/** A list of scripted faults; the first that fits a call is met. */
export function createFaults(): Faults {
  const waiting: { fault: TelegramFault; method: string; chatId: number | undefined; times: number }[] = [];
  return {
    add: (fault, scope) => {
      waiting.push({ fault, ...scope });
    },
    take: (method, chatId) => {
      const index = waiting.findIndex((one) => one.method === method && (one.chatId === undefined || one.chatId === chatId));
      const found = waiting[index];
      if (!found) return undefined;
      found.times -= 1;
      if (found.times <= 0) waiting.splice(index, 1);
      return found.fault;
    },
  };
}
