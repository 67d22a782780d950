/** Finds and makes the adapter: a package, a file, an instance, or what makes one. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Adapter, Logger } from "chat";
import { ConfigError } from "../../core/errors.ts";
import type { CheckedOptions } from "./options.ts";
import type { Profile } from "./profile.ts";
import type { Mask } from "./secrets.ts";

const MEMBERS = ["initialize", "handleWebhook", "postMessage", "editMessage", "startTyping", "channelIdFromThreadId", "decodeThreadId"];
const FACTORY = /^create[A-Z]\w*Adapter$/;

function refuse(why: string, cause?: unknown): never {
  throw new ConfigError("CONFIG_INVALID", why, { path: "adapter", cause });
}

/** The specifier and the export that is asked for, `./` being the working folder. */
function parseAdapter(text: string): { readonly specifier: string; readonly wanted: string | undefined } {
  const [target = "", wanted] = text.trim().split("#");
  const isFile = /^\.{0,2}\//.test(target);
  return { specifier: isFile ? pathToFileURL(join(target.startsWith("/") ? "/" : process.cwd(), target)).href : target, wanted };
}

function missingPackage(error: unknown): string | undefined {
  const { code, message } = (error ?? {}) as { readonly code?: unknown; readonly message?: unknown };
  if (code !== "ERR_MODULE_NOT_FOUND" && code !== "MODULE_NOT_FOUND") return undefined;
  return /Cannot find (?:package|module) '([^']+)'/.exec(String(message))?.[1] ?? "";
}

async function importModule(name: string, specifier: string, mask: Mask): Promise<Readonly<Record<string, unknown>>> {
  try {
    return (await import(specifier)) as Record<string, unknown>;
  } catch (error) {
    const missing = missingPackage(error);
    const why = mask(error instanceof Error ? error.message : String(error)).slice(0, 300);
    if (missing === undefined) return refuse(`channel ${name}: the adapter ${specifier} cannot be loaded: ${why}`, new Error(why));
    if (specifier.startsWith("file:")) return refuse(`channel ${name}: ${why}; check the path of the adapter`, new Error(why));
    const packages = [...new Set(["chat", specifier, ...(missing.startsWith("/") || missing === "" ? [] : [missing])])];
    return refuse(`channel ${name}: the adapter is not installed; run: npm install ${packages.join(" ")}`, new Error(why));
  }
}

function factoryIn(exports: Readonly<Record<string, unknown>>, text: string, wanted: string | undefined): (options: object) => unknown {
  const names = Object.keys(exports).filter((name) => FACTORY.test(name) && typeof exports[name] === "function");
  if (wanted !== undefined && typeof exports[wanted] !== "function")
    return refuse(`adapter ${text}: the module exports no function ${wanted}; it has ${names.join(", ") || "no create…Adapter"}`);
  const tail = text.split("/").at(-1)?.replaceAll("-", "").toLowerCase();
  const chosen =
    wanted ?? (names.length > 1 ? names.find((name) => name.slice("create".length, -"Adapter".length).toLowerCase() === tail) : names[0]);
  if (chosen === undefined && names.length > 1)
    return refuse(`adapter ${text}: the module makes several adapters; choose one, such as ${text}#${names[0]} (${names.join(", ")})`);
  if (chosen === undefined)
    return refuse(`adapter ${text}: the module exports no create…Adapter; name the function, such as ${text}#makeAdapter`);
  return exports[chosen] as (options: object) => unknown;
}

function checkShape(made: unknown, name: string): Adapter {
  const fields = typeof made === "object" && made !== null ? (made as Record<string, unknown>) : {};
  const missing = MEMBERS.filter((member) => typeof fields[member] !== "function");
  if (typeof fields.name !== "string" || fields.name === "") missing.unshift("name");
  if (missing.length === 0) return made as Adapter;
  return refuse(
    `channel ${name}: what was given is no Chat SDK adapter, it lacks ${missing.join(", ")}; give what create…Adapter() returns`,
  );
}

/**
 * Makes the adapter of one start.
 * @throws ConfigError CONFIG_INVALID when it is not installed (with the command to run), not found, not an adapter, or refuses its options
 */
export async function loadAdapter(options: CheckedOptions, profile: Profile, logger: Logger, mask: Mask): Promise<Adapter> {
  const { adapter, name } = options;
  if (typeof adapter === "object") return checkShape(adapter, name);
  let make: () => unknown;
  if (typeof adapter === "function") make = adapter;
  else {
    const { specifier, wanted } = parseAdapter(adapter);
    const factory = factoryIn(await importModule(name, specifier, mask), adapter.split("#")[0] ?? "", wanted);
    make = () => factory(profile.prepare(options.options ?? {}, logger));
  }
  let made: unknown;
  try {
    made = await make();
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const why = mask(error instanceof Error ? error.message : String(error)).slice(0, 300);
    throw new ConfigError("CONFIG_INVALID", `channel ${name}: the adapter refuses its options: ${why}; correct them`, {
      path: "options",
      cause: new Error(why),
    });
  }
  return checkShape(made, name);
}
