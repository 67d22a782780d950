/** The four platforms as people use them and as they misbehave: each a fake server over real sockets, behind the real client library. */
import type { Clock } from "../../src/ports/clock.ts";
import type { NamedChannels } from "../../src/app/channels/options.ts";
import { openDiscordServer } from "../../src/testing/discord-server/server.ts";
import { openSlackServer } from "../../src/testing/slack-server.ts";
import { openTelegramServer } from "../../src/testing/telegram-server.ts";
import { openWhatsAppServer } from "../../src/testing/whatsapp-server.ts";

export interface StormPlatform {
  readonly name: string;
  readonly options: NamedChannels[string];
  /** Where webhooks go, once the gateway listens. */
  readonly attach: (root: string) => void;
  /** A person writes to the bot in private. */
  readonly say: (person: number, text: string) => void;
  /** Every text of the bot that the person sees, as it is now, in order. */
  readonly shown: (person: number) => readonly string[];
  /** Something goes wrong; `roll` gives a whole number below its argument. */
  readonly disturb: (roll: (count: number) => number) => string;
  /** Messages of the bot, drafts included. */
  readonly sent: () => number;
  /** What the platform would still deliver; 0 also where it confirms by itself. */
  readonly unconfirmed: () => number;
  readonly close: () => Promise<void>;
}

export async function openPlatforms(clock: Clock): Promise<readonly StormPlatform[]> {
  return Promise.all([openTelegram(clock), openDiscord(clock), openWhatsApp(clock), openSlack(clock)]);
}

async function openTelegram(clock: Clock): Promise<StormPlatform> {
  const server = await openTelegramServer({ clock });
  return {
    name: "telegram",
    options: { token: server.token, apiRoot: server.apiRoot, allow: ["*"], pollTimeoutS: 1 },
    attach: () => undefined,
    say: (person, text) => void server.say(text, { chatId: 1_000 + person, userId: 1_000 + person }),
    shown: (person) => server.shown(1_000 + person).map(({ text }) => text),
    disturb: (roll) => {
      const times = 1 + roll(2);
      // While a poll is held, so that what goes wrong happens now and does not wait for the polls after it.
      const what = server.heldPolls() > 0 ? roll(7) : 3 + roll(4);
      switch (what) {
        case 0:
          server.fail({ kind: "cut" }, { method: "getUpdates" });
          return "polls are cut";
        case 1:
          server.fail(
            { kind: "error", status: 409, description: "Conflict: terminated by other getUpdates request" },
            { method: "getUpdates" },
          );
          return "another poller";
        case 2:
          server.fail({ kind: "html", status: 502 }, { method: "getUpdates" });
          return "a gateway's page";
        case 3:
          server.fail({ kind: "error", status: 429, retryAfterS: 1 }, { times });
          return "too many sends";
        case 4:
          server.fail({ kind: "takenThenCut" });
          return "a send is taken and not answered";
        case 5:
          server.fail({ kind: "error", status: 500 }, { method: "editMessageText", times });
          return "edits fail";
        default:
          server.fail({ kind: "cut" }, { times });
          return "sends are cut";
      }
    },
    sent: () => server.sends().length,
    unconfirmed: () => server.unconfirmed().length,
    close: server.close,
  };
}

