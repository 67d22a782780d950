/** What is on the disk when the power goes: all that was synced, and of the rest nothing, or whatever the disk happened to reach. */
import type { DiskEvent } from "./recording.ts";

/** Sizes of a sector: what a disk writes whole or not at all. */
const SECTOR = 512;

type Pending = Extract<DiskEvent, { kind: "write" | "truncate" }>;

/** Bytes that grow. */
class Content {
  #bytes: Uint8Array = new Uint8Array(64 * 1024);
  #size = 0;

  copy(): Content {
    const copy = new Content();
    copy.#bytes = this.#bytes.slice();
    copy.#size = this.#size;
    return copy;
  }

  apply(change: Pending): void {
    if (change.kind === "truncate") {
      this.#bytes.fill(0, Math.min(change.size, this.#size));
      this.#size = change.size;
      return;
    }
    const end = change.offset + change.bytes.length;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(2 * end);
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes.set(change.bytes, change.offset);
    this.#size = Math.max(this.#size, end);
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#size);
  }
}

/** A file under way: what is safe, and what is not. */
class DiskFile {
  readonly #safe = new Content();
  #pending: Pending[] = [];

  add(change: Pending): void {
    this.#pending.push(change);
  }

  sync(): void {
    for (const change of this.#pending) this.#safe.apply(change);
    this.#pending = [];
  }

  /** @param reaches - whether an unsynced change, or one sector of it, was written; undefined: none was */
  afterCut(reaches: (() => boolean) | undefined): Uint8Array {
    const content = this.#safe.copy();
    for (const change of reaches ? this.#pending : []) {
      if (change.kind === "truncate") {
        if (reaches?.()) content.apply(change);
        continue;
      }
      for (let from = 0; from < change.bytes.length;) {
        const end = Math.min(change.bytes.length, from + SECTOR - ((change.offset + from) % SECTOR));
        if (reaches?.()) content.apply({ ...change, offset: change.offset + from, bytes: change.bytes.subarray(from, end) });
        from = end;
      }
    }
    return content.bytes();
  }
}

/** The disk while the recording is played. */
export class Disk {
  readonly #files = new Map<string, DiskFile>();
  /** Removed, and not yet for certain. */
  readonly #removed = new Map<string, DiskFile>();

  play(event: DiskEvent): void {
    if (event.kind === "ack") return;
    if (event.kind === "syncFolder") return this.#removed.clear();
    if (event.kind === "unlink") {
      const gone = this.#files.get(event.file);
      if (gone) this.#removed.set(event.file, gone);
      this.#files.delete(event.file);
      return;
    }
    const file = this.#files.get(event.file) ?? new DiskFile();
    this.#files.set(event.file, file);
    if (event.kind === "sync") file.sync();
    else file.add(event);
  }

  /** Contents by name. */
  afterCut(reaches: (() => boolean) | undefined): ReadonlyMap<string, Uint8Array> {
    const back = [...this.#removed].filter(() => !reaches?.());
    return new Map([...back, ...this.#files].map(([name, file]) => [name, file.afterCut(reaches)]));
  }
}
