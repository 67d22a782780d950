import { RequestError } from "../../core/errors.ts";
import { CommandError, EXIT } from "./io.ts";

/** What the arguments got wrong is a mistake of usage. @throws CommandError 64 */
export function usage<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof RequestError) throw new CommandError(EXIT.usage, error.message, { cause: error });
    throw error;
  }
}
