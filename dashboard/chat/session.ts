/**
 * Keeps one conversation in step with the server: listens to its stream, reads it after each connection, sends what waits.
 *
 *   stream:  open ─▶ read the chat ─▶ … ─▶ lost ─▶ 1 s, 2 s, 4 s … 15 s (at once when the network comes back) ─▶ open
 *   sending: one message after the other, under the same id until the server has stored or refused it
 */
import { type ReadonlySignal, batch, signal } from "@preact/signals";
import type { WireWhy } from "../../src/http/wire.ts";
import { type Api, ApiError, isPassing } from "../api.ts";
import type { Edge } from "../edge.ts";
import { type ChatAction, type ChatState, UNSENT_MAX, initialChat, nextUnsent, reduceChat, unsentCount } from "./chat-state.ts";
import { readKept, writeKept } from "./kept.ts";

const BACKOFF_MIN_MS = 1_000;
const BACKOFF_MAX_MS = 15_000;
/** Pause between two writes to the browser's storage. */
const KEEP_MS = 300;
/** UTF-8 bytes of one message that the server takes. */
export const TEXT_BYTES_MAX = 64 * 1024;

export interface Session {
  readonly key: string;
  readonly state: ReadonlySignal<ChatState>;
  readonly composed: ReadonlySignal<string>;
  /** Why the chat is in its state, once it was asked for. */
  readonly why: ReadonlySignal<WireWhy | undefined>;
  /** A failure of the last button, in words. */
  readonly problem: ReadonlySignal<string | undefined>;
  /** False once the browser had no room to keep what is unsent. */
  readonly isKept: ReadonlySignal<boolean>;
  readonly compose: (text: string) => void;
  /** False when nothing was taken: empty, or too much waits. */
  readonly send: (text: string) => boolean;
  readonly repeat: (messageId: string) => void;
  /** Takes a refused or waiting message back; answers its text. */
  readonly withdraw: (messageId: string) => void;
  readonly stop: () => Promise<void>;
  readonly retry: (skip: boolean) => Promise<void>;
  readonly askWhy: () => Promise<void>;
  /** Tries to connect now. */
  readonly reconnect: () => void;
  /** Begins to listen; sending goes on without it. */
  readonly listen: () => void;
  readonly leave: () => void;
  /** Writes to the browser's storage what is due to be kept. */
  readonly keep: () => void;
  /** Ends everything, keeping what is unsent for the next visit. */
  readonly close: () => void;
}

export function createSession(key: string, { api, edge }: { readonly api: Api; readonly edge: Edge }): Session {
  const kept = readKept(edge.storage, key);
  const state = signal(initialChat(kept));
  const composed = signal(kept.composed);
  const why = signal<WireWhy | undefined>(undefined);
  const problem = signal<string | undefined>(undefined);
  const isKept = signal(true);
  let isClosed = false;
  let cancelKeep: (() => void) | undefined;

  const keep = (): void => {
    cancelKeep?.();
    cancelKeep = undefined;
    isKept.value = writeKept(edge.storage, key, state.value, composed.value);
  };
  const dispatch = (action: ChatAction): void => {
    state.value = reduceChat(state.value, action);
    // Deltas are not kept; everything else soon is.
    if (action.type !== "told" || action.event.type === "reply") cancelKeep ??= edge.setTimer(KEEP_MS, keep);
  };

  const listener = createListener(key, { api, edge, state, dispatch, why });
  const sender = createSender(key, { api, edge, state, dispatch });

  const act = async (action: () => Promise<unknown>): Promise<void> => {
    problem.value = undefined;
    try {
      await action();
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) dispatch({ type: "signedOut" });
      problem.value = error instanceof ApiError ? error.message : "that did not work; try again";
    }
  };

  sender.wake();
  return {
    key,
    state,
    composed,
    why,
    problem,
    isKept,
    compose: (text) => {
      composed.value = text;
      cancelKeep ??= edge.setTimer(KEEP_MS, keep);
    },
    send: (text) => {
      if (text.trim() === "") return false;
      if (unsentCount(state.value) >= UNSENT_MAX) {
        problem.value = `${UNSENT_MAX} messages wait to be sent already; take one back or wait for the connection`;
        return false;
      }
      problem.value = undefined;
      batch(() => {
        const messageId = edge.id();
        dispatch({ type: "written", messageId, text, atMs: edge.now() });
        composed.value = "";
        if (new TextEncoder().encode(text).length > TEXT_BYTES_MAX) {
          const message = `The message is over ${TEXT_BYTES_MAX / 1024} KiB; send it in several.`;
          dispatch({ type: "refused", messageId, refusal: { message, retryAtMs: undefined } });
        }
      });
      // At once: a message that was taken survives the tab.
      keep();
      sender.wake();
      return true;
    },
    repeat: (messageId) => {
      dispatch({ type: "repeated", messageId });
      sender.wake();
    },
    withdraw: (messageId) => dispatch({ type: "withdrawn", messageId }),
    stop: () => act(async () => listener.read(() => api.stop(key))),
    retry: (skip) => act(async () => listener.read(() => api.retry(key, skip))),
    askWhy: () =>
      act(async () => {
        why.value = await api.why(key);
      }),
    reconnect: () => {
      listener.wake();
      sender.wake();
    },
    listen: listener.listen,
    leave: listener.leave,
    keep: () => {
      if (cancelKeep !== undefined) keep();
    },
    close: () => {
      if (isClosed) return;
      isClosed = true;
      listener.leave();
      sender.close();
      keep();
    },
  };
}

interface Parts {
  readonly api: Api;
  readonly edge: Edge;
  readonly state: ReadonlySignal<ChatState>;
  readonly dispatch: (action: ChatAction) => void;
}

