/** What a person in an `api:` chat hears: the replies of the chat's stream, gone on with by the last id whenever the daemon was away. */
import { setTimeout as sleep } from "node:timers/promises";

export interface HeardReply {
  readonly id: string;
  readonly turnId: string;
  readonly part: number;
  readonly of: number;
  readonly text: string;
  readonly inReplyTo: readonly number[];
}

export interface Listener {
  /** In the order of arrival, over all connections. */
  readonly heard: () => readonly HeardReply[];
  readonly close: () => Promise<void>;
}

/** Between two connections. */
const RECONNECT_MS = 20;

/** Listens from the first reply on, until closed. */
export function listen(url: string, chat: string): Listener {
  const heard: HeardReply[] = [];
  const closing = new AbortController();
  const path = `${url}/api/chats/${encodeURIComponent(chat)}/stream`;

  const readOnce = async (): Promise<void> => {
    const response = await fetch(`${path}?after=${heard.at(-1)?.id ?? 0}`, { signal: closing.signal });
    if (!response.ok || !response.body) {
      await response.body?.cancel();
      return;
    }
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      const blocks = (rest + decoder.decode(chunk, { stream: true })).split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        const fields = new Map(
          block.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]),
        );
        if (fields.get("event") !== "reply") continue;
        heard.push({ ...(JSON.parse(fields.get("data") ?? "") as Omit<HeardReply, "id">), id: fields.get("id") ?? "" });
      }
    }
  };

  const done = (async () => {
    while (!closing.signal.aborted) {
      // The daemon is away, or was killed under this stream.
      await readOnce().catch(() => undefined);
      if (!closing.signal.aborted) await sleep(RECONNECT_MS);
    }
  })();

  return {
    heard: () => heard,
    close: async () => {
      closing.abort();
      await done;
    },
  };
}
