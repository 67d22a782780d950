/** Generated paths over a machine: every state, every edge, and at every step the laws that all machines keep. */
import { getShortestPaths } from "xstate/graph";
import { transition, type AnyMachineSnapshot, type AnyStateMachine, type EventObject } from "xstate";
import { expect } from "vitest";
import { explain, WHY } from "../../src/runtime/why.ts";

interface WalkOptions {
  readonly input: unknown;
  readonly events: readonly EventObject[];
  /** Keeps the walk finite: states beyond it are not entered. */
  readonly within: (snapshot: AnyMachineSnapshot) => boolean;
  /** What holds of the context in every state. */
  readonly invariant: (snapshot: AnyMachineSnapshot) => void;
}

/** Walks all shortest paths and checks each step; answers what was reached. */
export function walk(
  machine: AnyStateMachine,
  options: WalkOptions,
): { readonly states: Set<string>; readonly missedEdges: readonly string[] } {
  const states = new Set<string>();
  const taken = new Set<unknown>();
  const events = [...options.events, ...delayedEvents(machine)];
  const paths = getShortestPaths(machine, {
    input: options.input,
    events,
    limit: 20_000,
    serializeState: (snapshot: unknown) =>
      JSON.stringify([(snapshot as AnyMachineSnapshot).value, (snapshot as AnyMachineSnapshot).context]),
    stopWhen: ((snapshot: AnyMachineSnapshot) => !options.within(snapshot)) as never,
  } as never);
  expect(paths.length).toBeGreaterThan(0);
  for (const path of paths) {
    const snapshot = path.state as AnyMachineSnapshot;
    if (!options.within(snapshot)) continue;
    states.add(String(snapshot.value));
    options.invariant(snapshot);
    hasWhy(machine, snapshot);
    if (snapshot.status !== "active") continue;
    for (const event of events) {
      for (const edge of machine.getTransitionData(snapshot as never, event)) taken.add(edge);
      roundTrips(machine, snapshot, event);
    }
  }
  return {
    states,
    missedEdges: edgesOf(machine)
      .filter(([, edge]) => !taken.has(edge) && !isEventless(edge))
      .map(([name]) => name),
  };
}

function hasWhy(machine: AnyStateMachine, snapshot: AnyMachineSnapshot): void {
  const state = String(snapshot.value);
  expect(Object.keys(WHY[machine.id] ?? {}), `why of ${machine.id}.${state}`).toContain(state);
  const answer = explain(machine.id, state, { nowMs: 2_000, sinceMs: 1_000, subject: "api:a", waiting: 1 });
  expect(answer.sentence).toMatch(/^\S.*\.$/);
  expect(machine.states[state]?.description).toBeTruthy();
}

/** A snapshot that has been JSON behaves as it did before. */
function roundTrips(machine: AnyStateMachine, snapshot: AnyMachineSnapshot, event: EventObject): void {
  if (Object.keys(snapshot.children).length > 0) return;
  const stored = JSON.parse(JSON.stringify({ value: snapshot.value, context: snapshot.context })) as { value: never; context: never };
  const [before] = transition(machine, snapshot as never, event as never);
  const [after] = transition(machine, machine.resolveState(stored) as never, event as never);
  const facts = (one: AnyMachineSnapshot): unknown => ({ value: one.value, context: one.context, status: one.status });
  expect(facts(after as AnyMachineSnapshot)).toEqual(facts(before as AnyMachineSnapshot));
}

function edgesOf(machine: AnyStateMachine): readonly (readonly [string, unknown])[] {
  const nodes = [machine.root, ...Object.values(machine.states as Record<string, typeof machine.root>)];
  return nodes.flatMap((node) =>
    [...node.transitions.entries()].flatMap(([event, edges]) =>
      edges.map((edge, place) => [`${node.id} ${event} #${place}`, edge] as const),
    ),
  );
}

function isEventless(edge: unknown): boolean {
  return (edge as { eventType: string }).eventType === "";
}

function delayedEvents(machine: AnyStateMachine): readonly EventObject[] {
  const nodes = Object.values(machine.states as Record<string, typeof machine.root>);
  return nodes
    .flatMap((node) => [...node.transitions.keys()])
    .filter((type) => type.startsWith("xstate."))
    .map((type) => ({ type }));
}
