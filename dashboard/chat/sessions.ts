import type { Api } from "../api.ts";
import type { Edge } from "../edge.ts";
import type { Conversations } from "./conversations.ts";
import { readKept } from "./kept.ts";
import { type Session, createSession } from "./session.ts";

export interface Sessions {
  /** The session of a conversation, which listens until another is asked for. */
  readonly enter: (key: string) => Session;
  /** Ends it for good and forgets what it kept. */
  readonly remove: (key: string) => void;
  readonly keepAll: () => void;
}

/** Time out of sight after which a tab stops to listen. */
const REST_MS = 30_000;

/** One session listens, that of the conversation shown; the others only send what waits in them. */
export function createSessions(parts: { readonly api: Api; readonly edge: Edge; readonly conversations: Conversations }): Sessions {
  const sessions = new Map<string, Session>();
  let current: Session | undefined;
  const sessionOf = (key: string): Session => {
    const session = sessions.get(key) ?? createSession(key, parts);
    sessions.set(key, session);
    return session;
  };
  for (const { key } of parts.conversations.list.value) {
    if (readKept(parts.edge.storage, key).items.some((item) => item.kind === "own" && item.status === "waiting")) sessionOf(key);
  }
  // A browser opens six connections to one address: a tab that nobody looks at gives back its own.
  let cancelRest: (() => void) | undefined;
  parts.edge.onVisibility((isVisible) => {
    cancelRest?.();
    cancelRest = isVisible ? undefined : parts.edge.setTimer(REST_MS, () => current?.leave());
    if (isVisible) current?.listen();
  });
  return {
    enter: (key) => {
      if (current?.key === key) return current;
      current?.leave();
      current = sessionOf(key);
      current.listen();
      return current;
    },
    remove: (key) => {
      sessions.get(key)?.close();
      sessions.delete(key);
      if (current?.key === key) current = undefined;
      parts.conversations.remove(key);
    },
    keepAll: () => {
      for (const session of sessions.values()) session.keep();
    },
  };
}
