/**
 * Triggers for programs: `POST /hooks/deploy` puts a text into a chat, which answers it like any message. The text of a stranger's system
 * is never a command, and its turn comes behind those of people.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { parseContent, TEXT_BYTES_MAX, type Content } from "../core/content.ts";
import { parseChatKey, type ChatKey } from "../core/chat-key.ts";
import { ConfigError, RequestError } from "../core/errors.ts";
import type { EventLoop } from "../runtime/api.ts";
import { readBytes } from "./body.ts";
import { createGate } from "./gate.ts";
import { parseTemplate, type FillTemplate } from "./hook-template.ts";
import type { HttpContext, Route } from "./routes.ts";

export interface HookOptions {
  /** Asked of every caller, as `Authorization: Bearer` or `X-Hook-Token`; never logged. */
  readonly token: string;
  /** The chat that is written to: one that its person has begun, or an `api:` chat. */
  readonly chat: string;
  /** `{{field.of.the.body}}` and `{{body}}` are filled in. Default `{{body}}`. */
  readonly template?: string;
}

/** By name: the last of the path. */
export type NamedHooks = Readonly<Record<string, HookOptions>>;

interface Hook {
  readonly name: string;
  readonly tokenHash: Buffer;
  readonly chat: ChatKey;
  readonly fill: FillTemplate;
}

/** Names of hooks, which stand in a path. */
export const HOOK_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;
const KEY = /^[\x20-\x7e]{1,256}$/;
/** Bodies held at once, and requests whose bodies wait unread. */
const GATE = { runningMax: 64, waitingMax: 1_024 };

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function hookOf(name: string, { token, chat, template = "{{body}}" }: HookOptions): Hook {
  const path = `hooks.${name}`;
  const refuse = (why: string, field?: string, cause?: unknown): never => {
    const at = field === undefined ? path : `${path}.${field}`;
    throw new ConfigError("CONFIG_INVALID", `${at}: ${why}`, { path: at, cause });
  };
  if (!HOOK_NAME.test(name)) refuse("is no name for a hook; write a-z, 0-9, - and _, at most 64");
  if (typeof token !== "string" || token.trim() === "") refuse("is missing; write a long random text that the caller sends", "token");
  try {
    return { name, tokenHash: sha256(token), chat: parseChatKey(chat), fill: parseTemplate(template) };
  } catch (error) {
    if (error instanceof ConfigError) return refuse(error.message, "template", error);
    if (error instanceof RequestError) return refuse(error.message, "chat", error);
    throw error;
  }
}

export interface Hooks {
  readonly routes: readonly Route[];
  /** From the next request on there are these. @throws ConfigError CONFIG_INVALID naming the bad key; then there are those of before */
  readonly configure: (named: NamedHooks) => void;
}

/** `POST /hooks/:name`. @throws ConfigError CONFIG_INVALID naming the bad key */
export function createHooks(loop: Pick<EventLoop, "addChatMessage">, named: NamedHooks): Hooks {
  const read = (all: NamedHooks): ReadonlyMap<string, Hook> =>
    new Map(Object.entries(all).map(([name, options]) => [name, hookOf(name, options)]));
  let hooks = read(named);
  const gate = createGate(GATE);
  const routes: readonly Route[] = [
    {
      method: "POST",
      path: "/hooks/:name",
      answer: async (c) => {
        const hook = hooks.get(c.req.path.split("/")[2] ?? "");
        if (!hook) throw new RequestError("NOT_FOUND", "there is no such hook; check its name against `hooks` in the configuration");
        requireToken(c, hook);
        const content = await gate.pass(async () => contentOf(hook, await readBytes(c.env.incoming)));
        return c.json(await trigger(loop, hook, content, keyOf(c)), 202);
      },
    },
  ];
  return {
    routes,
    configure: (all) => {
      hooks = read(all);
    },
  };
}

function requireToken(c: HttpContext, { tokenHash }: Hook): void {
  const bearer = /^bearer +(\S.*)$/i.exec(c.req.header("authorization")?.trim() ?? "")?.[1];
  const given = [bearer, c.req.header("x-hook-token")?.trim()].filter((text) => text !== undefined);
  const rights = given.map((text) => timingSafeEqual(sha256(text), tokenHash));
  if (rights.includes(true)) return;
  const why = given.length === 0 ? "the token of this hook is needed" : "the token is not that of this hook";
  throw new RequestError("UNAUTHORIZED", `${why}; send "Authorization: Bearer <token>" or "X-Hook-Token: <token>"`);
}

function keyOf(c: HttpContext): string | undefined {
  const key = c.req.header("idempotency-key")?.trim();
  if (key === undefined || KEY.test(key)) return key;
  throw new RequestError("BAD_REQUEST", "the Idempotency-Key must be 1 to 256 printable ASCII characters", {
    path: "header.idempotency-key",
  });
}

function contentOf({ fill }: Hook, bytes: Uint8Array): Content {
  let body: string;
  try {
    body = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new RequestError("BAD_REQUEST", "the body is not UTF-8; encode it so", { path: "body", cause });
  }
  const text = fill(body);
  if (text.trim() === "") throw new RequestError("BAD_CONTENT", "there is no text in this; send a body", { path: "body" });
  if (Buffer.byteLength(text) > TEXT_BYTES_MAX)
    throw new RequestError("TOO_LARGE", `the text is over ${TEXT_BYTES_MAX} bytes; send less, or take fewer fields in the template`, {
      path: "body",
    });
  return parseContent(text, "body");
}

/** The answer after the commit: `{ seq, duplicate }`. */
async function trigger(
  loop: Pick<EventLoop, "addChatMessage">,
  { name, chat }: Hook,
  content: Content,
  messageId: string | undefined,
): Promise<{ readonly seq: number; readonly duplicate: boolean }> {
  try {
    const { seq, duplicate } = await loop.addChatMessage(chat, content, { messageId, sender: { id: `hook:${name}`, name }, hook: name });
    return { seq, duplicate };
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    const said = (code: typeof error.code, message: string, path?: string): RequestError =>
      new RequestError(code, message, { path, cause: error });
    if (error.code === "MESSAGE_CONFLICT")
      throw said(
        "MESSAGE_CONFLICT",
        "this Idempotency-Key came with another text before; use a new one for each event",
        "header.idempotency-key",
      );
    if (error.code === "CHAT_UNKNOWN")
      throw said("CHAT_UNKNOWN", `${chat} has never been met; write to the bot there once, or let hooks.${name}.chat be an api: chat`);
    throw error;
  }
}
