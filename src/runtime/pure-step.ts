import { createActor, type ActorScope, type AnyActorRef, type AnyStateMachine, type EventObject, type SnapshotFrom } from "xstate";

/** An action that a step asks for, not carried out. */
export interface AskedAction {
  readonly type: string;
  readonly params?: unknown;
}

/** The next snapshot and what it asks for, of one machine, without effects. */
export type PureStep<TMachine extends AnyStateMachine> = (
  snapshot: SnapshotFrom<TMachine>,
  event: EventObject,
) => readonly [SnapshotFrom<TMachine>, readonly AskedAction[]];

/**
 * The same as XState's `transition()`, which makes an actor for each call; this one makes its scope once. On the path of every turn.
 * @param input - any input that the machine takes
 */
export function createPureStep<TMachine extends AnyStateMachine>(machine: TMachine, input: unknown): PureStep<TMachine> {
  // Never started: it only lends its identity to the scope.
  const self = createActor(machine, { input } as never) as AnyActorRef;
  let asked: AskedAction[] = [];
  const scope: ActorScope<SnapshotFrom<TMachine>, EventObject> = {
    self: self as never,
    id: self.id,
    sessionId: self.sessionId,
    logger: () => undefined,
    system: self.system,
    defer: () => undefined,
    stopChild: () => undefined,
    emit: () => undefined,
    actionExecutor: (action) => void asked.push(action),
  };
  return (snapshot, event) => {
    asked = [];
    const next = machine.transition(snapshot as never, event, scope as never) as SnapshotFrom<TMachine>;
    return [next, asked];
  };
}
