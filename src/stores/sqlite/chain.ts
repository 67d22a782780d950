/** Reading a chat's rows of a log: from its newest row back along `prev`. A chain ends at its first row, or where older ones were deleted. */
import type { Engine, Log, Value } from "./engine.ts";

export type ChainedLog = Exclude<Log, "runs">;

export interface ChainOptions {
  readonly chatId: number;
  /** Id of the newest row. */
  readonly head: number;
  /** Goes no further than rows above this id. */
  readonly above?: number;
  /** Most rows; all by default. */
  readonly limit?: number;
  /** Which end of the chain the limit keeps; the newest by default, which also ends the walk early. */
  readonly keep?: "newest" | "oldest";
  /** Ends the chain before the first row that does not meet it; on the alias `t`. */
  readonly while?: readonly [sql: string, values: readonly Value[]];
  /** Picks rows from the chain; on the alias `t`. */
  readonly filter?: string;
}

/** Rows of a chain by id ascending. */
export function chain<T extends { readonly id: number }>(engine: Pick<Engine, "all">, log: ChainedLog, options: ChainOptions): T[] {
  const { chatId, head, above = 0, limit = -1, keep = "newest", filter = "1" } = options;
  const [condition, extra] = options.while ?? ["1", []];
  const rows = engine.all<T>(
    `WITH RECURSIVE chain (id, prev) AS (
       SELECT t.id, t.prev FROM ${log} t WHERE t.id = ? AND t.id > ? AND t.chat = ? AND ${condition}
       UNION ALL
       SELECT t.id, t.prev FROM chain JOIN ${log} t ON t.id = chain.prev WHERE t.id > ? AND t.chat = ? AND ${condition}
     )
     SELECT t.* FROM chain CROSS JOIN ${log} t ON t.id = chain.id WHERE ${filter} ${keep === "oldest" ? "ORDER BY t.id" : ""} LIMIT ?`,
    head,
    above,
    chatId,
    ...extra,
    above,
    chatId,
    ...extra,
    limit,
  );
  return keep === "oldest" ? rows : rows.sort((a, b) => a.id - b.id);
}
