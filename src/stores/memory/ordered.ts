/** Arrays kept ascending by a number of their items. Nearly all changes are at one of the ends, where they cost O(1). */

/** Place of the first item whose number is at least `from`. */
export function placeFrom<T>(items: readonly T[], from: number, numberOf: (item: T) => number): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const item = items[middle];
    if (item !== undefined && numberOf(item) < from) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function findOrdered<T>(items: readonly T[], wanted: number, numberOf: (item: T) => number): T | undefined {
  const item = items[placeFrom(items, wanted, numberOf)];
  return item !== undefined && numberOf(item) === wanted ? item : undefined;
}

export function insertOrdered<T>(items: T[], item: T, numberOf: (item: T) => number): void {
  const last = items.at(-1);
  if (last === undefined || numberOf(last) < numberOf(item)) items.push(item);
  else items.splice(placeFrom(items, numberOf(item), numberOf), 0, item);
}

/** True when the item was there. */
export function removeOrdered<T>(items: T[], item: T, numberOf: (item: T) => number): boolean {
  if (items[0] === item) {
    items.shift();
    return true;
  }
  const place = placeFrom(items, numberOf(item), numberOf);
  if (items[place] !== item) return false;
  items.splice(place, 1);
  return true;
}
