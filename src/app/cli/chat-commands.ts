import { type Command, InvalidArgumentError } from "commander";
import { viewChat, viewChats, viewEvents, viewWhy } from "./chat-views.ts";
import { type ConnectionOptions, withDaemon, withReader } from "./connection.ts";
import { CommandError, EXIT } from "./io.ts";
import { oneLine } from "./text.ts";
import { type Tools, withConnection, withJson } from "./tools.ts";
import type { ChatQuery } from "../../http/client.ts";
import type { WireChatDetail } from "../../http/wire.ts";
import type { ChatReader, DaemonApi } from "./chat-reader.ts";

interface Shown extends ConnectionOptions {
  readonly json?: boolean;
}

/** `satibot chats …`: list, show, why and events read; stop, reset and retry act. */
export function addChatCommands(program: Command, tools: Tools): void {
  const chats = program.command("chats").description("look at chats, and free those that are stuck");
  addReaders(chats, tools);
  addActions(chats, tools);
  addDelete(chats, tools);
}

function addReaders(chats: Command, { io, access, print }: Tools): void {
  const view = () => ({ columns: io.columns, nowMs: io.now() });
  const read = <T>(options: Shown, ask: (reader: ChatReader) => Promise<T>): Promise<T> =>
    withReader(io, access, options, { daemon: ask, store: ask });

  withJson(withConnection(chats.command("list").description("list chats by key")))
    .option("--state <state>", "only chats in this state, such as quarantined or passivated")
    .option("--channel <name>", "only chats of this channel")
    .option("--query <text>", "only chats with this in their key")
    .option("--limit <count>", "chats on one page, 1 to 1000", wholeNumber(1, 1_000), 100)
    .option("--cursor <cursor>", "go on after this key")
    .action(async (options: Shown & { state?: string; channel?: string; query?: string; limit: number; cursor?: string }) => {
      const query: ChatQuery = {
        state: options.state,
        channel: options.channel,
        q: options.query,
        limit: options.limit,
        cursor: options.cursor,
      };
      const page = await read(options, (reader) => reader.chats(query));
      const isFiltered = [options.state, options.channel, options.query, options.cursor].some((filter) => filter !== undefined);
      const empty = isFiltered
        ? "No chat fits; leave out a filter to see more."
        : 'No chats yet. Write to the bot, or try: satibot send api:me "hello"';
      print(options, page, () => (page.items.length === 0 ? empty : viewChats(page, view())));
      if (page.next !== null && options.json !== true) io.err(`More: add --cursor ${JSON.stringify(page.next)}`);
    });

  withJson(
    withConnection(
      chats.command("show").description("show one chat: state, what waits, the last of the conversation").argument("<chat>", CHAT),
    ),
  ).action(async (key: string, options: Shown) => {
    const chat = await read(options, (reader) => reader.chat(key));
    print(options, chat, () => viewChat(chat, view()));
  });

  withJson(
    withConnection(chats.command("why").description("say what a chat waits for, since when, and what ends it").argument("<chat>", CHAT)),
  ).action(async (key: string, options: Shown) => {
    const why = await read(options, (reader) => reader.why(key));
    print(options, why, () => viewWhy(why, view()));
  });

  withConnection(chats.command("export").description("print everything known of a chat as JSON").argument("<chat>", CHAT)).action(
    async (key: string, options: Shown) => {
      io.out(JSON.stringify(await read(options, (reader) => reader.exportChat(key)), undefined, 2));
    },
  );

  withJson(withConnection(chats.command("events").description("show a chat's event log").argument("<chat>", CHAT)))
    .option("--from <revision>", "begin with this revision", wholeNumber(0, Number.MAX_SAFE_INTEGER))
    .option("--limit <count>", "entries to show, 1 to 1000", wholeNumber(1, 1_000), 100)
    .action(async (key: string, options: Shown & { from?: number; limit: number }) => {
      const page = await read(options, (reader) => reader.events(key, { from: options.from, limit: options.limit }));
      print(options, page, () => (page.items.length === 0 ? "No events are kept of this chat." : viewEvents(page, view())));
    });
}

function addActions(chats: Command, { io, access, print }: Tools): void {
  const act = async (key: string, options: Shown, done: string, ask: (api: DaemonApi) => Promise<WireChatDetail>): Promise<void> => {
    const chat = await withDaemon(io, access, options, ask);
    print(
      options,
      chat,
      () => `${key} ${done}; it is now ${chat.state}, ${chat.waiting === 0 ? "nothing waits" : `${chat.waiting} waiting`}.`,
    );
  };
  const command = (name: string, description: string): Command =>
    withJson(withConnection(chats.command(name).description(description).argument("<chat>", CHAT)));

  command("stop", "abort the running turn and drop what waits").action((key: string, options: Shown) =>
    act(key, options, "is stopped", (api) => api.stop(key)),
  );
  command("reset", "archive the conversation, empty what waits, and begin anew").action((key: string, options: Shown) =>
    act(key, options, "is reset", (api) => api.reset(key)),
  );
  command("retry", "leave quarantine, or run again what was given up")
    .option("--skip", "drop the message that caused it instead of running it again")
    .action((key: string, options: Shown & { skip?: boolean }) =>
      act(key, options, options.skip === true ? "goes on without that message" : "is tried again", (api) =>
        api.retry(key, { skip: options.skip === true }),
      ),
    );
}

function addDelete(chats: Command, { io, access, print }: Tools): void {
  withJson(withConnection(chats.command("delete").description("erase everything known of a chat").argument("<chat>", CHAT)))
    .option("--yes", "really: it cannot be undone")
    .action(async (key: string, options: Shown & { yes?: boolean }) => {
      if (options.yes !== true) {
        throw new CommandError(EXIT.usage, `this erases chat ${oneLine(key)} for good; \`chats export\` keeps a copy, --yes goes on`);
      }
      const erased = await withDaemon(io, access, options, (api) => api.erase(key));
      print(options, erased, () => `${oneLine(key)} is erased.`);
    });
}

const CHAT = 'chat key, such as telegram:123 or "api:me"';

/** Parses an option as a whole number within limits. */
function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (!/^\d+$/.test(text) || number < min || number > max) throw new InvalidArgumentError(`Write a whole number from ${min} to ${max}.`);
    return number;
  };
}
