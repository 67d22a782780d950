/** The `node:sqlite` API: built in from Node 24 on, from a package with its own binaries before. */
import type * as sqlite from "@photostructure/sqlite";

export type Database = InstanceType<typeof sqlite.DatabaseSync>;
export type Statement = ReturnType<Database["prepare"]>;

/** The built-in module is stable enough from this major version on. */
const BUILT_IN_SINCE = 24;

export async function openDatabase(file: string, options: { readonly readOnly?: boolean } = {}): Promise<Database> {
  const major = Number(process.versions.node.split(".")[0]);
  const name = major >= BUILT_IN_SINCE ? "node:sqlite" : "@photostructure/sqlite";
  const module = (await import(name)) as typeof sqlite;
  return new module.DatabaseSync(file, { readOnly: options.readOnly ?? false });
}
