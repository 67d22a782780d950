/** Reading a home that somebody else wrote: sizes and kinds are looked at before anything is opened, and no content reaches a message. */
import { constants } from "node:fs";
import { lstat, open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";

/** Largest file that is read. */
export const FILE_BYTES_MAX = 64 * 1024 * 1024;
/** Largest file whose broken line is looked for. */
const LINE_SEARCH_MAX = 4 * 1024 * 1024;

interface Bad {
  readonly kind: "bad";
  readonly why: string;
  readonly todo: string;
}
export type TextFile = { readonly kind: "absent" } | Bad | { readonly kind: "text"; readonly text: string; readonly modifiedAtMs: number };
export type JsonFile =
  | { readonly kind: "absent" }
  | Bad
  | { readonly kind: "json"; readonly value: unknown; readonly modifiedAtMs: number };

const bad = (why: string, todo: string): Bad => ({ kind: "bad", why, todo });

/** Reads a JSON file as `readTextFile` does. */
export async function readJsonFile(file: string): Promise<JsonFile> {
  const read = await readTextFile(file);
  return read.kind === "text" ? parse(read.text, read.modifiedAtMs) : read;
}

/** Reads a text of at most 64 MiB of UTF-8. Never throws for what is in the folder; links are followed, devices and pipes are not opened. */
export async function readTextFile(file: string): Promise<TextFile> {
  try {
    const found = await stat(file);
    if (!found.isFile()) return bad(found.isDirectory() ? "is a folder" : "is no ordinary file", "Put the file itself in its place.");
    if (found.size > FILE_BYTES_MAX)
      return bad(`has ${found.size} bytes, over the ${FILE_BYTES_MAX} that are read`, "Split it, or take what matters over by hand.");
    const bytes = await readBounded(file);
    if (bytes === undefined) return bad(`grew over ${FILE_BYTES_MAX} bytes while it was read`, "Stop SatiBot, then run this again.");
    return decode(bytes, found.mtimeMs);
  } catch (error) {
    return whyUnread(file, error);
  }
}

async function readBounded(file: string): Promise<Buffer | undefined> {
  // Without O_NONBLOCK a pipe put in the file's place would wait for its writer.
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of handle.createReadStream({ autoClose: false, end: FILE_BYTES_MAX })) {
      chunks.push(chunk as Buffer);
      size += (chunk as Buffer).length;
    }
    return size > FILE_BYTES_MAX ? undefined : Buffer.concat(chunks, size);
  } finally {
    await handle.close();
  }
}

function decode(bytes: Buffer, modifiedAtMs: number): TextFile {
  try {
    return { kind: "text", text: new TextDecoder("utf-8", { fatal: true }).decode(bytes), modifiedAtMs };
  } catch {
    return bad("is not UTF-8 text", "Save it as UTF-8, then run this again.");
  }
}

function parse(text: string, modifiedAtMs: number): JsonFile {
  if (text.trim() === "") return bad("is empty", "Nothing to do.");
  try {
    return { kind: "json", value: JSON.parse(text), modifiedAtMs };
  } catch {
    const line = brokenLine(text);
    return bad(`is no JSON${line === undefined ? "" : ` (line ${line})`}`, "Correct it, then run this again.");
  }
}

/** The line, from 1, at which a text stops being JSON, by halving: a beginning that only ends too early is not broken yet. */
export function brokenLine(text: string): number | undefined {
  if (text.length > LINE_SEARCH_MAX) return undefined;
  const ends = [...text.matchAll(/\n|$/g)].map((match) => match.index);
  let low = 0;
  let high = ends.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBroken(text.slice(0, ends[middle]))) high = middle;
    else low = middle + 1;
  }
  return low + 1;
}

function isBroken(beginning: string): boolean {
  if (beginning.trim() === "") return false;
  try {
    JSON.parse(beginning);
    return false;
  } catch (error) {
    const said = error instanceof Error ? error.message : "";
    const position = /at position (\d+)/.exec(said)?.[1];
    return !/end of JSON|Unterminated/.test(said) && !(position !== undefined && Number(position) >= beginning.trimEnd().length);
  }
}

async function whyUnread(file: string, error: unknown): Promise<Bad | { readonly kind: "absent" }> {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "ENOENT" || code === "ENOTDIR") {
    const isLink = await lstat(file).then(
      () => true,
      () => false,
    );
    return isLink ? bad("is a link to a file that is not there", "Put the file itself in its place.") : { kind: "absent" };
  }
  if (code === "ELOOP") return bad("is a link that leads back to itself", "Put the file itself in its place.");
  return bad(`cannot be read (${code ?? "unknown reason"})`, "Check its permissions, then run this again.");
}

/** Names in a folder, sorted; undefined when there is no such folder, or the code of what went wrong. */
export async function namesIn(
  folder: string,
  ...below: readonly string[]
): Promise<{ readonly names: readonly string[] } | { readonly code: string } | undefined> {
  try {
    return { names: (await readdir(join(folder, ...below))).sort() };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown reason";
    return code === "ENOENT" ? undefined : { code };
  }
}
