import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { createSystemClock } from "../../src/app/system-clock.ts";
import { createSqliteStore } from "../../src/stores/sqlite/store.ts";
import { storeContract } from "../../src/testing/store-contract.ts";
import { stripWorker } from "./sqlite-worker.ts";

const worker = stripWorker();
afterAll(worker.remove);

storeContract("sqlite", async () => {
  const folder = mkdtempSync(join(tmpdir(), "satibot-store-"));
  const store = createSqliteStore({ file: join(folder, "store.db"), clock: createSystemClock(), startThread: worker.startThread });
  await store.start();
  return {
    store,
    reopen: async () => {
      await store.stop();
      await store.start();
      return store;
    },
    close: async () => {
      await store.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
});
