/** What people who run the bot do to replies: look at them, send a dead letter again, give one up. */
import { parseChatKey } from "../core/chat-key.ts";
import { RequestError } from "../core/errors.ts";
import type { OutboxPart } from "../ports/store/records.ts";
import type { OutboxControl } from "./api.ts";
import type { Deliveries } from "./deliveries.ts";
import type { Kernel } from "./kernel.ts";

export function createOutboxControl({ store, clock, log }: Kernel, deliveries: Pick<Deliveries, "changed">): OutboxControl {
  const find = async (id: string): Promise<OutboxPart> => {
    if (/^\d{1,18}$/.test(id)) {
      const { items } = await store.outbox.list({}, { limit: 1, cursor: String(BigInt(id) - 1n) });
      if (items[0]?.id === id) return items[0];
    }
    throw new RequestError("NOT_FOUND", `there is no reply ${id.slice(0, 40)}; \`satibot outbox list\` shows those there are`, {
      path: "id",
    });
  };

  return {
    list: ({ status, chat }, page) =>
      store.outbox.list(
        {
          ...(status === undefined ? {} : status === "ambiguous" ? { ambiguous: true } : { status }),
          ...(chat === undefined ? {} : { chat: parseChatKey(chat) }),
        },
        page,
      ),
    retry: async (id) => {
      const before = await find(id);
      const revived = await store.outbox.revive(id, clock.now());
      if (!revived) throw new RequestError("WRONG_STATE", `reply ${id} is ${before.status}; only a dead or expired one can be sent again`);
      log.info({ chat: revived.chat, part: id }, "reply is sent again on request");
      deliveries.changed(revived.chat);
      return revived;
    },
    purge: async (id) => {
      const { chat, status } = await find(id);
      if (!(await store.outbox.purge(id))) {
        throw new RequestError("WRONG_STATE", `reply ${id} is ${status} and cannot be removed now; try again when it is settled`);
      }
      log.info({ chat, part: id, status }, "reply was removed on request");
      deliveries.changed(chat);
    },
  };
}
