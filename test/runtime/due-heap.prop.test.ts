import fc from "fast-check";
import { expect, it } from "vitest";
import { createDueHeap } from "../../src/runtime/due-heap.ts";

type Step =
  | { readonly type: "add"; readonly dueMs: number }
  | { readonly type: "remove"; readonly pick: number }
  | { readonly type: "take" };
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ type: fc.constant("add" as const), dueMs: fc.integer({ min: 0, max: 40 }) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("remove" as const), pick: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("take" as const) }) },
);

interface Held {
  readonly dueMs: number;
  readonly order: number;
}

/** What a sorted list would do. */
const byInstant = (a: Held, b: Held): number => a.dueMs - b.dueMs || a.order - b.order;

it("gives values in the order of their instants, the first come first among equals, whatever was taken out between", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const heap = createDueHeap<Held>();
      const model: (Held & { slot: number })[] = [];
      const taken: unknown[] = [];
      const expected: unknown[] = [];
      for (const [order, one] of steps.entries()) {
        if (one.type === "add") {
          const value = { dueMs: one.dueMs, order };
          model.push(Object.assign(value, { slot: heap.add(one.dueMs, value) }));
        } else if (one.type === "remove" && model.length > 0) {
          const [gone] = model.splice(one.pick % model.length, 1);
          heap.remove(gone?.slot ?? -1);
        } else if (one.type === "take") {
          model.sort(byInstant);
          taken.push(heap.takeFirst());
          expected.push(model.shift());
        }
        expect(taken).toEqual(expected);
        expect(heap.size()).toBe(model.length);
        expect(heap.firstMs()).toBe(Math.min(Number.POSITIVE_INFINITY, ...model.map(({ dueMs }) => dueMs)));
      }
      const seen: Held[] = [];
      heap.forEach((value) => void seen.push(value));
      expect(seen.sort(byInstant)).toEqual(model.sort(byInstant));
      for (const value of model) expect(heap.takeFirst()).toBe(value);
      expect(heap.takeFirst()).toBeUndefined();
    }),
  );
});

it("grows beyond its first size", () => {
  const heap = createDueHeap<number>();
  for (let place = 0; place < 5_000; place += 1) heap.add((place * 7_919) % 5_000, (place * 7_919) % 5_000);
  const taken = Array.from({ length: 5_000 }, () => heap.takeFirst());
  expect(taken).toEqual(Array.from({ length: 5_000 }, (_, place) => place));
});
