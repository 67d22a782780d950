/** The menu of slash commands: the runtime's own, each with one free text, written to Discord only when they changed. */
import { createHash } from "node:crypto";
import type { ChannelHost, CommandInfo } from "../../ports/channel.ts";
import type { Log } from "../../ports/log.ts";
import { describe } from "./failure.ts";
import type { Rest } from "./rest.ts";

/** The name of the one option of every command. */
export const TEXT_OPTION = "text";
/** @see https://discord.com/developers/docs/interactions/application-commands */
const CHAT_INPUT = 1;
const STRING = 3;
const COMMANDS_MAX = 100;
/** In servers and in the direct chat with the bot. */
const CONTEXTS = [0, 1];

function menuOf(commands: readonly CommandInfo[]): readonly unknown[] {
  return commands.slice(0, COMMANDS_MAX).map(({ name, description }) => ({
    name,
    type: CHAT_INPUT,
    description: description.slice(0, 100),
    contexts: CONTEXTS,
    options: [{ name: TEXT_OPTION, type: STRING, required: false, description: "What to pass on" }],
  }));
}

/** Never throws: a missing menu is no reason to be silent, since commands work as text too. */
export async function syncCommands(
  host: Pick<ChannelHost, "load" | "save" | "commands">,
  {
    rest,
    applicationId,
    signal,
    name,
    log,
  }: { rest: Rest; applicationId: string; signal: AbortSignal; name: string; log: Log | undefined },
): Promise<void> {
  try {
    const menu = menuOf(host.commands);
    const hash = createHash("sha256").update(JSON.stringify(menu)).digest("base64url");
    const cell = `commands:${applicationId}`;
    if ((await host.load(cell)) === hash || signal.aborted) return;
    const result = await rest.call({ method: "PUT", path: `/applications/${applicationId}/commands`, body: menu, signal });
    if (signal.aborted) return;
    if (result.kind === "ok") await host.save(cell, hash);
    else log?.warn({ channel: name, reason: describe(result) }, "the slash commands could not be written; tried again at the next login");
  } catch (error) {
    log?.warn(
      { channel: name, error: String(error).slice(0, 200) },
      "the slash commands could not be looked up; tried again at the next login",
    );
  }
}
