/** SatiBot's `HEARTBEAT.md`, which it looked into every 30 minutes: copied beside the configuration where it asks for something. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { instructionsOf } from "../../runtime/heartbeat/instructions.ts";
import { readTextFile } from "./home-files.ts";
import { cannotWrite } from "./new-files.ts";
import type { FileFate, Leftovers } from "./report.ts";

export const HEARTBEAT_FILE = "HEARTBEAT.md";

/** Copies the file unless one is there; `none` when SatiBot had nothing to look after. */
export async function takeHeartbeat(home: string, cwd: string, dryRun: boolean, left: Leftovers): Promise<FileFate> {
  const old = await readTextFile(join(home, HEARTBEAT_FILE));
  if (old.kind === "absent") return "none";
  const nothing = (why: string, todo: string): FileFate => {
    left.add(HEARTBEAT_FILE, why, todo);
    return "none";
  };
  if (old.kind === "bad") return nothing(old.why, old.todo);
  if (instructionsOf(old.text) === undefined)
    return nothing("asks for nothing, so there is no heartbeat", `Write it beside the configuration, and there: heartbeat: true`);
  left.add(
    HEARTBEAT_FILE,
    "what the agent answers to it stays in the chat system:heartbeat, as SatiBot told nobody either",
    "To be told, write deliver: { chat: … } into heartbeat, once you have an agent that answers HEARTBEAT_OK when all is well.",
  );
  const here = await readTextFile(join(cwd, HEARTBEAT_FILE));
  if (here.kind === "absent") {
    if (!dryRun)
      await writeFile(join(cwd, HEARTBEAT_FILE), old.text, { flag: "wx" }).catch((error: unknown) => cannotWrite(HEARTBEAT_FILE, error));
    return "written";
  }
  if (here.kind === "text" && here.text === old.text) return "complete";
  left.add(
    `${HEARTBEAT_FILE} beside the configuration`,
    "is another than SatiBot's, and was left as it is",
    "Put what you need of SatiBot's into it.",
  );
  return "kept";
}
