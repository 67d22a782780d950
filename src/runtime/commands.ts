/**
 * Carries out the slash commands that the runtime answers itself (commands/table.ts), also while a turn runs. A command's commit ends its
 * row, changes columns and replies; it never writes a snapshot. What a command changes elsewhere is stored before that commit, and is
 * safe to repeat: after a crash in between the command runs again.
 */
import { backoffMs } from "../core/backoff.ts";
import { channelOf, type ChatKey } from "../core/chat-key.ts";
import type { Content } from "../core/content.ts";
import { RequestError, RuntimeError, TransientError } from "../core/errors.ts";
import type { Sender } from "../ports/store/records.ts";
import type { CommandCommit } from "../ports/store/store.ts";
import type { Chats } from "./chats.ts";
import { saying, type CommandAnswer, type CommandServices } from "./commands/command.ts";
import { COMMANDS, commandOf } from "./commands/table.ts";
import { pause, untilStored, type Kernel } from "./kernel.ts";
import { piecesOf } from "./pieces.ts";
import { publishPart, type Outgoing } from "./turn-commit.ts";
import type { TurnRunner } from "./turn-runner.ts";

/** Readings of the commands that wait, a hundred each. */
const CATCH_UP_ROUNDS = 100;
/** Tries before a command says that it cannot now. */
const TRIES_MAX = 20;
const BACKOFF = { baseMs: 50, maxMs: 2_000 };

/** A stored command. */
export interface CommandRow {
  readonly seq: number;
  readonly content: Content;
  readonly sender: Sender | undefined;
}

export interface Commands {
  /** Carries out a stored command; resolves once it is committed. A command that has ended already does nothing. */
  readonly run: (key: ChatKey, row: CommandRow) => Promise<void>;
  /** Resolves once no command of the chat is under way. */
  readonly idle: (key: ChatKey) => Promise<void>;
  /** Carries out the commands that an earlier process stored but did not reach. */
  readonly catchUp: (key: ChatKey) => Promise<void>;
}

export function createCommands(
  kernel: Kernel,
  chats: Chats,
  runner: TurnRunner,
  outgoing: Outgoing,
  services: () => CommandServices,
  /** Ends the draft of the chat's turn; answers what it should show when the turn has no reply. */
  endDraft: (key: ChatKey) => Promise<Content | undefined>,
): Commands {
  const { store, clock, random, hub, log } = kernel;

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

  /** Undefined when the runtime stops first: the row waits for the next one. */
  const answerOf = async (key: ChatKey, row: CommandRow): Promise<CommandAnswer | undefined> => {
    const found = commandOf(row.content);
    if (!found) return saying("I do not know that command.");
    const { command, argument } = found;
    for (let failures = 1; !kernel.closed.aborted; failures += 1) {
      try {
        const { sender, seq } = row;
        const role = await services().roleOf(key, sender);
        if (command.who === "admins" && role === "guest") return saying(`Only administrators may use /${command.name}.`);
        const facts = { chat: key, channel: channelOf(key), seq, sender, role, argument, nowMs: clock.now() };
        return await command.run({ ...facts, services: services(), commands: COMMANDS });
      } catch (error) {
        if (error instanceof RequestError) return saying(`${error.message}.`);
        log.warn({ chat: key, seq: row.seq, command: command.name, failures, err: error }, "a command failed");
        if (!(error instanceof TransientError) || failures >= TRIES_MAX)
          return saying(`/${command.name} failed (${codeOf(error)}); please try it again later.`);
        await pause(kernel, error.retryAfterMs ?? backoffMs(BACKOFF, failures, random.next()));
      }
    }
    return undefined;
  };

  const carryOut: Commands["run"] = async (key, row) => {
    const answer = await answerOf(key, row);
    if (!answer) return;
    const { isDelivered, maxUnits } = outgoing.wayOf(key);
    const request: CommandCommit = {
      chat: key,
      seq: row.seq,
      stop: answer.stop ?? false,
      archive: answer.archive ?? false,
      settings: answer.settings ?? {},
      reply: piecesOf(answer.reply, maxUnits),
      delivered: isDelivered,
      draft: answer.stop ? await endDraft(key) : undefined,
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
    if (answer.stop) stopped(key, result.dropped);
    for (const part of result.parts) publishPart(kernel, part);
    if (!isDelivered && result.parts.length > 0) outgoing.stored(key, result.parts);
  };

  const stopped = (key: ChatKey, dropped: number): void => {
    const entry = chats.get(key);
    const running = runner.runOf(key);
    chats.send(key, { type: "chat.stopped", dropped });
    if (running?.claim && hub.isWatched(key)) {
      hub.publish(key, { type: "turn", turnId: running.claim.turnId, attempt: running.claim.attempt, status: "aborted" });
    }
    // A turn whose result is on its way to the store finds out by its fence.
    if (entry && !entry.mail) runner.forget(key);
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

function codeOf(error: unknown): string {
  return error instanceof RuntimeError ? error.code : "INTERNAL";
}
