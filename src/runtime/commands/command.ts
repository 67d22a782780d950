/** What a slash command is: a row of the table, what it is given, and what it answers. */
import type { ChatKey } from "../../core/chat-key.ts";
import { textContent, type Content } from "../../core/content.ts";
import type { CommandInfo } from "../../ports/channel.ts";
import type { InboxRow, Sender } from "../../ports/store/records.ts";
import type { Decisions } from "../access/decisions.ts";
import type { EventLoop, Role, SystemStatus, Why } from "../api.ts";

/** What commands may ask of the runtime. Every call may throw TransientError STORE_UNAVAILABLE; the command is then carried out later. */
export interface CommandServices {
  readonly roleOf: (chat: ChatKey, sender: Sender | undefined) => Promise<Role>;
  readonly why: (key: ChatKey) => Promise<Why>;
  /** The oldest rows that wait in a chat, at most `limit`, and how many wait in all. */
  readonly waiting: (
    key: ChatKey,
    limit: number,
  ) => Promise<{ readonly rows: readonly InboxRow[]; readonly count: number; readonly overlap: string }>;
  readonly status: () => Promise<SystemStatus>;
  readonly decisions: Decisions;
  readonly jobs: Pick<EventLoop, "addCronJob" | "removeCronJob" | "job" | "pauseJob" | "resumeJob" | "nextInstants">;
  /** Ids of the jobs that a chat owns or is delivered, at most `limit`. */
  readonly jobsOf: (chat: ChatKey, limit: number) => Promise<{ readonly ids: readonly string[]; readonly isAll: boolean }>;
}

export interface CommandContext {
  readonly chat: ChatKey;
  readonly channel: string;
  /** Of the command's row: the same when it is carried out again after a crash. */
  readonly seq: number;
  /** Undefined for what came over HTTP without a name. */
  readonly sender: Sender | undefined;
  readonly role: Role;
  /** What stands behind the name, without the spaces around it. */
  readonly argument: string;
  readonly nowMs: number;
  readonly services: CommandServices;
  readonly commands: readonly Command[];
}

/** Reply and effects: one commit, which ends the command. */
export interface CommandAnswer {
  /** With `stop`, `{dropped}` is the number of messages dropped. */
  readonly reply: Content;
  /** Abort the running turn and drop the messages older than the command. */
  readonly stop?: true;
  readonly archive?: true;
  readonly settings?: Readonly<Record<string, string>>;
}

/** A row of the table. */
export interface Command extends CommandInfo {
  /** As it is written, such as `/queue [policy]`. */
  readonly usage: string;
  readonly who: "everybody" | "admins";
  /**
   * Answers the command. What it changes beyond its answer is stored when it resolves, and changes nothing more when it runs again under
   * the same `seq`: it does after a crash.
   * @throws RequestError whose message is the reply
   */
  readonly run: (context: CommandContext) => CommandAnswer | Promise<CommandAnswer>;
}

export function saying(...lines: readonly string[]): CommandAnswer {
  return { reply: textContent(lines.join("\n")) };
}

export function isAdmin({ role }: Pick<CommandContext, "role">): boolean {
  return role !== "guest";
}

/** As code in a reply: nothing in it is markup, and it ends where it should. At most `max` characters, on one line. */
export function code(text: string, max = 200): string {
  const line = text
    .replace(/[\p{C}\p{Z}]+/gu, " ")
    .replaceAll("`", "'")
    .trim();
  const kept = [...line];
  return `\`${kept.length > max ? `${kept.slice(0, max - 1).join("")}…` : line}\``;
}
