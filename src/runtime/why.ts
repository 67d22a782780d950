/** For every state of every machine: what it waits for, since when, and what ends it, in one sentence. */
import { formatDuration } from "../core/duration.ts";
import type { ErrorNote } from "../core/errors.ts";
import type { StoredTimer } from "../ports/store/records.ts";

/** Facts beside the state; a sentence leaves out what is not known. */
export interface WhyFacts {
  readonly nowMs: number;
  readonly sinceMs: number;
  readonly waiting?: number;
  readonly failures?: number;
  readonly maxAttempts?: number;
  readonly error?: ErrorNote;
  readonly timers?: readonly StoredTimer[];
  readonly slots?: { readonly running: number; readonly slots: number; readonly ahead: number | undefined };
  readonly suspect?: boolean;
  readonly attempt?: number;
  /** When what it waits for comes, where that is known. */
  readonly dueAtMs?: number | undefined;
  /** What the sentence calls the thing, such as a chat key. */
  readonly subject: string;
}

export interface WhyAnswer {
  readonly sentence: string;
  readonly waitsFor: string | undefined;
  readonly endsBy: readonly { readonly event: string; readonly atMs?: number }[];
}

type Explain = (facts: WhyFacts) => { readonly sentence: string; readonly waitsFor?: string; readonly endsBy?: readonly string[] };

const messages = (count: number | undefined): string => (count === 1 ? "1 message" : `${count ?? 0} messages`);
const because = ({ error }: WhyFacts): string => (error ? ` after ${error.code}: ${error.message}` : "");
const nextTry = ({ timers, nowMs }: WhyFacts): string =>
  timers?.[0] ? `, next try in ${formatDuration(Math.max(0, timers[0].dueAtMs - nowMs))}` : "";

const startIn = ({ dueAtMs, nowMs }: WhyFacts): string =>
  dueAtMs === undefined ? "" : `, which starts in ${formatDuration(Math.max(0, dueAtMs - nowMs))}`;

