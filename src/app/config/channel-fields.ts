/** What may stand under `channels`, by kind, and under `hooks`. */
import * as z from "zod";
import { ConfigError } from "../../core/errors.ts";
import { parseTemplate } from "../../http/hook-template.ts";
import { HOOK_NAME } from "../../http/hooks.ts";
import { RATE_ADVICE, parseRate } from "../channels/rate.ts";
import { allowList, chatKey, peopleList, secret, url, wholeNumber } from "./fields.ts";
import { mapping } from "./mapping.ts";

const rate = z
  .string({ error: RATE_ADVICE })
  .meta({ description: 'Messages in a time, such as "20/1m".' })
  .transform((text, context) => {
    const parsed = parseRate(text);
    if (parsed) return parsed;
    context.addIssue({ code: "custom", message: RATE_ADVICE });
    return z.NEVER;
  });

/** Who may write, who administers, and how much one may write: the same for every platform. */
const access = {
  allow: allowList.optional(),
  admins: peopleList.optional(),
  rate: z.strictObject({ perUser: rate.optional(), perChat: rate.optional() }, mapping).optional(),
};

const groupMode = z.enum(["mention", "all"], { error: "must be mention or all" });
const groups = z
  .union([groupMode, z.record(z.string(), groupMode)], {
    error: 'must be mention, all, or both by id such as { "*": mention, "-1001234567890": all }',
  })
  .transform((given) => (typeof given === "string" ? { "*": given } : given))
  .meta({ description: "What is answered in groups: what is said to the bot, or everything; by id, and * for the others." });

const kindIs = (kind: string) => z.literal(kind, { error: `must be ${kind}` }).optional();

/** A Telegram bot. */
export const telegram = z.strictObject(
  {
    kind: kindIs("telegram"),
    token: secret("From @BotFather. TELEGRAM_BOT_TOKEN sets that of the channel named telegram."),
    mode: z
      .enum(["polling", "webhook"], { error: "must be polling or webhook" })
      .meta({ description: "How updates come; webhook where webhookUrl or secretToken is set, else polling." })
      .optional(),
    webhookUrl: url("For webhooks: where Telegram reaches this daemon, without /webhooks.").optional(),
    secretToken: z
      .string({ error: "must be a text" })
      .regex(/^[A-Za-z0-9_-]{1,256}$/, { error: "must be 1 to 256 of A-Z a-z 0-9 _ -" })
      .meta({ description: "For webhooks: what Telegram shows with each request; made from the token by default." })
      .optional(),
    apiRoot: url("Bot API server; Telegram's own by default.").optional(),
    groups: groups.optional(),
    ...access,
  },
  mapping,
);

/** A Discord bot. */
export const discord = z.strictObject(
  {
    kind: kindIs("discord"),
    token: secret("From the developer portal. DISCORD_BOT_TOKEN sets that of the channel named discord."),
    apiRoot: url("Base of the REST API; Discord's own by default.").optional(),
    backfillMax: wholeNumber("Messages read back in one channel after a time away.", 100, 100_000).optional(),
    groups: groups.optional(),
    ...access,
  },
  mapping,
);

const idAdvice = "must be the digits of the phone number id, in quotes";

/** `+1 (650) 555-1234` as WhatsApp writes it: `16505551234`. */
const asDigits = (entries: readonly string[] | undefined): readonly string[] | undefined =>
  entries?.map((entry) => (/^\+?[\d\s().-]+$/.test(entry) ? entry.replace(/\D/g, "") : entry));

/** A number of the WhatsApp Cloud API. */
export const whatsapp = z.strictObject(
  {
    kind: kindIs("whatsapp"),
    accessToken: secret("Of a system user. WHATSAPP_ACCESS_TOKEN sets that of the channel named whatsapp."),
    phoneNumberId: z
      .union([z.string(), z.number()], { error: idAdvice })
      .refine((id) => typeof id === "string" || Number.isSafeInteger(id), { error: `${idAdvice}: as a number it has lost digits` })
      .transform((id) => String(id).trim())
      .refine((id) => /^\d{5,32}$/.test(id), { error: `${idAdvice}, as WhatsApp Manager shows it, and not the phone number` })
      .meta({ description: "Id of the phone number, not the number itself." }),
    appSecret: secret("Of the Meta app; webhooks are signed with it. WHATSAPP_APP_SECRET."),
    verifyToken: secret("A word of your own that Meta repeats when the webhook is set up. WHATSAPP_VERIFY_TOKEN."),
    apiUrl: url("Graph API with its version; Meta's own by default.").optional(),
    ...access,
    allow: allowList.optional().transform(asDigits),
    admins: peopleList.optional().transform(asDigits),
  },
  mapping,
);

/** Any adapter of the Vercel Chat SDK. */
export const chatSdk = z.strictObject(
  {
    kind: z.enum(["chat-sdk", "slack"], { error: "must be chat-sdk or slack" }).optional(),
    adapter: z
      .string({ error: "must be the name of a package such as @chat-adapter/slack" })
      .min(1, { error: "must not be empty" })
      .meta({ description: "Package of the adapter; for a channel named slack that of Slack by default." }),
    options: z
      .record(z.string(), z.unknown(), { error: "must be a section with the options of the adapter" })
      .meta({ description: "Given to the adapter as they are; without them it reads its own environment variables." })
      .optional(),
    groups: groupMode.optional(),
    textUnits: wholeNumber("Longest text of one message, where it is not that of a known adapter.", 100, 100_000).optional(),
    canEdit: z
      .boolean({ error: "must be true or false" })
      .meta({ description: "Whether the platform lets a bot edit its messages, as streamed replies need; known of Slack." })
      .optional(),
    ...access,
  },
  mapping,
);

/** A channel that is either on or off. */
export const onOff = z.boolean({ error: "must be true or false" });

/** `channels` as `config schema` prints it. */
export const channelsShape = z
  .object({ terminal: onOff.optional(), web: onOff.optional() })
  .catchall(z.union([z.boolean(), telegram, discord, whatsapp, chatSdk]));

const template = z
  .string({ error: "must be a text" })
  .meta({ description: "{{field.of.the.body}} and {{body}} are filled in; {{body}} by default." })
  .refine((text) => wrongTemplate(text) === undefined, { error: (issue) => wrongTemplate(String(issue.input)) ?? "" });

function wrongTemplate(text: string): string | undefined {
  try {
    parseTemplate(text);
    return undefined;
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

/** Triggers of programs, by name. */
export const hooks = z.record(
  z.string().regex(HOOK_NAME, { error: "is no name for a hook; write a-z, 0-9, - and _, at most 64" }),
  z.strictObject(
    {
      token: secret("Asked of every caller, as Authorization: Bearer or X-Hook-Token."),
      chat: chatKey,
      template: template.optional(),
    },
    mapping,
  ),
  { error: "must be a section with a key for each hook, such as deploy" },
);