async function openDiscord(clock: Clock): Promise<StormPlatform> {
  const server = await openDiscordServer({ clock, heartbeatMs: 2_000 });
  const direct = (person: number): string => server.directId(String(2_000 + person));
  return {
    name: "discord",
    options: { token: server.token, apiRoot: server.apiRoot, allow: ["*"] },
    attach: () => undefined,
    say: (person, text) => void server.say(text, { userId: String(2_000 + person) }),
    shown: (person) =>
      server
        .messages(direct(person))
        .filter((message) => message.authorId === server.bot.id)
        .map(({ raw }) => String(raw.content)),
    disturb: (roll) => {
      const times = 1 + roll(3);
      switch (roll(8)) {
        case 0:
          server.gateway.cut();
          return "the gateway is cut";
        case 1:
          server.gateway.askReconnect();
          return "op 7";
        case 2:
          server.gateway.invalidate(true);
          return "op 9, resumable";
        case 3:
          server.gateway.forgetSessions();
          server.gateway.cut();
          return "the session is forgotten";
        case 4:
          server.gateway.freeze();
          return "the gateway falls silent";
        case 5:
          server.fail({ kind: "throttled", retryAfterS: 0.4, isGlobal: roll(2) === 0 }, { times });
          return "too many sends";
        case 6:
          server.fail({ kind: "takenThenCut" });
          return "a send is taken and not answered";
        default:
          server.fail({ kind: "html", status: 503 }, { times });
          return "503";
      }
    },
    sent: () => server.sends().length,
    unconfirmed: () => 0,
    close: server.close,
  };
}

async function openWhatsApp(clock: Clock): Promise<StormPlatform> {
  const server = await openWhatsAppServer({ clock, retryMs: 100 });
  let url = "";
  const numberOf = (person: number): string => `4915550${1_000 + person}`;
  const { accessToken, phoneNumberId, appSecret, verifyToken, apiUrl } = server;
  return {
    name: "whatsapp",
    options: { accessToken, phoneNumberId, appSecret, verifyToken, apiUrl, allow: ["*"] },
    attach: (root) => {
      url = `${root}/webhooks/whatsapp`;
      server.sendTo(url);
    },
    say: (person, text) => void server.say(text, { from: numberOf(person) }),
    shown: (person) =>
      server
        .sends()
        .filter(({ to }) => to === numberOf(person))
        .map(({ text }) => text),
    disturb: (roll) => {
      switch (roll(5)) {
        case 0: {
          // Nothing listens there: what is said meanwhile comes later.
          server.sendTo("http://127.0.0.1:9/");
          clock.setTimer(200 + roll(1_500), () => server.sendTo(url));
          return "webhooks do not arrive";
        }
        case 1:
          server.fail({ kind: "error", status: 400, code: 131056, message: "Pair rate limit hit" });
          return "pair rate";
        case 2:
          server.fail({ kind: "takenThenCut" });
          return "a send is taken and not answered";
        case 3:
          server.fail({ kind: "html", status: 503 });
          return "503";
        default:
          server.fail({ kind: "cut" });
          return "sends are cut";
      }
    },
    sent: () => server.sends().length,
    unconfirmed: server.unconfirmed,
    close: server.close,
  };
}

async function openSlack(clock: Clock): Promise<StormPlatform> {
  const server = await openSlackServer({ clock, retryMs: 100 });
  let url = "";
  const person = (number: number) => ({ user: `U${3_000 + number}`, channel: `D${3_000 + number}` });
  return {
    name: "slack",
    options: { options: { botToken: server.token, signingSecret: server.signingSecret, apiUrl: server.apiUrl }, allow: ["*"] },
    attach: (root) => {
      url = `${root}/webhooks/slack`;
      server.events.connect(url);
    },
    say: (number, text) => void server.say(text, person(number)),
    shown: (number) =>
      server
        .messages()
        .filter(({ channel }) => channel === person(number).channel)
        .map(({ text }) => text),
    disturb: (roll) => {
      switch (roll(5)) {
        case 0: {
          server.events.connect("http://127.0.0.1:9/");
          clock.setTimer(200 + roll(1_500), () => server.events.connect(url));
          return "events do not arrive";
        }
        case 1:
          server.fail({ kind: "throttled", retryAfterS: 1 });
          return "too many sends";
        case 2:
          server.fail({ kind: "takenThenCut" });
          return "a send is taken and not answered";
        case 3:
          server.fail({ kind: "status", status: 503 });
          return "503";
        default:
          server.fail({ kind: "cut" });
          return "sends are cut";
      }
    },
    sent: () => server.messages().length,
    unconfirmed: () => server.events.unconfirmed().length,
    close: server.close,
  };
}
