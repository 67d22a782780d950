/**
 * The `ChatInstance` that an adapter talks to. Messages, edits, pressed buttons and slash commands go to intake; what the runtime has
 * no use for is counted. Every member of the installed SDK's type is here: a newer one that adds some fails to compile.
 */
import type { Adapter, AppHomeOpenedEvent, ChatInstance, Logger, Message, WebhookOptions } from "chat";
import { textContent } from "../../core/content.ts";
import type { Arrivals } from "./arrivals.ts";
import { chatKeyOf } from "./address.ts";
import type { ChatSdkCounters } from "./counters.ts";
import { createHistory } from "./history.ts";
import type { BridgeState } from "./state.ts";
import { translateAction, translateCommand, translateMessage } from "./translate.ts";
import type { TranslateOptions, Translation } from "./translate.ts";

export interface InstanceOptions {
  readonly adapter: Adapter;
  readonly arrivals: Arrivals;
  readonly counters: ChatSdkCounters;
  readonly state: BridgeState;
  readonly logger: Logger;
  readonly translation: TranslateOptions;
  /** An id that no other event has. */
  readonly nextId: () => string;
}

type Source = Message | (() => Promise<Message>);

/** Makes the instance of one start. */
export function createChatInstance(options: InstanceOptions): ChatInstance {
  const { adapter: own, arrivals, counters, state, logger, translation, nextId } = options;
  const history = createHistory(own);

  const take = (threadId: string, webhook: WebhookOptions | undefined, read: () => Promise<Translation>): Promise<void> => {
    const task = arrivals.take(threadId, read);
    // The SDK's contract, in case an adapter has put its own function in place of ours; what becomes of it the request knows already.
    webhook?.waitUntil?.(task.catch(() => undefined));
    return task;
  };
  const takeMessage = (adapter: Adapter, threadId: string, source: Source, isEdit: boolean, webhook?: WebhookOptions): Promise<void> =>
    take(threadId, webhook, async () => {
      const message = typeof source === "function" ? await source() : source;
      return translateMessage(adapter, threadId, message, isEdit, translation);
    });
  const ignore = (): void => {
    counters.ignored += 1;
  };
  const ignoreLater = async (): Promise<void> => ignore();

  return {
    processMessage: (adapter, threadId, message, webhook) => takeMessage(adapter, threadId, message, false, webhook),
    handleIncomingMessage: (adapter, threadId, message) => takeMessage(adapter, threadId, message, false),
    processMessageUpdated: ({ adapter, threadId, message }, webhook) => takeMessage(adapter, threadId, message, true, webhook),
    processAction: (event, webhook) => take(event.threadId, webhook, async () => translateAction(event, translation, nextId)),
    processSlashCommand: (event, webhook) => take(event.channelId, webhook, async () => translateCommand(event, translation, nextId)),
    /** The platform's own "stop" button: `/stop` in that chat. */
    processAgentSessionStopped: ({ adapter, threadId, userId }, webhook) => {
      const read = async (): Promise<Translation> => ({
        kind: "message",
        message: {
          chat: chatKeyOf(translation.name, threadId, adapter.name),
          address: threadId,
          externalId: `stop:${nextId()}`,
          content: textContent("/stop"),
          sender: { id: userId },
          ...(adapter.isDM?.(threadId) === true ? { isPrivate: true as const } : {}),
        },
      });
      take(threadId, webhook, read).catch(() => undefined);
    },
    // The turn is stopped by the event that follows, which says who wants it.
    abortTurn: async () => undefined,
    // Nothing of a message that was taken is unsaid.
    processMessageDeleted: ignoreLater,
    processReaction: ignoreLater,
    processModalSubmit: async () => {
      ignore();
      return undefined;
    },
    processOptionsLoad: async () => {
      ignore();
      return undefined;
    },
    processModalClose: ignore,
    processAgentSessionTitleChanged: ignore,
    processAppContextChanged: ignore,
    processAppHomeOpened: (_event: AppHomeOpenedEvent) => ignore(),
    processAssistantContextChanged: ignore,
    processAssistantThreadStarted: ignore,
    processMemberJoinedChannel: ignore,
    processInstalled: ignore,
    processUninstalled: ignore,
    getState: () => state,
    getUserName: () => own.userName || translation.name,
    getLogger: (prefix) => (prefix === undefined ? logger : logger.child(prefix)),
    history,
    get transcripts(): never {
      return history.user as never;
    },
  } satisfies Required<ChatInstance>;
}
