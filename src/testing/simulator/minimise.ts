/** Makes a failing world small: fewer faults, then fewer actions, as long as it still breaks a promise. */
import { FAULTS, type Fault } from "./faults.ts";
import { simulate, type SimulationOptions, type SimulationResult } from "./simulator.ts";

export interface SmallWorld {
  readonly result: SimulationResult;
  readonly without: ReadonlySet<Fault>;
  readonly omit: ReadonlySet<number>;
  /** What happened in it to the chat of the first violation, and all faults and ends; the newest 60 lines. */
  readonly trace: readonly string[];
}

/** Worlds tried at most. */
const TRIES_MAX = 300;
const TRACE_MAX = 60;

/** @param failing - the result of these options, with violations */
export async function minimise(options: SimulationOptions, failing: SimulationResult): Promise<SmallWorld> {
  let best: Omit<SmallWorld, "trace"> = { result: failing, without: options.without ?? new Set(), omit: options.omit ?? new Set() };
  const kind = kindOf(failing.violations[0] ?? "");
  let tries = 0;
  const holds = async (without: ReadonlySet<Fault>, omit: ReadonlySet<number>): Promise<boolean> => {
    if (tries >= TRIES_MAX) return false;
    tries += 1;
    const result = await simulate({ ...options, without, omit });
    if (!result.violations.some((violation) => kindOf(violation) === kind)) return false;
    best = { result, without, omit };
    return true;
  };

  for (const fault of FAULTS) if (best.result.faults.includes(fault)) await holds(new Set([...best.without, fault]), best.omit);
  // Halves, quarters, eighths … of what is left, and at last one by one.
  for (let size = Math.ceil(best.result.actions.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < best.result.actions.length;) {
      const some = best.result.actions.slice(from, from + size).map((action) => action.number);
      if (!(await holds(best.without, new Set([...best.omit, ...some])))) from += size;
    }
  }
  return { ...best, trace: traceOf(best.result) };
}

/** A violation without its names and numbers. */
function kindOf(violation: string): string {
  return violation.replaceAll(/"[^"]*"|\S*\d\S*|(?:sim|api|cron):[\w-]+/g, "");
}

function traceOf({ log, violations }: SimulationResult): readonly string[] {
  const chat = /(?:sim|api|cron):[\w-]+/.exec(violations[0] ?? "")?.[0];
  const isTold = (line: string): boolean =>
    /VIOLATION|process|crash|lost|offline|clock|drain/.test(line) || (chat !== undefined && line.includes(chat));
  return log.filter(isTold).slice(-TRACE_MAX);
}
