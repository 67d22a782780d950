/** Commands about the conversation itself. */
import { textContent } from "../../core/content.ts";
import { harmlessName } from "../access/identity.ts";
import { code, isAdmin, saying, type Command } from "./command.ts";

/** What a platform sends for its "Start" button; also the message that paired its sender. */
export const START: Command = {
  name: "start",
  usage: "/start",
  description: "Say hello",
  who: "everybody",
  run: () => saying("Hello! Write me a message. /stop aborts what I am doing, /new begins a new conversation, /help lists the rest."),
};

export const HELP: Command = {
  name: "help",
  usage: "/help",
  description: "List what I can be told",
  who: "everybody",
  run: (context) =>
    saying(
      ...context.commands
        .filter(({ who }) => who === "everybody" || isAdmin(context))
        .map(({ usage, description }) => `${usage} - ${description}`),
    ),
};

export const NEW: Command = {
  name: "new",
  usage: "/new",
  description: "Begin a new conversation; what was said is put aside",
  who: "everybody",
  run: () => ({ reply: textContent("A new conversation begins; messages dropped: {dropped}."), stop: true, archive: true }),
};

export const STOP: Command = {
  name: "stop",
  usage: "/stop",
  description: "Abort what I am doing and drop what waits",
  who: "everybody",
  run: () => ({ reply: textContent("Stopped; messages dropped: {dropped}."), stop: true }),
};

const ROLES = { owner: "the owner", admin: "an administrator", guest: "a guest" } as const;

export const WHOAMI: Command = {
  name: "whoami",
  usage: "/whoami",
  description: "Show your id, your role and the name of this chat",
  who: "everybody",
  run: ({ sender, role, chat, channel }) =>
    saying(
      sender ? `You are ${harmlessName(sender.name)}, id ${code(sender.id)}.` : "You wrote as whoever runs this bot.",
      `Here you are ${ROLES[role]}.`,
      `This chat is ${code(chat)} of the channel ${code(channel)}.`,
    ),
};