/** Sends one message after the other; a message that the server neither stored nor refused is sent again under its id. */
function createSender(key: string, { api, edge, state, dispatch }: Parts) {
  let isRunning = false;
  let isClosed = false;
  let failures = 0;
  let cancelPause: (() => void) | undefined;

  const run = async (): Promise<void> => {
    while (!isClosed) {
      const item = nextUnsent(state.value);
      const messageId = item?.messageId;
      if (item === undefined || messageId === undefined) return;
      dispatch({ type: "sending", messageId });
      try {
        const { seq } = await api.post(key, { text: item.text, messageId });
        failures = 0;
        dispatch({ type: "accepted", messageId, seq });
      } catch (error) {
        const failure = error instanceof ApiError ? error : new ApiError(0, "UNREACHABLE", String(error));
        if (failure.status === 401) dispatch({ type: "signedOut" });
        if (isPassing(failure) || failure.status === 401) {
          dispatch({ type: "unsent", messageId });
          failures += 1;
          const delayMs = failure.retryAfterMs ?? backoffMs(edge, failures);
          cancelPause = edge.setTimer(failure.status === 401 ? BACKOFF_MAX_MS : delayMs, wake);
          return;
        }
        const retryAtMs = failure.retryAfterMs === undefined ? undefined : edge.now() + failure.retryAfterMs;
        dispatch({ type: "refused", messageId, refusal: { message: failure.message, retryAtMs } });
      }
    }
  };
  const wake = (): void => {
    cancelPause?.();
    cancelPause = undefined;
    if (isRunning || isClosed) return;
    isRunning = true;
    void run().finally(() => {
      isRunning = false;
    });
  };
  const ignore = edge.onWake(wake);
  return {
    wake,
    close: () => {
      isClosed = true;
      cancelPause?.();
      ignore();
    },
  };
}

function createListener(key: string, { api, edge, state, dispatch, why }: Parts & { readonly why: { value: WireWhy | undefined } }) {
  let abort: AbortController | undefined;
  let cancelPause: (() => void) | undefined;
  let ignoreWake: (() => void) | undefined;
  let failures = 0;
  let isReading = false;
  let readings = 0;

  /** Reads the chat; what the stream tells meanwhile is newer. One reading at a time. */
  const read = async (from: () => ReturnType<Api["chat"]> = () => api.chat(key)): Promise<void> => {
    isReading = true;
    try {
      dispatch({ type: "reading" });
      const detail = await from();
      dispatch({ type: "loaded", detail, atMs: edge.now() });
    } finally {
      isReading = false;
    }
  };
  const readWhenAsked = async (): Promise<void> => {
    if (isReading) return;
    while (abort !== undefined && readings !== state.value.readings) {
      readings = state.value.readings;
      try {
        await read();
      } catch (error) {
        // Nobody has written here yet; anything else shows at the stream, which is opened again.
        if (error instanceof ApiError && error.code === "CHAT_UNKNOWN") dispatch({ type: "absent" });
        else if (error instanceof ApiError && isPassing(error)) connection?.abort();
      }
    }
  };
  /** When it is tried again is worth knowing without asking. */
  const explain = async (): Promise<void> => {
    const answer = await api.why(key).catch(() => undefined);
    if (answer !== undefined && answer.state === state.value.activity.state) why.value = answer;
  };

  let connection: AbortController | undefined;
  const connect = async (): Promise<void> => {
    if (abort === undefined) return;
    const own = abort;
    connection = new AbortController();
    const { signal: ended } = connection;
    dispatch({ type: "linking" });
    try {
      await api.stream(
        key,
        state.value.cursor,
        {
          onOpen: () => {
            if (ended.aborted) return;
            failures = 0;
            dispatch({ type: "linked" });
            void readWhenAsked();
          },
          onEvents: (events) => {
            if (ended.aborted) return;
            const before = state.value.activity.state;
            batch(() => {
              for (const event of events) dispatch({ type: "told", event, atMs: edge.now() });
            });
            const { activity } = state.value;
            if (activity.state !== before) {
              why.value = undefined;
              if (activity.state === "backingOff" || activity.state === "quarantined") void explain();
            }
            void readWhenAsked();
          },
        },
        ended,
      );
      again(own, undefined);
    } catch (error) {
      again(own, error instanceof ApiError ? error : new ApiError(0, "UNREACHABLE", String(error)));
    }
  };
  const again = (own: AbortController, failure: ApiError | undefined): void => {
    if (own.signal.aborted) return;
    if (failure?.status === 401) return dispatch({ type: "signedOut" });
    failures += 1;
    const atMs = edge.now();
    const delayMs = failure?.retryAfterMs ?? backoffMs(edge, failures);
    const refusal = failure !== undefined && failure.status > 0 ? failure.message : undefined;
    dispatch({ type: "lost", atMs, retryAtMs: atMs + delayMs, refusal });
    cancelPause = edge.setTimer(delayMs, () => void connect());
  };
  const wake = (): void => {
    if (abort === undefined || cancelPause === undefined || state.value.link.status !== "lost") return;
    cancelPause();
    cancelPause = undefined;
    failures = 0;
    void connect();
  };
  return {
    read,
    wake,
    listen: () => {
      if (abort !== undefined) return;
      abort = new AbortController();
      abort.signal.addEventListener("abort", () => connection?.abort(), { once: true });
      ignoreWake = edge.onWake(() => {
        if (edge.isOnline()) wake();
      });
      void connect();
    },
    leave: () => {
      abort?.abort();
      abort = undefined;
      cancelPause?.();
      cancelPause = undefined;
      ignoreWake?.();
    },
  };
}

function backoffMs(edge: Edge, failures: number): number {
  const fullMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** (failures - 1));
  return fullMs * (0.75 + edge.chance() / 4);
}
