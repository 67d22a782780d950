/**
 * A supervisor of many children of one kind: creates them with the registry as their parent, hears when one crashes, and has an alarm
 * clock for children that are not live. XState copies all children on each spawn; `createActor` with a parent does not.
 */
import {
  createActor,
  type AnyActorLogic,
  type ActorLogic,
  type ActorScope,
  type AnyActorRef,
  type EventObject,
  type Snapshot,
} from "xstate";
import { invariant } from "../core/errors.ts";
import type { SchedulingQueue } from "./scheduler.ts";

interface WakeEvent extends EventObject {
  readonly type: "registry.wake";
  readonly key: string;
}

type RegistrySnapshot = Snapshot<undefined> & { readonly status: "active" };
type RegistryScope = ActorScope<RegistrySnapshot, EventObject>;

/** The part of an actor that a registry's owner uses. */
export interface Child<TEvent extends EventObject, TSnapshot> {
  readonly id: string;
  readonly send: (event: TEvent) => void;
  readonly getSnapshot: () => TSnapshot;
}

export interface Registry<TEvent extends EventObject, TSnapshot> {
  /** To be invoked by the system machine. */
  readonly logic: ActorLogic<RegistrySnapshot, EventObject>;
  /** Creates and starts a child; `from` is its input or a persisted snapshot. */
  readonly create: (
    key: string,
    from: { readonly input: unknown } | { readonly snapshot: Snapshot<unknown> },
  ) => Child<TEvent, TSnapshot> & AnyActorRef;
  readonly stop: (child: AnyActorRef) => void;
  /** Calls `onWake(key)` at an instant; a later call for the same key replaces the earlier. */
  readonly wakeAt: (key: string, atMs: number) => void;
  readonly cancelWake: (key: string) => void;
}

export function createRegistry<TEvent extends EventObject, TSnapshot>(options: {
  readonly childLogic: AnyActorLogic;
  readonly queue: SchedulingQueue;
  readonly onCrash: (key: string, error: unknown) => void;
  readonly onWake: (key: string) => void;
}): Registry<TEvent, TSnapshot> {
  let scope: RegistryScope | undefined;
  const self = (): AnyActorRef => {
    invariant(scope, "a registry was used before the system started it");
    return scope.self;
  };

  return {
    logic: {
      getInitialSnapshot: () => ({ status: "active", output: undefined, error: undefined }),
      getPersistedSnapshot: (snapshot) => snapshot,
      start: (_, started) => {
        scope = started;
      },
      transition: (snapshot, event) => {
        if (event.type.startsWith("xstate.error.actor.")) {
          const crash = event as EventObject & { error: unknown; actorId: string };
          options.onCrash(crash.actorId, crash.error);
        } else if (event.type === "registry.wake") {
          options.onWake((event as WakeEvent).key);
        }
        return snapshot;
      },
    },
    create: (key, from) => {
      const child = createActor(options.childLogic, { parent: self(), id: key, ...from } as never) as unknown as Child<TEvent, TSnapshot> &
        AnyActorRef;
      child.start();
      return child;
    },
    stop: (child) => {
      invariant(scope, "a registry was used before the system started it");
      scope.stopChild(child);
    },
    wakeAt: (key, atMs) => {
      const event: WakeEvent = { type: "registry.wake", key };
      options.queue.scheduleAt(self(), self(), event, atMs, key);
    },
    cancelWake: (key) => options.queue.cancel(self(), key),
  };
}
