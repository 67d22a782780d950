import { stat } from "node:fs/promises";
import { createApiClient } from "../../http/client.ts";
import type { Access } from "./connection.ts";
import { createStoppedStore } from "./stored-chats.ts";

/** The real daemon over HTTP, and the real store of a stopped one, whose code loads only when it is read. */
export function createAccess(): Access {
  return {
    api: createApiClient,
    store: async (file) => {
      // A daemon that failed at its first start may leave an empty file.
      const bytes = await stat(file).then(
        (found) => found.size,
        () => 0,
      );
      if (bytes === 0) return undefined;
      const { openSqliteReader } = await import("../../stores/sqlite/store.ts");
      return createStoppedStore(await openSqliteReader({ file }));
    },
  };
}
