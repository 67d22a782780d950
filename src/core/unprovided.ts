import { InvariantError } from "./errors.ts";

/** Stands in for a side effect that src/runtime supplies with `.provide()`; running it is a bug. */
export function unprovided(name: string): () => never {
  return () => {
    throw new InvariantError(`"${name}" was not provided; machines run only through src/runtime`);
  };
}
