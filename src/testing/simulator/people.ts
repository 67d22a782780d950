/** The people of a simulated world: they write on the platform and over HTTP, and repeat what was not acknowledged. */
import type { ChatKey } from "../../core/chat-key.ts";
import type { InboundMessage } from "../../ports/channel.ts";
import type { EventLoop } from "../../runtime/api.ts";
import type { FakePlatform } from "../fake-channel.ts";
import type { VirtualClock } from "../virtual-clock.ts";
import type { Account } from "./account.ts";
import { delay } from "./agent.ts";
import type { Action } from "./plan.ts";

export interface People {
  readonly act: (action: Extract<Action, { kind: "say" | "again" | "http" | "out" }>) => void;
  /** Nobody waits for an acknowledgement any more. */
  readonly areDone: () => boolean;
}

/** Time after which a request that was not answered is made again. */
const REQUEST_TIMEOUT_MS = 5_000;
const RETRY_MS = 250;

/** @param loopNow - the process that listens now, if one does */
export function createPeople(clock: VirtualClock, platform: FakePlatform, account: Account, loopNow: () => EventLoop | undefined): People {
  const updates = new Map<string, InboundMessage>();
  /** Requests of one chat go one after the other. */
  const requests = new Map<ChatKey, Promise<void>>();
  let underWay = 0;

  /** Asks until it is answered, as a client does that has an id for its message. */
  const insist = async <T>(request: (loop: EventLoop) => Promise<T>): Promise<T> => {
    for (;;) {
      const loop = loopNow();
      const answered = loop
        ? request(loop).then(
            (value) => ({ value }),
            () => undefined,
          )
        : undefined;
      // A process that dies never answers.
      const answer = await Promise.race([answered, delay(clock, REQUEST_TIMEOUT_MS).then(() => undefined)]);
      if (answer) return answer.value;
      await delay(clock, RETRY_MS);
    }
  };

  const inTurn = (chat: ChatKey, work: () => Promise<void>): void => {
    underWay += 1;
    const done = (requests.get(chat) ?? Promise.resolve()).then(work).finally(() => {
      underWay -= 1;
    });
    requests.set(chat, done);
  };

  return {
    areDone: () => underWay === 0 && platform.unconfirmed().length === 0,
    act: (action) => {
      switch (action.kind) {
        case "say": {
          const { chat, text, externalId } = action;
          const address = chat.slice(chat.indexOf(":") + 1);
          const message: InboundMessage = { chat, address, externalId, content: [{ type: "text", text }], sender: { id: address } };
          updates.set(externalId, message);
          account.said(chat, text);
          return platform.post(message);
        }
        case "again": {
          const message = updates.get(action.externalId);
          return message && platform.post(message);
        }
        case "http":
          return inTurn(action.chat, async () => {
            const saying = account.said(action.chat, action.text);
            for (let times = action.twice ? 2 : 1; times > 0; times -= 1) {
              const { seq } = await insist((loop) => loop.addChatMessage(action.chat, action.text, { messageId: action.messageId }));
              if (saying.seq !== undefined && saying.seq !== seq)
                account.violate(`"${action.text}" was acknowledged as ${saying.seq} and as ${seq}`);
              saying.seq = seq;
            }
          });
        case "out": {
          // Without an id it is asked once: a repetition would be another text.
          const loop = loopNow();
          return loop?.send(action.chat, action.text).then(
            () => account.sentOut(action.chat, action.text),
            () => undefined,
          ) as void | undefined;
        }
      }
    },
  };
}
