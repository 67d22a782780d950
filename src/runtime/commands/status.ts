/** Commands that say how things are. */
import { textOf } from "../../core/content.ts";
import { formatDuration } from "../../core/duration.ts";
import type { ChannelStatus, SystemStatus } from "../api.ts";
import { code, isAdmin, saying, type Command, type CommandContext } from "./command.ts";

const MEGABYTE = 1_048_576;
/** Waiting messages that are shown, and characters of each. */
const SHOWN_MAX = 5;
const EXCERPT_MAX = 60;

/** All that there will be, and those of this version. */
const POLICIES = ["queue", "collect", "latest", "interrupt", "steer", "reject"] as const;
const SUPPORTED: readonly string[] = ["queue"];

export const STATUS: Command = {
  name: "status",
  usage: "/status",
  description: "Show what this chat waits for and how I am",
  who: "everybody",
  run: async (context) => {
    const { chat, channel, nowMs, services } = context;
    const [why, status] = await Promise.all([services.why(chat), services.status()]);
    const own = status.channels.filter(({ name }) => name === channel);
    return saying(why.sentence, ...(isAdmin(context) ? system(status, nowMs) : own.map(({ name, state }) => `${name}: ${state}`)));
  },
};

function system(
  { version, state, startedAt, queue, timers, chats, loopDelayMs, memoryBytes, channels }: SystemStatus,
  nowMs: number,
): readonly string[] {
  return [
    `satibot ${version}, ${state} for ${formatDuration(Math.max(0, nowMs - startedAt))}`,
    `turns: ${queue.running} of ${queue.slots} running, ${queue.waiting} waiting; timers: ${timers}`,
    `chats: ${chats.known} known, ${chats.live} live, ${chats.quarantined} put aside`,
    `loop delay: p99 ${formatDuration(loopDelayMs.p99)}; memory: ${Math.round(memoryBytes / MEGABYTE)} MB`,
    ...channels.map((channel) => channelLine(channel, nowMs)),
  ];
}

function channelLine({ name, state, since, reason, counters }: ChannelStatus, nowMs: number): string {
  const why = reason === undefined ? "" : ` (${reason})`;
  const failed = counters.failed > 0 ? `, ${counters.failed} not sent` : "";
  return `${name}: ${state} for ${formatDuration(Math.max(0, nowMs - since))}${why}; ${counters.received} received, ${counters.sent} sent${failed}`;
}

export const QUEUE: Command = {
  name: "queue",
  usage: "/queue [POLICY]",
  description: "Show what waits here, or say what becomes of messages that overlap",
  who: "everybody",
  run: async (context) => {
    const policy = context.argument.toLowerCase();
    if (policy === "") return shown(context);
    if (SUPPORTED.includes(policy))
      return { ...saying(`Messages here are now answered by the policy ${policy}: ${POLICY_WORDS}.`), settings: { overlap: policy } };
    const isPlanned = POLICIES.some((one) => one === policy);
    const known = `${SUPPORTED.length === 1 ? "The only policy" : "The policies"} of this version: ${SUPPORTED.join(", ")} (${POLICY_WORDS}).`;
    return saying(`${code(policy, EXCERPT_MAX)} ${isPlanned ? "does not exist in this version" : "is no policy"}. ${known}`);
  },
};

const POLICY_WORDS = "each message gets an answer of its own, in order";

async function shown({ chat, nowMs, services }: CommandContext) {
  const { rows, count, overlap } = await services.waiting(chat, SHOWN_MAX);
  const lines = rows.map(({ content, receivedAtMs, turnId }, place) => {
    const excerpt = textOf(content) === "" ? code(content[0]?.type ?? "nothing") : code(textOf(content), EXCERPT_MAX);
    return `${place + 1}. ${excerpt}, ${formatDuration(Math.max(0, nowMs - receivedAtMs))} ago${turnId === undefined ? "" : ", being answered"}`;
  });
  const head = count === 0 ? "Nothing waits here." : `${count} ${count === 1 ? "message waits" : "messages wait"} here:`;
  const more = count > rows.length ? [`… and ${count - rows.length} more`] : [];
  return saying(head, ...lines, ...more, `Policy: ${overlap}.`);
}
