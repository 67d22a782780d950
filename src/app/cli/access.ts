import { createApiClient } from "../../http/client.ts";
import type { Access } from "./connection.ts";

/** The real daemon over HTTP, and the real store of a stopped one. */
export function createAccess(): Access {
  return {
    api: createApiClient,
    store: () => Promise.resolve(undefined),
  };
}
