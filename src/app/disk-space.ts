import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import type { Store } from "../ports/store/store.ts";

/** Space of the file system that holds the store, or the working directory of a store without files; undefined when the system does not say. */
export async function diskSpaceOf({
  location,
}: Pick<Store, "location">): Promise<{ readonly freeBytes: number; readonly totalBytes: number } | undefined> {
  const file = /^sqlite:(.+)$/.exec(location)?.[1];
  try {
    const { bavail, blocks, bsize } = await statfs(file === undefined ? process.cwd() : dirname(file));
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  } catch {
    return undefined;
  }
}
