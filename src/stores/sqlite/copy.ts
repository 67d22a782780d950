import { chmodSync, closeSync, fsyncSync, openSync, rmSync } from "node:fs";
import type { Database } from "./driver.ts";

/** A consistent copy, on the disk when this returns, for its owner's eyes only. */
export function copyTo(db: Database, to: string): void {
  rmSync(to, { force: true });
  // Made first, so that it is private from its first byte on.
  closeSync(openSync(to, "wx", 0o600));
  chmodSync(to, 0o600);
  db.prepare("VACUUM INTO ?").run(to);
  const copy = openSync(to, "r+");
  fsyncSync(copy);
  closeSync(copy);
}
