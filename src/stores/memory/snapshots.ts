import type { EventRecord } from "../../ports/store/records.ts";
import type { SnapshotWrite } from "../../ports/store/store.ts";
import type { Chat, Disk } from "./disk.ts";

/** The snapshot as JSON, made before anything is written: a snapshot that is no JSON fails its call as a whole. */
export function freeze(write: SnapshotWrite): string | undefined {
  return write.snapshot && JSON.stringify(write.snapshot);
}

export function writeSnapshot(disk: Disk, chat: Chat, write: SnapshotWrite, snapshot: string | undefined): void {
  chat.revision += 1;
  chat.state = write.state;
  chat.sinceMs = write.sinceMs;
  if (snapshot !== undefined) {
    chat.snapshot = snapshot;
    chat.timers = write.timers.map((timer) => ({ ...timer }));
    if (chat.timers.length > 0) disk.timed.add(chat);
    else disk.timed.delete(chat);
  }
  chat.error = write.error && { ...write.error };
  writeEvents(chat, {
    revision: chat.revision,
    atMs: write.atMs,
    events: [...write.events],
    stateBefore: write.stateBefore,
    stateAfter: write.state,
  });
}

export function writeEvents(chat: Chat, event: EventRecord): void {
  chat.events.push(event);
}
