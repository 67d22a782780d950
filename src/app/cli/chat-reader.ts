/** What commands ask for, from the daemon or from the store of a stopped one. */
import type { ApiClient, ChatQuery, JobQuery } from "../../http/client.ts";
import type { WireJob, WireRun } from "../../http/wire-jobs.ts";
import type { WireChat, WireChatDetail, WireEvent, WirePage, WireWhy } from "../../http/wire.ts";

export interface ChatReader {
  readonly chats: (query: ChatQuery) => Promise<WirePage<WireChat>>;
  readonly chat: (key: string) => Promise<WireChatDetail>;
  /** Everything known of a chat. */
  readonly exportChat: (key: string) => Promise<object>;
  readonly why: (key: string) => Promise<WireWhy>;
  readonly events: (key: string, query: { readonly from?: number; readonly limit?: number }) => Promise<WirePage<WireEvent>>;
}

/** What commands ask of jobs. Nothing here moves one. */
export interface JobReader {
  readonly jobs: (query: JobQuery) => Promise<WirePage<WireJob>>;
  /** @throws RequestError or ApiError JOB_UNKNOWN */
  readonly job: (id: string) => Promise<WireJob>;
  readonly runs: (id: string, query: { readonly limit?: number; readonly cursor?: string }) => Promise<WirePage<WireRun>>;
}

/** The calls to a running daemon that commands make. */
export type DaemonApi = Omit<ApiClient, "passivate">;
