import { type Command, InvalidArgumentError } from "commander";
import type { WirePage, WirePart } from "../../http/wire.ts";
import { type ConnectionOptions, withDaemon } from "./connection.ts";
import { CommandError, EXIT } from "./io.ts";
import { table } from "./table.ts";
import { type Tools, withConnection, withJson } from "./tools.ts";
import { when } from "./when.ts";

interface Shown extends ConnectionOptions {
  readonly json?: boolean;
}

/** `satibot outbox …`: replies on their way and dead letters. */
export function addOutboxCommands(program: Command, { io, access, print }: Tools): void {
  const outbox = program.command("outbox").description("look at replies, send dead letters again or remove them");
  const command = (name: string, description: string): Command => withJson(withConnection(outbox.command(name).description(description)));

  command("list", "list replies that are not settled, or those of one status")
    .option("--status <status>", "waiting, sending, sent, ambiguous, expired or dead")
    .option("--chat <chat>", "only replies to this chat")
    .option("--limit <count>", "replies on one page, 1 to 1000", pageSize, 100)
    .option("--cursor <cursor>", "go on after this id")
    .action(async (options: Shown & { status?: string; chat?: string; limit: number; cursor?: string }) => {
      const { status, chat, limit, cursor } = options;
      const page = await withDaemon(io, access, options, (api) => api.outbox({ status: status ?? "waiting", chat, limit, cursor }));
      print(options, page, () => viewParts(page, status ?? "waiting", io.columns, io.now()));
      if (page.next !== null && options.json !== true) io.err(`More: add --cursor ${page.next}`);
    });
  command("retry", "send a dead or expired reply again")
    .argument("<id>", "id, as `outbox list` shows it")
    .action(async (id: string, options: Shown) => {
      const part = await withDaemon(io, access, options, (api) => api.retryPart(id));
      print(options, part, () => `Reply ${part.id} to ${part.chat} is on its way again.`);
    });
  command("purge", "remove a reply for good")
    .argument("<id>", "id, as `outbox list` shows it")
    .option("--yes", "really: the person will never get it")
    .action(async (id: string, options: Shown & { yes?: boolean }) => {
      if (options.yes !== true) throw new CommandError(EXIT.usage, `this removes reply ${id} for good; --yes goes on`);
      const purged = await withDaemon(io, access, options, (api) => api.purgePart(id));
      print(options, purged, () => `Reply ${purged.id} is removed.`);
    });
}

function viewParts({ items }: WirePage<WirePart>, status: string, columns: number | undefined, nowMs: number): string {
  if (items.length === 0) return status === "waiting" ? "No reply waits. See also --status dead." : `No reply is ${status}.`;
  return table(
    items,
    [
      { title: "ID", cell: ({ id }) => id },
      { title: "CHAT", cell: ({ chat }) => chat, shrinksTo: 12 },
      { title: "PART", cell: ({ part, of }) => (of === 1 ? "" : `${part} of ${of}`) },
      { title: "STATUS", cell: (item) => (item.ambiguous && item.status !== "ambiguous" ? `${item.status} (ambiguous)` : item.status) },
      { title: "TRIES", cell: ({ attempts }) => String(attempts), right: true },
      { title: "NEXT TRY", cell: ({ nextTryAt }) => when(nextTryAt, nowMs) },
      { title: "TEXT", cell: ({ text }) => text, shrinksTo: 10 },
      { title: "ERROR", cell: ({ error }) => error?.message ?? "", shrinksTo: 10 },
    ],
    columns,
  );
}

function pageSize(text: string): number {
  const size = Number(text);
  if (/^\d+$/.test(text) && size >= 1 && size <= 1_000) return size;
  throw new InvalidArgumentError("Write a whole number from 1 to 1000.");
}
