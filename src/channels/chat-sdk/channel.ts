/**
 * Any Vercel Chat SDK adapter as a channel: it talks to a `ChatInstance` of ours, so that its messages are journaled, ordered and answered
 * like those of every other platform. Translates, and holds no policy. The SDK and the adapter load when the channel starts; only their
 * types are known here.
 */
import type { Adapter } from "chat";
import { AmbiguousError, invariant, TerminalError, TransientError } from "../../core/errors.ts";
import type { Content } from "../../core/content.ts";
import type { Channel, ChannelHost, DeliverRequest } from "../../ports/channel.ts";
import { threadIdOf } from "./address.ts";
import { createCells } from "./cells.ts";
import type { ChatSdkCounters } from "./counters.ts";
import { deliveryError, failureOf, reasonOf } from "./failure.ts";
import { createFiles } from "./files.ts";
import { loadAdapter } from "./load.ts";
import { createAdapterLogger } from "./logger.ts";
import { checkOptions } from "./options.ts";
import type { ChatSdkAdapter as AnyAdapter, ChatSdkOptions as Options } from "./options.ts";
import { postableOf } from "./post.ts";
import { adapterNameOf, profileOf } from "./profile.ts";
import { createMask } from "./secrets.ts";
import { openSession } from "./session.ts";
import type { Session } from "./session.ts";
import { listenTo, unless } from "./wait.ts";

export type ChatSdkAdapter = AnyAdapter;
export type ChatSdkOptions = Options;

export interface ChatSdkChannel extends Channel {
  /** What became of events since the channel was made. */
  readonly counters: () => Readonly<ChatSdkCounters>;
}

/** Bounds of what is remembered: 16,384 values and as many threads, in cells of which each change rewrites one. */
const VALUES = { prefix: "state", cells: 128, entriesMax: 128 };
const THREADS = { prefix: "threads", cells: 64, entriesMax: 256 };

/** What `deliver` gives for a message that the platform put into another thread than it was sent to. */
function platformIdOf(address: string, sent: { readonly id?: unknown; readonly threadId?: unknown } | undefined): string | undefined {
  const { id, threadId = address } = sent ?? {};
  if (typeof id !== "string" || id === "") return undefined;
  return threadId === address ? id : JSON.stringify([threadId, id]);
}

function messageAt(address: string, platformId: string): { readonly threadId: string; readonly messageId: string } {
  if (!platformId.startsWith("[")) return { threadId: address, messageId: platformId };
  const [threadId, messageId] = JSON.parse(platformId) as [string, string];
  return { threadId, messageId };
}

/**
 * Makes the channel; nothing is loaded or connected before `start`. `deliver`, `edit`, `open` and `typing` also work after `stop`, over the
 * adapter of the last start, and before the first one where the adapter can without being initialised.
 * @throws ConfigError CONFIG_INVALID with the path of the bad option; `start` throws it for an adapter that is not installed or not one
 */
