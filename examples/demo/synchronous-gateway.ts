/**
 * The gateway that most bots begin with, to compare with: one loop that takes a message, asks the agent, sends the reply, and only then
 * takes the next. Nothing is kept: what waits when it ends is gone. It is given what it can be given: polling costs it no time, and it
 * tries again when a platform says so.
 */
import { TransientError, type Agent, type Channel, type ChannelHost, type InboundMessage, type Turn } from "satibot";
import { clock, pause } from "./clock.ts";

const SEND_ATTEMPTS_MAX = 5;
const RETRY_MS = 1_000;

/** Runs until `signal` is aborted; the message under way is finished or dropped, and the channels are stopped. */
export async function runSynchronousGateway(channels: readonly Channel[], agent: Agent, signal: AbortSignal): Promise<void> {
  const inbox: { readonly channel: Channel; readonly message: InboundMessage }[] = [];
  let wake = (): void => undefined;
  signal.addEventListener("abort", () => wake());

  await Promise.all(
    channels.map((channel) =>
      channel.start(
        hostOf(channel.name, (messages) => {
          inbox.push(...messages.map((message) => ({ channel, message })));
          wake();
        }),
      ),
    ),
  );

  while (!signal.aborted) {
    const first = inbox.shift();
    if (first) {
      await answer(first.channel, first.message, agent, signal);
      continue;
    }
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
  await Promise.all(channels.map((channel) => channel.stop()));
}

/** One message from beginning to end; everybody else waits. */
async function answer(channel: Channel, message: InboundMessage, agent: Agent, signal: AbortSignal): Promise<void> {
  let text = "";
  try {
    for await (const delta of agent(turnOf(message), { signal, tools: {} })) if (typeof delta === "string") text += delta;
  } catch (error) {
    if (signal.aborted) return;
    throw error;
  }
  for (let attempt = 1; attempt <= SEND_ATTEMPTS_MAX && !signal.aborted; attempt += 1) {
    try {
      await channel.deliver({
        chat: message.chat,
        address: message.address,
        content: [{ type: "text", text }],
        idempotencyKey: message.externalId,
        signal,
      });
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof TransientError)) throw error;
      await pause(error.retryAfterMs ?? RETRY_MS, signal);
    }
  }
}

function turnOf({ chat, externalId, content, sender }: InboundMessage): Turn {
  const text = content.map((item) => (item.type === "text" ? item.text : "")).join("\n");
  return {
    chat,
    turnId: externalId,
    attempt: 1,
    trigger: "interactive",
    messages: [{ seq: 1, content, text, sender, receivedAtMs: clock.now(), skipped: false }],
    history: () => Promise.resolve([]),
    step: async (_key, run) => run(),
    open: () => Promise.reject(new Error("this gateway keeps no files")),
  };
}

/** Takes whatever comes, into memory. */
function hostOf(name: string, take: (messages: readonly InboundMessage[]) => void): ChannelHost {
  return {
    name,
    accept: (messages) => {
      take(messages);
      return Promise.resolve(messages.map(() => "accepted"));
    },
    report: () => undefined,
    load: () => Promise.resolve(undefined),
    save: () => Promise.resolve(),
    remove: () => Promise.resolve(),
    commands: [],
    moved: () => Promise.resolve(),
    receive: () => Promise.resolve(),
  };
}
