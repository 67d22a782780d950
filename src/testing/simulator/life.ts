/** One process of a simulated world, from its start to its drain or its death. */
import type { Log } from "../../ports/log.ts";
import type { ChannelLimits } from "../../ports/channel.ts";
import type { Store } from "../../ports/store/store.ts";
import type { EventLoop } from "../../runtime/api.ts";
import { assembleEventLoop, type EventLoopParts } from "../../runtime/event-loop.ts";
import { createFakeChannel, type FakePlatform } from "../fake-channel.ts";
import { mortalClock, mortalStore } from "../mortal.ts";
import { createSeededRandom } from "../seeded-random.ts";
import type { VirtualClock } from "../virtual-clock.ts";
import type { Account } from "./account.ts";
import { simulatedAgent } from "./agent.ts";
import type { Dice } from "./faults.ts";
import { PLATFORM } from "./plan.ts";

export interface Life {
  readonly loop: EventLoop;
  /** It dies here and now: nothing of it is heard of again. */
  readonly kill: (why: string) => void;
  /** SIGTERM; calls back when it has exited. */
  readonly drain: () => void;
  readonly isDraining: () => boolean;
}

export interface LifeParts {
  readonly seed: number;
  readonly number: number;
  readonly dice: Dice;
  readonly world: VirtualClock;
  readonly store: Store & { readonly crash: () => void };
  readonly platform: FakePlatform;
  readonly account: Account;
  readonly note: (line: string) => void;
  readonly limits: EventLoopParts["limits"];
  readonly alter: ((parts: EventLoopParts) => EventLoopParts) | undefined;
  /** It is over; `cause` is `drained`, or what killed it. */
  readonly onEnd: (cause: string) => void;
}

const SILENT: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
/** Beyond `drainTimeout` a drain may take as long as its slowest commits. */
const DRAIN_SLACK_MS = 30_000;

function limitsOf(dice: Dice): ChannelLimits {
  return {
    textUnits: 4_096,
    canEdit: dice.has("drafts"),
    pace: dice.has("pace") ? { channelMs: 15, chatMs: 120, editMs: 300 } : { editMs: 300 },
    typingMs: 4_000,
    ...(dice.has("silence") ? { silenceMaxMs: 45_000 } : {}),
  };
}

export function beginLife(parts: LifeParts): Life {
  const { seed, number, dice, world, store, platform, account, note } = parts;
  const clock = mortalClock(world);
  // Agents wait by a clock of their own, so that what the runtime leaves behind can be told from what they do.
  const agentClock = mortalClock(world);
  let isOver = false;
  let isDraining = false;
  account.begin();

  const end = (cause: string): void => {
    if (isOver) return;
    isOver = true;
    note(`process ${number} ends: ${cause}`);
    clock.clear();
    agentClock.clear();
    store.crash();
    parts.onEnd(cause);
  };

  const assembled: EventLoopParts = {
    store: mortalStore(store, clock.isDead),
    agent: simulatedAgent({ dice, account, clock: agentClock, isDead: clock.isDead, kill: () => end("poison") }),
    clock,
    random: createSeededRandom(seed * 31 + number, `l${number}.`),
    log: SILENT,
    ...(parts.limits ? { limits: parts.limits } : {}),
    channels: [createFakeChannel({ clock, platform, name: PLATFORM, limits: limitsOf(dice) })],
  };
  const loop = assembleEventLoop(parts.alter?.(assembled) ?? assembled);
  note(`process ${number} begins`);
  loop.start().catch((error: unknown) => end(`start failed: ${error instanceof Error ? error.message : String(error)}`));

  return {
    loop,
    kill: end,
    isDraining: () => isDraining,
    drain: () => {
      if (isDraining) return;
      isDraining = true;
      const beganMs = world.monotonic();
      note(`process ${number} drains`);
      const cancel = world.setTimer((parts.limits?.drainTimeoutMs ?? 25_000) + DRAIN_SLACK_MS, () => {
        if (isOver) return;
        account.violate(`the drain of process ${number} did not end`);
        end("drain stuck");
      });
      loop.shutdown().then(
        () => {
          cancel();
          if (isOver) return;
          // One that ran into its deadline leaves sends under way, which end with the process.
          const isInTime = world.monotonic() - beganMs < (parts.limits?.drainTimeoutMs ?? 25_000) / 2;
          if (isInTime && clock.pending() > 0)
            account.violate(`process ${number} left ${clock.pending()} timers behind when it had drained`);
          end("drained");
        },
        (error: unknown) => account.violate(`the drain of process ${number} failed: ${String(error)}`),
      );
    },
  };
}
