/** Slash commands and button presses of the fake Discord: each has a token that is good for one first answer within 3 s and for 15 minutes of edits. */
import type { Clock } from "../../ports/clock.ts";
import type { DiscordCall } from "./faults.ts";
import type { Answer } from "./rest.ts";
import type { Json, Place, StoredMessage, World } from "./world.ts";

export interface Interaction {
  readonly id: string;
  readonly token: string;
  readonly channelId: string;
  readonly atMs: number;
  /** `thinking` after a deferred reply (type 5), `acknowledged` after type 6. */
  state: "new" | "thinking" | "acknowledged" | "answered" | "deleted";
  original: StoredMessage | undefined;
}

export interface InteractionBook {
  readonly open: (channelId: string) => Interaction;
  readonly find: (id: string) => Interaction | undefined;
  readonly callFor: (method: string, path: string, messages: MessageRoutes) => InteractionCall | undefined;
}

export interface InteractionCall {
  readonly name: DiscordCall;
  readonly channelId?: string;
  readonly run: (payload: Json) => Answer;
}

/** What answering shares with the routes of messages. */
export interface MessageRoutes {
  readonly checkMessage: (payload: Json) => Answer | undefined;
  readonly send: (place: Place, payload: Json) => Answer;
  readonly edit: (place: Place, messageId: string, payload: Json) => Answer;
}

const FIRST_ANSWER_MS = 3_000;
const TOKEN_MS = 15 * 60_000;
const DEFERRED = 5;
const DEFERRED_UPDATE = 6;

const UNKNOWN_WEBHOOK: Answer = { status: 404, body: { message: "Unknown Webhook", code: 10_015 } };

export function createInteractionBook(clock: Clock, world: World): InteractionBook {
  const book = new Map<string, Interaction>();

  const callback = (id: string, token: string, payload: Json): Answer => {
    const interaction = book.get(id);
    if (!interaction || interaction.token !== token || clock.monotonic() - interaction.atMs > FIRST_ANSWER_MS)
      return { status: 404, body: { message: "Unknown interaction", code: 10_062 } };
    if (interaction.state !== "new") return { status: 400, body: { message: "Interaction has already been acknowledged.", code: 40_060 } };
    if (payload.type !== DEFERRED && payload.type !== DEFERRED_UPDATE)
      return { status: 400, body: { message: "Invalid Form Body", code: 50_035 } };
    interaction.state = payload.type === DEFERRED ? "thinking" : "acknowledged";
    return { status: 204 };
  };

  const original = (method: string, token: string, payload: Json, { checkMessage, send, edit }: MessageRoutes): Answer => {
    const interaction = [...book.values()].find((one) => one.token === token);
    const place = world.place(interaction?.channelId ?? "");
    if (!interaction || !place || clock.monotonic() - interaction.atMs > TOKEN_MS) return UNKNOWN_WEBHOOK;
    if (interaction.state === "new" || interaction.state === "deleted")
      return { status: 404, body: { message: "Unknown Message", code: 10_008 } };
    if (method === "DELETE") {
      interaction.state = "deleted";
      return { status: 204 };
    }
    const wrong = checkMessage(payload);
    if (wrong) return wrong;
    if (interaction.original) return edit(place, interaction.original.id, payload);
    const answer = send(place, payload);
    if (answer.status !== 200) return answer;
    interaction.original = place.messages.at(-1);
    interaction.state = "answered";
    return answer;
  };

  return {
    open: (channelId) => {
      const id = world.nextId();
      const interaction: Interaction = {
        id,
        token: `interaction-token-${id}`,
        channelId,
        atMs: clock.monotonic(),
        state: "new",
        original: undefined,
      };
      book.set(id, interaction);
      return interaction;
    },
    find: (id) => book.get(id),
    callFor: (method, path, messages) => {
      const [first, second, third, ...rest] = path.split("/").filter((part) => part !== "");
      if (second === undefined || third === undefined) return undefined;
      if (first === "interactions" && method === "POST" && rest[0] === "callback")
        return { name: "callback", run: (payload) => callback(second, third, payload) };
      const isOriginal = first === "webhooks" && second === world.bot.applicationId && rest.join("/") === "messages/@original";
      if (!isOriginal || (method !== "PATCH" && method !== "DELETE")) return undefined;
      return { name: "respond", run: (payload) => original(method, third, payload, messages) };
    },
  };
}