export function createChatSdkChannel(options: ChatSdkOptions): ChatSdkChannel {
  const checked = checkOptions(options);
  const { name, allow, clock, log, random, groups } = checked;
  const profile = profileOf(checked);
  const mask = createMask(checked.options ?? {}, adapterNameOf(checked.adapter), process.env);
  const logger = createAdapterLogger(name, mask, clock, log);
  const files = createFiles(mask);
  const counters: ChatSdkCounters = { accepted: 0, forbidden: 0, ignored: 0, notUnderstood: 0, lost: 0 };
  let made = 0;
  const nextId = (): string => random?.id() ?? `${clock.now().toString(36)}-${(made += 1)}`;
  let session: Session | undefined;
  let starting: Promise<Session> | undefined;
  let stopping: Promise<void> | undefined;
  /** Of the last start, or made for a call before the first. */
  let last: Promise<Adapter> | undefined;
  /** Of the last start, also when that has ended: replies still go out then. */
  let latest: { readonly host: ChannelHost; readonly session: Session } | undefined;
  // One memory for all starts: a late write of an earlier one must not undo what a later one wrote.
  const memory: Pick<ChannelHost, "load" | "save"> = {
    load: async (cell) => latest?.host.load(cell),
    save: async (cell, value) => latest?.host.save(cell, value),
  };
  const values = createCells(memory, clock, VALUES);
  const threads = createCells(memory, clock, THREADS);

  const load = (): Promise<Adapter> => loadAdapter(checked, profile, logger.logger, mask);
  const adapterForCalls = (): Promise<Adapter> => {
    if (!last) {
      last = load();
      last.catch(() => {
        last = undefined;
      });
    }
    return last;
  };

  /** One call of the adapter, with its errors as the port's. */
  const call = async <T>(address: string, signal: AbortSignal, work: (adapter: Adapter) => Promise<T>): Promise<T> => {
    const where = `${name} send to ${address}`;
    if (signal.aborted) throw new TransientError("CHANNEL_UNAVAILABLE", `${where}: aborted before it began; try again`);
    const adapter = await adapterForCalls();
    try {
      const unknown = (): Error => new AmbiguousError("SEND_UNKNOWN", `${where}: aborted under way; it may have arrived`);
      // The call itself cannot be ended.
      return await unless(listenTo(signal), unknown, work(adapter));
    } catch (error) {
      if (error instanceof AmbiguousError) throw error;
      const failure = failureOf(error, mask);
      if (failure.kind === "unauthorized") session?.refuse(failure);
      throw deliveryError(failure, where);
    }
  };
  const postable = (address: string, content: Content): NonNullable<ReturnType<typeof postableOf>> => {
    const found = postableOf(content);
    if (found) return found;
    throw new TerminalError("CHANNEL_REFUSED", `${name} send to ${address}: there is no text to send; add some`);
  };

  const deliver = async ({ address, content, signal }: DeliverRequest): Promise<{ readonly platformId: string }> => {
    const message = postable(address, content);
    const sent = await call(address, signal, (adapter) => adapter.postMessage(address, message));
    await latest?.session.follow(address);
    const platformId = platformIdOf(address, sent);
    if (platformId !== undefined) return { platformId };
    throw new AmbiguousError("SEND_UNKNOWN", `${name} send to ${address}: answered without a message id; it may have arrived`);
  };

  return {
    name,
    kind: "chat-sdk",
    access: { allow },
    limits: profile.limits,
    counters: () => ({ ...counters }),
    start: async (host) => {
      invariant(!session && !starting, `channel ${name} was started twice; stop it first`);
      starting = load().then((adapter) => {
        last = Promise.resolve(adapter);
        values.forget();
        threads.forget();
        const opened = openSession({ adapter, profile, host, groups, clock, log, logger, mask, files, counters, nextId, values, threads });
        latest = { host, session: opened };
        return opened;
      });
      try {
        session = await starting;
      } finally {
        starting = undefined;
      }
    },
    stop: () => {
      stopping ??= (async () => {
        const open = session ?? (await starting?.catch(() => undefined));
        await open?.stop();
        session = undefined;
        stopping = undefined;
      })();
      return stopping;
    },
    deliver,
    edit: async ({ address, content, platformId, signal }) => {
      const { threadId, messageId } = messageAt(address, platformId);
      const message = postable(address, content);
      await call(address, signal, async (adapter) => {
        try {
          await adapter.editMessage(threadId, messageId, message);
        } catch (error) {
          if (!/not modified/i.test(error instanceof Error ? error.message : "")) throw error;
        }
      });
    },
    open: async (ref, limits) => files.open(await adapterForCalls(), ref, limits),
    webhook: async (request) =>
      session?.webhook(request) ??
      new Response(`${name} is not connected; send it again\n`, {
        status: 503,
        headers: { "retry-after": "5", "content-type": "text/plain" },
      }),
    addressOf: (chat) => (session ? threadIdOf(chat, session.adapter.name) : undefined),
    typing: async (address, signal) => {
      try {
        await call(address, signal, (adapter) => adapter.startTyping(address));
      } catch (error) {
        // A missing "typing…" harms nobody; a send to the same chat will say what is wrong.
        log?.debug({ channel: name, reason: reasonOf(error, mask) }, "typing was not shown");
      }
    },
  };
}
