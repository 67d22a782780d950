/** What the runtime holds of one channel with an allow list: the configuration, which may be replaced, and whoever was let in or asks. */
import type { Channel, ChannelAccess, InboundMessage } from "../../ports/channel.ts";
import type { Sender } from "../../ports/store/records.ts";
import type { Role } from "../api.ts";
import type { Kernel } from "../kernel.ts";
import { createPairing, type Pairing } from "../pairing.ts";
import { identityOf } from "./identity.ts";
import { createStrangers, type Strangers } from "./strangers.ts";

export interface Gate {
  readonly channel: Channel;
  readonly pairing: Pairing;
  readonly strangers: Strangers;
  /** The configuration as it is now. */
  readonly rules: () => Rules;
  readonly configure: (access: ChannelAccess) => void;
  /** Reads what is stored of the channel, once; what follows needs it to have resolved. @throws TransientError STORE_UNAVAILABLE */
  readonly load: () => Promise<void>;
  readonly roleOf: (sender: Sender) => Role;
  /** True for a message that an allow list, the administrators or a pairing let in. */
  readonly isAllowed: (message: InboundMessage) => boolean;
}

export interface Rules {
  readonly allow: readonly string[] | undefined;
  readonly allowed: ReadonlySet<string>;
  readonly admins: ReadonlySet<string>;
  readonly isOpen: boolean;
  readonly rate: NonNullable<ChannelAccess["rate"]>;
}

export function createGate(kernel: Kernel, channel: Channel, access: ChannelAccess): Gate {
  const pairing = createPairing(kernel, channel.name);
  const strangers = createStrangers(kernel, channel.name);
  let rules = rulesOf(access);

  return {
    channel,
    pairing,
    strangers,
    rules: () => rules,
    configure: (changed) => {
      rules = rulesOf(changed);
    },
    load: async () => {
      await pairing.load();
      await strangers.load();
    },
    roleOf: ({ id }) => {
      const identity = identityOf(id);
      const role = pairing.find(identity)?.role;
      if (role === "owner") return "owner";
      return role === "admin" || rules.admins.has(identity) ? "admin" : "guest";
    },
    isAllowed: (message) => {
      // The place may be named as well as the writer; an administrator is a person, whatever the place is called.
      const own = identityOf(message.sender.id);
      const identities = [own, ...(message.identities ?? [])];
      return rules.isOpen || rules.admins.has(own) || identities.some((one) => rules.allowed.has(one)) || pairing.knows(identities);
    },
  };
}

function rulesOf({ allow, admins = [], rate = {} }: ChannelAccess): Rules {
  const allowed = new Set((allow ?? []).map(identityOf));
  return { allow, allowed, admins: new Set(admins.map(identityOf)), isOpen: allowed.has("*"), rate };
}
