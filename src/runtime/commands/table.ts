/** All commands of the runtime, in the order in which people see them. */
import { textOf, type Content } from "../../core/content.ts";
import type { CommandInfo } from "../../ports/channel.ts";
import type { Command } from "./command.ts";
import { HELP, NEW, START, STOP, WHOAMI } from "./conversation.ts";
import { CRON } from "./cron.ts";
import { APPROVE, DENY } from "./people.ts";
import { QUEUE, STATUS } from "./status.ts";

export const COMMANDS: readonly Command[] = [START, HELP, NEW, STATUS, STOP, QUEUE, CRON, WHOAMI, APPROVE, DENY];

const BY_NAME: ReadonlyMap<string, Command> = new Map(COMMANDS.map((command) => [command.name, command]));

/** What everybody may use, for the menus of platforms. */
export const MENU: readonly CommandInfo[] = COMMANDS.filter(({ who }) => who === "everybody").map(({ name, description }) => ({
  name,
  description,
}));

/**
 * The command that a content is, by syntax alone, and what stands behind its name: `/stop`, `/stop@botname`, `/cron add …`, in any case.
 * Undefined for all else: other slashes go to the agent.
 */
export function commandOf(content: Content): { readonly command: Command; readonly argument: string } | undefined {
  const [, name = "", argument = ""] = /^\/([a-z]{1,32})(?:@\w+)?(?:\s+([\s\S]*))?$/i.exec(textOf(content)) ?? [];
  const command = BY_NAME.get(name.toLowerCase());
  return command && { command, argument: argument.trim() };
}
