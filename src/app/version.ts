import { createRequire } from "node:module";

/** The version of this package, read from its manifest. */
export function readVersion(): string {
  const manifest: unknown = createRequire(import.meta.url)("satibot/package.json");
  return typeof manifest === "object" && manifest !== null && "version" in manifest ? String(manifest.version) : "unknown";
}
