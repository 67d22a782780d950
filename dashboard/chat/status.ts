import type { WireWhy } from "../../src/http/wire.ts";
import type { ChatState } from "./chat-state.ts";

export interface Status {
  readonly text: string;
  readonly tone: "quiet" | "waiting" | "trouble";
  /** Something runs or waits that `/stop` would end. */
  readonly canStop: boolean;
  readonly isBusy: boolean;
}

/** What the chat does, in a few words; undefined when there is nothing to say. */
export function statusOf({ activity, attempt, draft }: ChatState, why: WireWhy | undefined, nowMs: number): Status | undefined {
  const seconds = Math.max(0, Math.floor((nowMs - activity.sinceMs) / 1_000));
  const forSeconds = seconds === 0 ? "" : ` ${duration(seconds)}`;
  const again = attempt > 1 ? ` (attempt ${attempt})` : "";
  const busy = (text: string, tone: Status["tone"] = "quiet"): Status => ({ text, tone, canStop: true, isBusy: true });
  switch (activity.state) {
    case "responding":
      return busy(
        `${draft !== undefined && draft.text !== "" && draft.status === "streaming" ? "writing…" : "thinking…"}${forSeconds}${again}`,
      );
    case "committing":
      return busy("almost there…");
    case "queued":
      return busy(`waiting for a slot…${forSeconds}`, "waiting");
    case "collecting":
      return busy("listening…");
    case "backingOff": {
      const dueAtMs = why?.state === "backingOff" ? why.endsBy?.find(({ atMs }) => atMs !== undefined)?.atMs : undefined;
      const left = dueAtMs === undefined ? undefined : Math.ceil((dueAtMs - nowMs) / 1_000);
      const when = left === undefined ? "trying again soon" : left > 0 ? `trying again in ${duration(left)}` : "trying again now";
      return busy(`attempt ${attempt} failed; ${when}`, "waiting");
    }
    case "asking":
      return { text: "waiting for your answer", tone: "waiting", canStop: true, isBusy: false };
    case "quarantined":
      return {
        text: "this conversation is set aside: its last message could not be handled",
        tone: "trouble",
        canStop: false,
        isBusy: false,
      };
    default:
      return undefined;
  }
}

/** `8 s`, `2 min 5 s`, `1 h 2 min`. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min${seconds % 60 === 0 ? "" : ` ${seconds % 60} s`}`;
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
}