/** By machine id and state. A test walks all machines and fails on a state without an entry. */
export const WHY: Readonly<Record<string, Readonly<Record<string, Explain>>>> = {
  chat: {
    idle: () => ({ sentence: "Idle: everything is answered.", waitsFor: "a message", endsBy: ["message.received"] }),
    passivated: () => ({ sentence: "At rest in the store: everything is answered.", waitsFor: "a message", endsBy: ["message.received"] }),
    collecting: (facts) => ({
      sentence: `Collecting ${messages(facts.waiting)}: waits until the person stops writing.`,
      waitsFor: "a pause in writing",
      endsBy: [],
    }),
    queued: (facts) => {
      const { slots } = facts;
      const place = slots ? `: ${slots.running} of ${slots.slots} busy, ${slots.ahead ?? 0} chats ahead` : "";
      const kind = facts.suspect ? "the suspect slot (its turn was running when the process died)" : "a turn slot";
      return {
        sentence: `${messages(facts.waiting)} waiting for ${kind} for ${formatDuration(facts.nowMs - facts.sinceMs)}${place}.`,
        waitsFor: kind,
        endsBy: ["slot.granted", "chat.stopped"],
      };
    },
    responding: (facts) => ({
      sentence: `The agent has been answering for ${formatDuration(facts.nowMs - facts.sinceMs)}${facts.attempt && facts.attempt > 1 ? ` (attempt ${facts.attempt})` : ""}.`,
      waitsFor: "the agent",
      endsBy: ["turn.done", "turn.failed", "chat.stopped"],
    }),
    committing: () => ({
      sentence: "The result of the turn is being stored.",
      waitsFor: "the store",
      endsBy: ["turn.committed", "turn.deferred", "turn.givenUp", "turn.released"],
    }),
    backingOff: (facts) => ({
      sentence: `Backing off${because(facts)}; attempt ${facts.failures ?? 1} of ${facts.maxAttempts ?? "?"} failed${nextTry(facts)}.`,
      waitsFor: "its next try",
      endsBy: ["chat.retried", "chat.stopped"],
    }),
    asking: () => ({
      sentence: "The agent asked something and waits for the answer.",
      waitsFor: "the person's answer",
      endsBy: ["question.answered", "chat.stopped"],
    }),
    quarantined: (facts) => ({
      sentence: `Quarantined${because(facts)}. \`satibot chats retry ${facts.subject}\` tries again, \`--skip\` drops the message that caused it.`,
      waitsFor: "a person",
      endsBy: ["chat.retried", "chat.stopped"],
    }),
  },
  delivery: {
    idle: () => ({ sentence: "Everything said is settled.", waitsFor: "a reply", endsBy: ["parts.stored", "part.taken"] }),
    deciding: () => ({ sentence: "Looks whether its channel is connected.", endsBy: [] }),
    taking: () => ({
      sentence: "The next part is being marked as sending.",
      waitsFor: "the store",
      endsBy: ["part.taken", "part.later", "parts.none"],
    }),
    offline: (facts) => ({
      sentence: `Parts wait for the channel of ${facts.subject} to connect.`,
      waitsFor: "the channel",
      endsBy: ["channel.online"],
    }),
    sending: () => ({ sentence: "A part is with the platform.", waitsFor: "the platform's answer", endsBy: ["send.ended"] }),
    settling: () => ({
      sentence: "What the send came to is being stored.",
      waitsFor: "the store",
      endsBy: ["part.taken", "part.later", "parts.none"],
    }),
    backingOff: (facts) => ({
      sentence: `The next send waits for its time${nextTry(facts)}.`,
      waitsFor: "its next try",
      endsBy: ["channel.online"],
    }),
  },
  channel: {
    offline: () => ({ sentence: "Not started.", waitsFor: "a start", endsBy: ["channel.start"] }),
    connecting: () => ({
      sentence: "Connecting.",
      waitsFor: "the platform",
      endsBy: ["connection.opened", "connection.lost", "connection.refused"],
    }),
    online: () => ({
      sentence: "Connected.",
      endsBy: ["traffic.ceased", "connection.lost", "connection.conflicted", "connection.refused", "channel.drain"],
    }),
    stalled: () => ({
      sentence: "Connected, but nothing has come for too long; it is connected anew when that goes on.",
      waitsFor: "a sign of life from the platform",
      endsBy: ["traffic.seen", "connection.lost", "channel.drain"],
    }),
    conflict: (facts) => ({
      sentence: `Another program uses the same token${because(facts)}; stop it, or give this bot a token of its own.`,
      waitsFor: "the other program to stop",
      endsBy: ["traffic.seen"],
    }),
    closing: () => ({
      sentence: "The lost connection is being closed before another is opened.",
      waitsFor: "the old connection",
      endsBy: ["connection.closed"],
    }),
    backingOff: (facts) => ({
      sentence: `Waits before it connects again${because(facts)}${nextTry(facts)}.`,
      waitsFor: "its next try",
      endsBy: ["channel.start"],
    }),
    refusing: () => ({
      sentence: "The platform refused the token; the connection is being closed.",
      waitsFor: "the old connection",
      endsBy: ["connection.closed"],
    }),
    loggedOut: (facts) => ({
      sentence: `The platform refuses the token${because(facts)}; mend the configuration and start again.`,
      waitsFor: "a person",
      endsBy: ["channel.start"],
    }),
    draining: () => ({
      sentence: "Being closed for the end of the process.",
      waitsFor: "the old connection",
      endsBy: ["connection.closed"],
    }),
  },
  "cron-job": {
    resting: () => ({ sentence: "Goes to rest.", endsBy: [] }),
    scheduled: (facts) => ({ sentence: `Waits for its next instant${startIn(facts)}.`, waitsFor: "its time", endsBy: ["cron.due"] }),
    due: () => ({
      sentence: "Its time has come, and its row is being read.",
      waitsFor: "the store",
      endsBy: ["instant.ready", "instant.gone"],
    }),
    waitingForSlot: (facts) => ({
      sentence: `Has been due for ${formatDuration(facts.nowMs - facts.sinceMs)} and waits until fewer jobs run.`,
      waitsFor: "a slot for jobs",
      endsBy: ["slot.granted"],
    }),
    claiming: () => ({
      sentence: "Its instant is being claimed in the store.",
      waitsFor: "the store",
      endsBy: ["instant.claimed", "instant.gone"],
    }),
    backingOff: (facts) => ({
      sentence: `The store could not be reached; its instant is looked at again${nextTry(facts)}.`,
      waitsFor: "its next try",
      endsBy: ["instant.claimed"],
    }),
    running: () => ({ sentence: "Its turn waits or runs.", waitsFor: "the agent", endsBy: ["run.ended", "run.deferred"] }),
    retrying: (facts) => ({
      sentence: `An attempt of its run failed and is made again${nextTry(facts)}.`,
      waitsFor: "its next try",
      endsBy: ["run.ended"],
    }),
    delivering: () => ({ sentence: "Its result is on the way.", waitsFor: "the delivery", endsBy: ["run.delivered"] }),
    paused: () => ({ sentence: "Paused.", waitsFor: "a person", endsBy: ["job.changed"] }),
    disabled: (facts) => ({
      sentence: `Switched off after ${facts.failures ?? "too many"} failed runs in a row; \`satibot cron resume ${facts.subject}\` switches it on again.`,
      waitsFor: "a person",
      endsBy: ["job.changed"],
    }),
    completed: () => ({ sentence: "Done: no instant is left.", endsBy: ["job.changed"] }),
  },
  system: {
    booting: () => ({
      sentence: "Opens the store and recovers what an earlier process left.",
      waitsFor: "the store",
      endsBy: ["shutdown.requested"],
    }),
    running: () => ({ sentence: "Running.", endsBy: ["shutdown.requested"] }),
    draining: () => ({ sentence: "Finishes what runs and stores the rest.", waitsFor: "running turns and sends", endsBy: [] }),
    stopped: () => ({ sentence: "Stopped; everything is stored.", endsBy: [] }),
    failed: () => ({ sentence: "Could not start; the log says what to do.", waitsFor: "a person", endsBy: [] }),
  },
};

export function explain(machine: string, state: string, facts: WhyFacts): WhyAnswer {
  const found = WHY[machine]?.[state]?.(facts) ?? { sentence: `In the state ${state}.` };
  const timers = (facts.timers ?? []).map((timer) => ({ event: timer.event.type, atMs: timer.dueAtMs }));
  return { sentence: found.sentence, waitsFor: found.waitsFor, endsBy: [...(found.endsBy ?? []).map((event) => ({ event })), ...timers] };
}
