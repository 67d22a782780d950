/**
 * Slash commands and button presses. Each must be answered within three seconds, long before a reply exists: a command with "thinking…",
 * which the next reply to that channel replaces within 15 minutes; a button with nothing. Neither can be read back.
 * @see https://discord.com/developers/docs/interactions/receiving-and-responding
 */
import type { AcceptOutcome, InboundMessage } from "../../ports/channel.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import { TEXT_OPTION } from "./commands.ts";
import { describe } from "./failure.ts";
import { choiceOf } from "./payload.ts";
import type { Rest, RestResult } from "./rest.ts";
import { isSnowflake } from "./snowflake.ts";
import { chatOf, identitiesOf, senderOf } from "./translate.ts";
import type { Whereabouts } from "./translate.ts";
import type { WireInteraction } from "./wire.ts";

/** A command that shows "thinking…". */
export interface PendingReply {
  readonly channelId: string;
  readonly applicationId: string;
  readonly token: string;
  readonly untilMs: number;
  /** Whether Discord took the "thinking…". */
  readonly isShown: Promise<boolean>;
}

export interface ReceivedInteraction {
  readonly place: Whereabouts;
  readonly id: string;
  readonly message: InboundMessage;
  readonly onOutcome: (outcome: AcceptOutcome) => void;
}

export interface InteractionDesk {
  /** Answers Discord at once, and gives what is to be handed over; undefined for what is not the bot's. */
  readonly receive: (interaction: WireInteraction, name: string) => ReceivedInteraction | undefined;
  /** The oldest command of a channel that still waits for its reply. */
  readonly oldest: (channelId: string) => Promise<PendingReply | undefined>;
  /** Its reply was taken, or cannot be given any more. */
  readonly settle: (reply: PendingReply) => void;
}

export interface DeskOptions {
  readonly rest: Rest;
  readonly clock: Clock;
  readonly name: string;
  readonly log: Log | undefined;
}

const COMMAND = 2;
const COMPONENT = 3;
/** Types of channels that are threads. @see https://discord.com/developers/docs/resources/channel#channel-object-channel-types */
const THREADS: ReadonlySet<number | undefined> = new Set([10, 11, 12]);
const DEFERRED_REPLY = 5;
const DEFERRED_UPDATE = 6;
/** A token is good for 15 minutes; a reply that comes at the last moment goes as a message of its own. */
const TOKEN_MS = 14.5 * 60_000;
/** Most commands that wait for a reply; of more the oldest gets a message of its own. */
const PENDING_MAX = 1_000;

/** The path of what a command shows. */
export function originalPath({ applicationId, token }: Pick<PendingReply, "applicationId" | "token">): string {
  return `/webhooks/${applicationId}/${token}/messages/@original`;
}

function contentOf({ type, data }: WireInteraction): Pick<InboundMessage, "content" | "questionId"> | undefined {
  if (type === COMMAND && data?.name !== undefined) {
    const given = data.options?.find(({ name }) => name === TEXT_OPTION)?.value;
    const text = typeof given === "string" && given.trim() !== "" ? `/${data.name} ${given.toWellFormed()}` : `/${data.name}`;
    return { content: [{ type: "text", text }] };
  }
  const choice = type === COMPONENT ? choiceOf(data?.custom_id) : undefined;
  if (!choice || choice.optionId === "") return undefined;
  return { content: [{ type: "text", text: choice.optionId }], questionId: choice.questionId };
}

/** Its pending replies live as long as it does; they do not outlive the process. */
export function createInteractionDesk({ rest, clock, name, log }: DeskOptions): InteractionDesk {
  const pending: PendingReply[] = [];
  const never = new AbortController().signal;

  const settle = (reply: PendingReply): void => {
    const at = pending.indexOf(reply);
    if (at >= 0) pending.splice(at, 1);
  };
  const note = (result: RestResult, what: string): boolean => {
    if (result.kind === "ok") return true;
    log?.warn({ channel: name, reason: describe(result) }, what);
    return false;
  };
  const answer = async (id: string, token: string, type: number): Promise<boolean> => {
    const path = `/interactions/${id}/${token}/callback`;
    const result = await rest.call({ method: "POST", path, body: { type }, signal: never, isPublic: true });
    return note(result, "an interaction could not be answered in time; its reply goes as a message");
  };
  /** Nobody will reply: "thinking…" is taken away. */
  const withdraw = async (reply: PendingReply): Promise<void> => {
    settle(reply);
    if (!(await reply.isShown)) return;
    note(
      await rest.call({ method: "DELETE", path: originalPath(reply), signal: never, isPublic: true }),
      "a deferred reply was not removed",
    );
  };

  const open = (id: string, token: string, channelId: string, applicationId: string): PendingReply => {
    const reply = { channelId, applicationId, token, untilMs: clock.monotonic() + TOKEN_MS, isShown: answer(id, token, DEFERRED_REPLY) };
    pending.push(reply);
    if (pending.length > PENDING_MAX) pending.shift();
    return reply;
  };

  return {
    receive: (interaction, instance) => {
      const { id, application_id: applicationId, token, type, channel_id: channelId, guild_id: guildId, channel, member } = interaction;
      const user = member?.user ?? interaction.user;
      const said = contentOf(interaction);
      if (!said || !isSnowflake(id) || !isSnowflake(applicationId) || !isSnowflake(channelId) || !isSnowflake(user?.id)) return undefined;
      if (token === undefined || !/^[\w.~-]+$/.test(token)) return undefined;
      const place: Whereabouts = {
        channelId,
        guildId: isSnowflake(guildId) ? guildId : undefined,
        // Of other channels the parent is a category.
        parentId: THREADS.has(channel?.type) && isSnowflake(channel?.parent_id) ? channel.parent_id : undefined,
      };
      const reply = type === COMMAND ? open(id, token, channelId, applicationId) : undefined;
      if (!reply) answer(id, token, DEFERRED_UPDATE).catch(() => undefined);
      return {
        place,
        id,
        message: {
          ...chatOf(instance, place),
          externalId: id,
          ...said,
          sender: senderOf({ ...user, id: user.id }, member),
          identities: identitiesOf(user, place),
        },
        onOutcome: (outcome) => {
          if (reply && outcome !== "accepted" && outcome !== "full") withdraw(reply).catch(() => undefined);
        },
      };
    },
    oldest: async (channelId) => {
      for (;;) {
        const reply = pending.find((one) => one.channelId === channelId);
        if (!reply) return undefined;
        if (reply.untilMs > clock.monotonic() && (await reply.isShown)) return reply;
        settle(reply);
      }
    },
    settle,
  };
}
