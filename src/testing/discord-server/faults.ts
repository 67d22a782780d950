import type { ServerResponse } from "node:http";

/** How a REST call goes wrong; `error` is a proper answer of Discord, all others are not. */
export type DiscordFault =
  | { readonly kind: "error"; readonly status: number; readonly code?: number; readonly message?: string }
  /** 429 in Discord's words; `isGlobal` means the whole bot. */
  | { readonly kind: "throttled"; readonly retryAfterS: number; readonly isGlobal?: boolean }
  /** A gateway's or Cloudflare's page in place of JSON. */
  | { readonly kind: "html"; readonly status: number; readonly retryAfterS?: number }
  /** The connection is cut before anything was done. */
  | { readonly kind: "cut" }
  /** The call takes effect, then the connection is cut. */
  | { readonly kind: "takenThenCut" }
  /** The call takes effect and is never answered, until `close`. */
  | { readonly kind: "takenThenSilent" };

/** What a call is, for scripting: sending, editing and reading messages, and the rest by their names. */
export type DiscordCall = "send" | "edit" | "read" | "typing" | "gateway" | "callback" | "respond" | "commands" | "attachment" | "other";

export interface FaultScope {
  /** Default `send`. */
  readonly call?: DiscordCall;
  readonly channelId?: string;
  /** How many calls meet it. Default 1. */
  readonly times?: number;
}

export interface FaultScript {
  readonly add: (fault: DiscordFault, scope: FaultScope) => void;
  /** The fault that this call meets, which is used up by it. */
  readonly take: (call: DiscordCall, channelId: string | undefined) => DiscordFault | undefined;
}

export function createFaultScript(): FaultScript {
  const waiting: { readonly fault: DiscordFault; readonly call: DiscordCall; readonly channelId: string | undefined; times: number }[] = [];
  return {
    add: (fault, { call = "send", channelId, times = 1 }) => void waiting.push({ fault, call, channelId, times }),
    take: (call, channelId) => {
      const index = waiting.findIndex((one) => one.call === call && (one.channelId === undefined || one.channelId === channelId));
      const found = waiting[index];
      if (!found) return undefined;
      found.times -= 1;
      if (found.times <= 0) waiting.splice(index, 1);
      return found.fault;
    },
  };
}

/** Answers as the fault says; for `takenThen…` the caller has let the call take effect. */
export function failWith(fault: DiscordFault, response: ServerResponse): void {
  switch (fault.kind) {
    case "error":
      response.writeHead(fault.status, { "content-type": "application/json" });
      response.end(JSON.stringify({ message: fault.message ?? `scripted ${fault.status}`, code: fault.code ?? 0 }));
      return;
    case "throttled": {
      const isGlobal = fault.isGlobal === true;
      response.writeHead(429, {
        "content-type": "application/json",
        "retry-after": String(Math.ceil(fault.retryAfterS)),
        "x-ratelimit-scope": isGlobal ? "global" : "user",
        ...(isGlobal
          ? { "x-ratelimit-global": "true" }
          : { "x-ratelimit-remaining": "0", "x-ratelimit-reset-after": String(fault.retryAfterS) }),
      });
      response.end(JSON.stringify({ message: "You are being rate limited.", retry_after: fault.retryAfterS, global: isGlobal }));
      return;
    }
    case "html":
      response.writeHead(fault.status, {
        "content-type": "text/html",
        ...(fault.retryAfterS === undefined ? {} : { "retry-after": String(fault.retryAfterS) }),
      });
      response.end("<html>gateway</html>");
      return;
    case "cut":
    case "takenThenCut":
      response.destroy();
      return;
    case "takenThenSilent":
  }
}
