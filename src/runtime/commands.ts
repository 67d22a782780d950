/**
 * Slash commands that the runtime answers itself, also while a turn runs. A command's commit ends its row, changes columns and replies;
 * it never writes a snapshot.
 */
import type { ChatKey } from "../core/chat-key.ts";
import { textContent, textOf, type Content } from "../core/content.ts";
import type { CommandCommit } from "../ports/store/store.ts";
import type { Chats } from "./chats.ts";
import { untilStored, type Kernel } from "./kernel.ts";
import { publishPart, type Outgoing } from "./turn-commit.ts";
import type { TurnRunner } from "./turn-runner.ts";

interface CommandSpec {
  /** Abort the running turn and drop the messages older than the command. */
  readonly stop: boolean;
  readonly archive: boolean;
  /** `{dropped}` is the number of messages dropped. */
  readonly reply: string;
}

const COMMANDS: Readonly<Record<string, CommandSpec>> = {
  /** What a platform sends for its "Start" button; also the message that paired its sender. */
  start: {
    stop: false,
    archive: false,
    reply: "Hello! Write me a message. /stop aborts what I am doing, /new begins a new conversation.",
  },
  stop: { stop: true, archive: false, reply: "Stopped; messages dropped: {dropped}." },
  new: { stop: true, archive: true, reply: "A new conversation begins; messages dropped: {dropped}." },
};

/** The name of the command that a content is, by syntax alone: `/stop`, `/stop@botname`, `/stop now`. Other slashes go to the agent. */
export function commandName(content: Content): string | undefined {
  const name = /^\/([a-z]+)(?:@\w+)?(?:\s|$)/i.exec(textOf(content))?.[1]?.toLowerCase();
  return name !== undefined && Object.hasOwn(COMMANDS, name) ? name : undefined;
}

/** Readings of the commands that wait, a hundred each. */
const CATCH_UP_ROUNDS = 100;

export interface Commands {
  /** Carries out a stored command; resolves once it is committed. A command that has ended already does nothing. */
  readonly run: (key: ChatKey, row: { readonly seq: number; readonly content: Content }) => Promise<void>;
  /** Resolves once no command of the chat is under way. */
  readonly idle: (key: ChatKey) => Promise<void>;
  /** Carries out the commands that an earlier process stored but did not reach. */
  readonly catchUp: (key: ChatKey) => Promise<void>;
}

export function createCommands(kernel: Kernel, chats: Chats, runner: TurnRunner, outgoing: Outgoing): Commands {
  const { store, clock, hub } = kernel;

  /** The last command of a chat: one follows the other. */
  const underWay = new Map<ChatKey, Promise<void>>();

  const run: Commands["run"] = (key, row) => {
    const done = (underWay.get(key) ?? Promise.resolve()).then(() => carryOut(key, row));
    const settled = done
      .catch(() => undefined)
      .then(() => {
        if (underWay.get(key) === settled) underWay.delete(key);
      });
    underWay.set(key, settled);
    return done;
  };

  const carryOut: Commands["run"] = async (key, row) => {
    const spec = COMMANDS[commandName(row.content) ?? ""];
    const { isDelivered } = outgoing.wayOf(key);
    const request: CommandCommit = {
      chat: key,
      seq: row.seq,
      stop: spec?.stop ?? false,
      archive: spec?.archive ?? false,
      settings: {},
      reply: textContent(spec?.reply ?? "I do not know that command."),
      delivered: isDelivered,
      atMs: clock.now(),
    };
    let isRepeated = false;
    const result = await untilStored(
      kernel,
      { chat: key, seq: row.seq },
      () => store.chats.command(request),
      async () => {
        isRepeated = true;
        return undefined;
      },
    );
    const entry = chats.get(key);
    if (result === undefined || result === "ended") {
      // Carried out by the call whose answer was lost: the chat begins again from its row, which knows.
      if (isRepeated && entry) chats.discard(entry);
      return;
    }
    if (entry) entry.fence = Math.max(entry.fence, result.fence);
    const running = runner.runOf(key);
    chats.send(key, { type: "chat.stopped", dropped: result.dropped });
    if (running?.claim && hub.isWatched(key)) {
      hub.publish(key, { type: "turn", turnId: running.claim.turnId, attempt: running.claim.attempt, status: "aborted" });
    }
    // A turn whose result is on its way to the store finds out by its fence.
    if (entry && !entry.mail) runner.forget(key);
    if (!result.part) return;
    publishPart(kernel, result.part);
    if (!isDelivered) outgoing.stored(key, [result.part]);
  };

  return {
    run,
    idle: (key) => underWay.get(key) ?? Promise.resolve(),
    catchUp: async (key) => {
      for (let round = 0; round < CATCH_UP_ROUNDS; round += 1) {
        const rows = (await store.inbox.commands(key)).filter((row) => row.kind === "command");
        if (rows.length === 0) return;
        for (const row of rows) await run(key, row);
      }
    },
  };
}
