/** What the bot says: one request for one part. A reply to a slash command takes the place of its "thinking…". */
import { AmbiguousError, TerminalError, TransientError } from "../../core/errors.ts";
import type { Channel, DeliverRequest, EditRequest } from "../../ports/channel.ts";
import type { Clock } from "../../ports/clock.ts";
import { createAllowance } from "./allowance.ts";
import { deliveryError } from "./failure.ts";
import { originalPath } from "./interactions.ts";
import type { InteractionDesk, PendingReply } from "./interactions.ts";
import { nonceOf, payloadOf } from "./payload.ts";
import type { MessagePayload } from "./payload.ts";
import type { Rest, RestCall } from "./rest.ts";
import { isSnowflake } from "./snowflake.ts";

export type Outbound = Required<Pick<Channel, "deliver" | "edit">>;

export interface OutboundOptions {
  readonly rest: Rest;
  readonly clock: Clock;
  readonly desk: InteractionDesk;
}

/** Most replies to commands that are still edited by the command's own token. */
const REPLIES_MAX = 1_000;

function messageId(body: unknown): string | undefined {
  const id = (body as { readonly id?: unknown } | null | undefined)?.id;
  return isSnowflake(id) ? id : undefined;
}

/** The payload of what is to be said there; refuses what Discord would refuse. */
function checked({ address, content, signal }: DeliverRequest, what: string): MessagePayload {
  const shown = JSON.stringify(address.slice(0, 60));
  if (!isSnowflake(address)) {
    throw new TerminalError("CHANNEL_REFUSED", `${what}: the address ${shown} is no Discord channel id; correct the chat's address`);
  }
  const payload = payloadOf(content);
  if (payload.content.trim() === "" && payload.components.length === 0)
    throw new TerminalError("CHANNEL_REFUSED", `${what}: there is no text to send; add some`);
  if (signal.aborted) throw new TransientError("CHANNEL_UNAVAILABLE", `${what}: aborted before it began; try again`);
  return payload;
}

export function createOutbound({ rest, clock, desk }: OutboundOptions): Outbound {
  const allowance = createAllowance(clock);
  /** Which of the sent messages are replies to commands, by message id. */
  const replies = new Map<string, PendingReply>();

  /** One request; what Discord has said before counts. */
  const request = async (call: RestCall, what: string): Promise<unknown> => {
    const route = `${call.method} ${call.path.split("/").slice(0, 4).join("/")}`;
    const waitMs = allowance.waitMs(route);
    if (waitMs > 0) {
      throw new TransientError("CHANNEL_UNAVAILABLE", `${what}: Discord takes nothing more there for ${waitMs} ms; it was not sent`, {
        retryAfterMs: waitMs,
        scope: "chat",
      });
    }
    const result = await rest.call(call);
    if (result.kind !== "ok") throw deliveryError(result, what);
    allowance.learn(route, result.headers);
    return result.body;
  };

  /** Puts the part in place of a command's "thinking…"; undefined when that is not possible any more. */
  const respond = async (reply: PendingReply, payload: MessagePayload, signal: AbortSignal, what: string): Promise<string | undefined> => {
    try {
      const body = await request({ method: "PATCH", path: originalPath(reply), body: payload, signal, isPublic: true }, what);
      const id = messageId(body);
      if (id === undefined) throw new AmbiguousError("SEND_UNKNOWN", `${what}: answered without a message id; it may have arrived`);
      desk.settle(reply);
      replies.set(id, reply);
      const oldest = replies.size > REPLIES_MAX ? replies.keys().next().value : undefined;
      if (oldest !== undefined) replies.delete(oldest);
      return id;
    } catch (error) {
      if (!(error instanceof TerminalError)) throw error;
      // Its time is over, or somebody deleted it. What is wrong with the part itself, the message will say too.
      desk.settle(reply);
      return undefined;
    }
  };

  return {
    deliver: async (part) => {
      const { address, idempotencyKey, signal } = part;
      const what = `discord send to ${address}`;
      const payload = checked(part, what);
      const reply = await desk.oldest(address);
      const replied = reply && (await respond(reply, payload, signal, what));
      if (replied !== undefined) return { platformId: replied };
      const body = { ...payload, nonce: nonceOf(idempotencyKey), enforce_nonce: true };
      const id = messageId(await request({ method: "POST", path: `/channels/${address}/messages`, body, signal }, what));
      if (id !== undefined) return { platformId: id };
      throw new AmbiguousError("SEND_UNKNOWN", `${what}: answered without a message id; it may have arrived`);
    },
    edit: async (part: EditRequest) => {
      const { address, platformId, signal } = part;
      const what = `discord edit of ${platformId} in ${address}`;
      const payload = checked(part, what);
      if (!isSnowflake(platformId)) throw new TerminalError("CHANNEL_REFUSED", `${what}: this is no Discord message id`);
      const reply = replies.get(platformId);
      if (reply && reply.untilMs > clock.monotonic()) {
        await request({ method: "PATCH", path: originalPath(reply), body: payload, signal, isPublic: true }, what);
        return;
      }
      await request({ method: "PATCH", path: `/channels/${address}/messages/${platformId}`, body: payload, signal }, what);
    },
  };
}
