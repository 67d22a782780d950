import { badRequest, succeed, type Answer } from "./answer.ts";

/** Largest file that a bot can download. @see https://core.telegram.org/bots/api#getfile */
const DOWNLOAD_BYTES_MAX = 20 * 1024 * 1024;

export interface Files {
  readonly put: (fileId: string, bytes: Uint8Array, path: string) => void;
  readonly has: (fileId: string) => boolean;
  readonly describe: (fileId: unknown) => Answer;
  readonly read: (path: string) => Uint8Array | undefined;
}

/** Files by id, and by the path that `getFile` gives. */
export function createFiles(): Files {
  const byId = new Map<string, { readonly path: string; readonly bytes: Uint8Array }>();
  return {
    put: (fileId, bytes, path) => void byId.set(fileId, { bytes, path }),
    has: (fileId) => byId.has(fileId),
    describe: (fileId) => {
      const file = typeof fileId === "string" ? byId.get(fileId) : undefined;
      if (!file || typeof fileId !== "string") return badRequest("invalid file_id");
      if (file.bytes.length > DOWNLOAD_BYTES_MAX) return badRequest("file is too big");
      return succeed({ file_id: fileId, file_unique_id: `unique-${fileId}`, file_size: file.bytes.length, file_path: file.path });
    },
    read: (path) => [...byId.values()].find((file) => file.path === path)?.bytes,
  };
}
