/**
 * A 4-ary min-heap of instants, in typed arrays: the four children of a place lie side by side, so that a step down the heap reads one
 * line of memory and follows no pointer. Values are found by a slot, a small number that stays theirs while they are in the heap.
 */

export interface DueHeap<T> {
  /** Answers the value's slot. Equal instants leave in the order in which they came. */
  readonly add: (dueMs: number, value: T) => number;
  /** Takes out the value of a slot that `add` gave and that has not been taken out since. */
  readonly remove: (slot: number) => void;
  /** The earliest instant; Infinity when empty. */
  readonly firstMs: () => number;
  /** Takes out the value of the earliest instant. */
  readonly takeFirst: () => T | undefined;
  readonly forEach: (visit: (value: T) => void) => void;
  readonly size: () => number;
  readonly clear: () => void;
}

const CAPACITY_MIN = 1_024;

export function createDueHeap<T>(): DueHeap<T> {
  /** By place in the heap: instant, order of arrival, slot. */
  let dues = new Float64Array(CAPACITY_MIN);
  let orders = new Float64Array(CAPACITY_MIN);
  let slots = new Int32Array(CAPACITY_MIN);
  /** By slot: its place, and what it holds. */
  let places = new Int32Array(CAPACITY_MIN);
  let values: (T | undefined)[] = [];
  let free: number[] = [];
  let size = 0;
  let arrivals = 0;

  const grow = (): void => {
    const resized = <A extends Float64Array | Int32Array>(array: A, bigger: A): A => {
      bigger.set(array);
      return bigger;
    };
    const capacity = dues.length * 2;
    dues = resized(dues, new Float64Array(capacity));
    orders = resized(orders, new Float64Array(capacity));
    slots = resized(slots, new Int32Array(capacity));
    places = resized(places, new Int32Array(capacity));
  };

  const put = (place: number, dueMs: number, order: number, slot: number): void => {
    dues[place] = dueMs;
    orders[place] = order;
    slots[place] = slot;
    places[slot] = place;
  };

  const move = (from: number, to: number): void => put(to, dues[from]!, orders[from]!, slots[from]!);

  const isBefore = (place: number, dueMs: number, order: number): boolean => {
    const due = dues[place]!;
    return due < dueMs || (due === dueMs && orders[place]! < order);
  };

  const siftUp = (from: number, dueMs: number, order: number, slot: number): void => {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 2;
      if (isBefore(parent, dueMs, order)) break;
      move(parent, place);
      place = parent;
    }
    put(place, dueMs, order, slot);
  };

  const siftDown = (from: number, dueMs: number, order: number, slot: number): void => {
    let place = from;
    for (;;) {
      const firstChild = place * 4 + 1;
      if (firstChild >= size) break;
      const end = Math.min(firstChild + 4, size);
      let best = firstChild;
      for (let child = firstChild + 1; child < end; child += 1) if (isBefore(child, dues[best]!, orders[best]!)) best = child;
      if (!isBefore(best, dueMs, order)) break;
      move(best, place);
      place = best;
    }
    put(place, dueMs, order, slot);
  };

  /** The last of the heap fills the gap. */
  const takeOut = (place: number): void => {
    size -= 1;
    if (place === size) return;
    const dueMs = dues[size]!;
    const order = orders[size]!;
    const slot = slots[size]!;
    if (place > 0 && !isBefore((place - 1) >> 2, dueMs, order)) siftUp(place, dueMs, order, slot);
    else siftDown(place, dueMs, order, slot);
  };

  const release = (slot: number): void => {
    values[slot] = undefined;
    free.push(slot);
  };

  return {
    add: (dueMs, value) => {
      if (size === dues.length) grow();
      const slot = free.pop() ?? size;
      values[slot] = value;
      size += 1;
      siftUp(size - 1, dueMs, arrivals++, slot);
      return slot;
    },
    remove: (slot) => {
      takeOut(places[slot]!);
      release(slot);
    },
    firstMs: () => (size === 0 ? Number.POSITIVE_INFINITY : dues[0]!),
    takeFirst: () => {
      if (size === 0) return undefined;
      const slot = slots[0]!;
      const value = values[slot];
      takeOut(0);
      release(slot);
      return value;
    },
    forEach: (visit) => {
      for (let place = 0; place < size; place += 1) visit(values[slots[place]!]!);
    },
    size: () => size,
    clear: () => {
      size = 0;
      values = [];
      free = [];
    },
  };
}
