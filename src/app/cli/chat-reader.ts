/** What commands ask for, from the daemon or from the store of a stopped one. */
import type { ApiClient, ChatQuery } from "../../http/client.ts";
import type { WireChat, WireChatDetail, WireEvent, WirePage, WireWhy } from "../../http/wire.ts";

export interface ChatReader {
  readonly chats: (query: ChatQuery) => Promise<WirePage<WireChat>>;
  readonly chat: (key: string) => Promise<WireChatDetail>;
  /** Everything known of a chat. */
  readonly exportChat: (key: string) => Promise<object>;
  readonly why: (key: string) => Promise<WireWhy>;
  readonly events: (key: string, query: { readonly from?: number; readonly limit?: number }) => Promise<WirePage<WireEvent>>;
}

/** The calls to a running daemon that commands make. */
export type DaemonApi = Omit<ApiClient, "passivate">;
