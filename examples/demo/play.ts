/** What people write, to whom and when, and how long everything takes: one list, which its seed determines, for both gateways. */
import { createSeededRandom } from "satibot/testing";
import { personOf, READER, traitsOf, type Person } from "./cast.ts";

/** A message and all that befalls it. Its number stands at the end of text and reply, where both gateways leave it. */
export interface PlayedMessage {
  readonly number: number;
  readonly person: Person;
  /** From the beginning of the run, milliseconds. */
  readonly atMs: number;
  readonly text: string;
  readonly reply: string;
  /** Until the model has written its reply. */
  readonly thinkMs: number;
  /** Until the platform has accepted the reply. */
  readonly sendMs: number;
  /** The platform answers the first attempt with 429: try again after this time. */
  readonly retryAfterMs: number | undefined;
}

export interface Play {
  readonly people: readonly Person[];
  /** By time. */
  readonly messages: readonly PlayedMessage[];
  readonly windowMs: number;
}

const TALK: readonly (readonly [string, string])[] = [
  ["when does the bus leave?", "At 14:05, from stop B."],
  ["is the shop open on Sunday?", "From ten to four."],
  ["what is 17 % of 240?", "40.8"],
  ["remind me to call mum", "I will, at six."],
  ["translate “good morning” to Polish", "Dzień dobry."],
  ["今日の天気は?", "晴れ、22 度です。"],
  ["did my parcel arrive? 📦", "It is out for delivery 🚚"],
  ["a name for a black cat?", "Pixel, or Soot."],
  ["how long do I boil an egg?", "Seven minutes for a soft yolk."],
  ["summarise the meeting", "Ship on Friday; Emre writes the notes."],
];

const THINK_MS: readonly [number, number] = [80, 220];
/** One reply in this many is refused once with 429, and one takes a slow way. */
const HICCUP_EVERY = 25;
const RETRY_AFTER_MS = 300;
const SLOW_SEND_FACTOR = 6;
/** Bursts begin at these parts of the window; so many of the messages come in them, within this part of the window. */
const BURSTS = [0.08, 0.38, 0.68];
const IN_BURSTS = 0.8;
const BURST_LENGTH = 0.08;

/** @param seed - the same seed and sizes give the same play */
export function writePlay({ chats, messages, windowMs, seed }: { chats: number; messages: number; windowMs: number; seed: number }): Play {
  const { next } = createSeededRandom(seed);
  const between = ([min, max]: readonly [number, number]): number => Math.round(min + (max - min) * next());
  const pick = <T>(list: readonly [T, ...T[]] | readonly T[]): T => list[Math.floor(next() * list.length)] as T;
  const people = Array.from({ length: chats }, (_, place) => personOf(place));
  const instants = Array.from({ length: messages }, () => {
    const part = next() < IN_BURSTS ? pick(BURSTS) + BURST_LENGTH * next() : next();
    return Math.round(part * windowMs);
  }).sort((a, b) => a - b);
  return {
    people,
    windowMs,
    messages: instants.map((atMs, place) => {
      const number = place + 1;
      const person = pick(people);
      const [text, reply] = pick(TALK);
      const { sendMs } = traitsOf(person.platform);
      // Evenly spread by number, so that every size and seed has its share of trouble.
      const hiccup = number % HICCUP_EVERY;
      return {
        number,
        person,
        atMs,
        text: `${text} #${number}`,
        reply: `${reply} #${number}`,
        thinkMs: between(THINK_MS),
        sendMs: between(sendMs) * (hiccup === 16 ? SLOW_SEND_FACTOR : 1),
        retryAfterMs: hiccup === 7 ? RETRY_AFTER_MS : undefined,
      };
    }),
  };
}

export function personIn(play: Play, chat: string): Person | undefined {
  return chat === READER.chat ? READER : play.people.find((person) => person.chat === chat);
}

/** The message that a text or a reply belongs to; undefined for what is no part of the play, such as what cron jobs say. */
export function messageOf(play: Play, text: string): PlayedMessage | undefined {
  const number = /#(\d+)$/.exec(text)?.[1];
  return number === undefined ? undefined : play.messages[Number(number) - 1];
}
