/** Ids that were handed over and stored a moment ago, so that what comes both live and read back is not handed over twice. */
export interface RecentIds {
  readonly has: (id: string) => boolean;
  readonly add: (id: string) => void;
}

/** @param idsMax - the oldest beyond it are forgotten; the store knows them still */
export function createRecentIds(idsMax = 20_000): RecentIds {
  const ids = new Set<string>();
  return {
    has: (id) => ids.has(id),
    add: (id) => {
      ids.add(id);
      const oldest = ids.size > idsMax ? ids.values().next().value : undefined;
      if (oldest !== undefined) ids.delete(oldest);
    },
  };
}
