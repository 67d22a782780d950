export interface Update {
  readonly update_id: number;
  readonly [kind: string]: unknown;
}

/** Most updates that wait; more is a mistake of the test. */
const KEPT_MAX = 1_000_000;
const UPDATES_PER_POLL = 100;

export interface Updates {
  /** `updateId` overrides the counter. */
  readonly push: (update: Readonly<Record<string, unknown>>, updateId?: number) => Update;
  /** Drops everything below the offset, or all but the last |offset|. */
  readonly confirm: (offset: number) => void;
  /** One update is done with. */
  readonly drop: (id: number) => void;
  readonly clear: () => void;
  /** The oldest of these kinds, at most 100. */
  readonly offer: (kinds: readonly string[] | undefined, limit: number) => Update[];
  readonly ids: () => readonly number[];
  readonly all: () => Iterable<Update>;
  readonly count: () => number;
}

/** The updates that the bot has not confirmed, in the order of their arrival. */
export function createUpdates(firstId: number): Updates {
  const waiting = new Map<number, Update>();
  let nextId = firstId;
  return {
    push: (update, updateId = nextId) => {
      if (waiting.size >= KEPT_MAX) throw new Error(`more than ${KEPT_MAX} updates wait; confirm some`);
      nextId = updateId + 1;
      const pushed = { ...update, update_id: updateId };
      waiting.set(updateId, pushed);
      return pushed;
    },
    confirm: (offset) => {
      const ids = [...waiting.keys()];
      for (const id of offset < 0 ? ids.slice(0, offset) : ids.filter((one) => one < offset)) waiting.delete(id);
    },
    drop: (id) => void waiting.delete(id),
    clear: () => waiting.clear(),
    offer: (kinds, limit) => {
      const most = Math.min(limit, UPDATES_PER_POLL);
      const offered: Update[] = [];
      for (const update of waiting.values()) {
        if (offered.length >= most) break;
        if (!kinds || kinds.some((kind) => kind in update)) offered.push(update);
      }
      return offered;
    },
    ids: () => [...waiting.keys()],
    all: () => waiting.values(),
    count: () => waiting.size,
  };
}

/** `allowed_updates` of a payload; undefined for all kinds. */
export function kindsOf(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) && value.length > 0 ? (value as string[]) : undefined;
}
