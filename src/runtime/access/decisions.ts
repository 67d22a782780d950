/** What administrators decide about people: let in, promoted, refused, no longer let in. Stored when a call resolves, and safe to repeat. */
import { RequestError } from "../../core/errors.ts";
import type { PairedPerson, Role } from "../api.ts";
import type { Gate } from "./gate.ts";
import { identityOf } from "./identity.ts";
import type { Notices } from "./notices.ts";

export interface Approval {
  readonly person: PairedPerson;
  /** They have been written to. */
  readonly isTold: boolean;
}

export interface Decisions {
  /**
   * Lets somebody in, who need not have written yet; who asked is told.
   * @throws RequestError NOT_FOUND for a channel without allow list, BAD_REQUEST, WRONG_STATE
   */
  readonly approve: (channel: string, id: string, role?: "guest" | "admin") => Promise<Approval>;
  /**
   * Whoever asked is not asked about again for a month; whoever was let in is so no longer. `by` may not remove their like.
   * @throws RequestError NOT_FOUND for a channel without allow list, BAD_REQUEST, FORBIDDEN, WRONG_STATE
   */
  readonly deny: (channel: string, id: string, by: Role) => Promise<"refused" | "removed">;
}

const ID_MAX = 128;

export function createDecisions(parts: { readonly gateOf: (channel: string) => Promise<Gate>; readonly notices: Notices }): Decisions {
  return {
    approve: async (channel, text, role = "guest") => {
      const { pairing, strangers } = await parts.gateOf(channel);
      const stranger = strangers.find(identityOf(text));
      const person = await pairing.approve(text, { name: stranger?.name, role });
      const { chat } = stranger ?? {};
      if (stranger && chat !== undefined) await parts.notices.welcome({ ...stranger, chat });
      await strangers.forget(identityOf(text));
      return { person, isTold: chat !== undefined };
    },
    deny: async (channel, text, by) => {
      const { pairing, strangers, rules, roleOf } = await parts.gateOf(channel);
      const id = identityOf(text);
      if (!/^\S+$/.test(id) || id.length > ID_MAX) throw new RequestError("BAD_REQUEST", "that is no id");
      const { allowed, admins } = rules();
      if (admins.has(id) || allowed.has(id)) {
        const list = admins.has(id) ? "admins" : "allow";
        throw new RequestError("WRONG_STATE", `${id} is in channels.${channel}.${list} of the configuration; remove it there`);
      }
      const role = roleOf({ id });
      if (role === "owner" || (role === "admin" && by !== "owner")) {
        throw new RequestError(
          "FORBIDDEN",
          `${id} is ${role === "owner" ? "an owner" : "an administrator"}; \`satibot pair revoke ${channel} ${id}\` removes them`,
        );
      }
      const isRemoved = await pairing.revoke(id);
      await strangers.deny(id);
      return isRemoved ? "removed" : "refused";
    },
  };
}
