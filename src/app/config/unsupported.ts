import { isPlainObject } from "./plain-object.ts";
import type { Problem } from "./problem.ts";

/**
 * Finds what the design knows and this version does not do, and returns the file without it, so that everything else can still be checked.
 * Nothing is ignored silently: whatever would have no effect is a problem that says what to do.
 */
export function splitUnsupported(file: Readonly<Record<string, unknown>>): {
  readonly rest: Record<string, unknown>;
  readonly problems: readonly Problem[];
} {
  const problems: Problem[] = [];
  const say = (path: Problem["path"], message: string): void => void problems.push({ path, message, unsupported: true });
  const rest: Record<string, unknown> = { ...file };
  for (const [key, what] of [
    ["agent", "model providers do not exist in this version; remove it for the echo agent, or give your own agent to createGateway"],
  ] as const) {
    if (rest[key] === undefined || rest[key] === null || rest[key] === false) continue;
    say([key], what);
  }
  delete rest.agent;

  if (typeof rest.store === "string" && /^postgres(ql)?:/.test(rest.store)) {
    say(["store"], 'PostgreSQL does not exist in this version; write "sqlite:./data/satibot.db" or "memory:"');
    delete rest.store;
  }
  if (isPlainObject(rest.overlap)) {
    const overlap = { ...rest.overlap };
    if (typeof overlap.policy === "string" && ["collect", "latest", "interrupt", "steer", "reject"].includes(overlap.policy)) {
      say(["overlap", "policy"], `the policy ${overlap.policy} does not exist in this version; write queue or remove it`);
      delete overlap.policy;
    }
    if (typeof overlap.debounceMs === "number" && overlap.debounceMs > 0) {
      say(["overlap", "debounceMs"], "debouncing does not exist in this version; write 0 or remove it");
      delete overlap.debounceMs;
    }
    rest.overlap = overlap;
  }
  return { rest, problems };
}
