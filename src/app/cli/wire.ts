/** The shapes of HTTP.md that commands print, and the calls that bring them. Every field beyond the first is shown only when it is there. */

export interface WirePage<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

export interface WireChat {
  readonly key: string;
  readonly channel: string;
  readonly state: string;
  readonly since: number;
  readonly waiting: number;
  readonly lastMessageAt?: number | null;
  readonly lastReplyAt?: number | null;
  readonly error?: { readonly code: string; readonly message: string } | null;
}

export interface WirePart {
  readonly id: string;
  readonly part: number;
  readonly of: number;
  readonly text: string;
  readonly status: string;
  readonly attempts: number;
  readonly nextTryAt?: number | null;
  readonly error?: { readonly code: string; readonly message: string } | null;
}

export interface WireChatDetail extends WireChat {
  readonly address: string;
  readonly overlap: string;
  readonly timers: readonly { readonly id: string; readonly event: unknown; readonly dueAt: number }[];
  readonly waitingRows: readonly { readonly seq: number; readonly kind: string; readonly text: string; readonly receivedAt: number }[];
  readonly turn?: { readonly turnId: string; readonly attempt: number; readonly startedAt: number; readonly steps: number } | null;
  readonly history: readonly { readonly role: string; readonly text: string; readonly at: number }[];
  readonly outbox: readonly WirePart[];
  readonly revision: number;
}

export interface WireWhy {
  readonly key: string;
  readonly state: string;
  readonly since: number;
  readonly sentence: string;
  readonly waitsFor?: string | null;
  readonly endsBy?: readonly { readonly event: string; readonly atMs?: number | null }[] | null;
}

export interface WireEvent {
  readonly revision: number;
  readonly at: number;
  readonly events: readonly { readonly type: string }[];
  readonly stateBefore: string;
  readonly stateAfter: string;
}

export interface WireSystem {
  readonly version: string;
  readonly state: string;
  readonly startedAt: number;
  readonly node: string;
  readonly store: string;
  readonly queue: { readonly waiting: number; readonly running: number; readonly slots: number };
  readonly timers: number;
  readonly chats: { readonly known: number; readonly live: number; readonly quarantined: number };
  readonly loopDelayMs: { readonly p50: number; readonly p99: number };
  readonly memoryBytes: number;
  readonly channels: readonly {
    readonly name: string;
    readonly kind: string;
    readonly state: string;
    readonly since: number;
    readonly reason?: string | null;
    readonly lastTrafficAt?: number | null;
  }[];
}

export interface ChatQuery {
  readonly state?: string;
  readonly channel?: string;
  readonly q?: string;
  readonly limit?: number;
  readonly cursor?: string;
}

/** What commands read, from the daemon or from the store of a stopped one. */
export interface ChatReader {
  readonly chats: (query: ChatQuery) => Promise<WirePage<WireChat>>;
  readonly chat: (key: string) => Promise<WireChatDetail>;
  readonly why: (key: string) => Promise<WireWhy>;
  readonly events: (key: string, query: { readonly from?: number; readonly limit?: number }) => Promise<WirePage<WireEvent>>;
}

/** The calls to a running daemon that commands make. */
export interface DaemonApi extends ChatReader {
  readonly system: () => Promise<WireSystem>;
  readonly sendMessage: (
    key: string,
    body: { readonly text: string; readonly messageId?: string },
  ) => Promise<{ readonly seq: number; readonly duplicate: boolean }>;
  /** Delivers a text to the person without a turn; answers with the id of its first part. */
  readonly sendOut: (key: string, body: { readonly text: string }) => Promise<{ readonly id: string }>;
  readonly stop: (key: string) => Promise<WireChatDetail>;
  readonly reset: (key: string) => Promise<WireChatDetail>;
  readonly retry: (key: string, options: { readonly skip: boolean }) => Promise<WireChatDetail>;
}
