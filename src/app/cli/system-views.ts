import type { View } from "./chat-views.ts";
import { facts, table } from "./table.ts";
import { when } from "./when.ts";
import { wrap } from "./text.ts";
import type { ReloadAnswer, SystemStatus } from "../../runtime/api.ts";

const MIB = 1024 * 1024;

export function viewSystem(system: SystemStatus, { columns, nowMs }: View): string {
  const { chats, queue, loopDelayMs } = system;
  const head = facts(
    [
      ["satibot", `${system.version}, ${system.state} since ${when(system.startedAt, nowMs)}`],
      ["node", system.node],
      ["store", system.store],
      [
        "chats",
        `${chats.known} known, ${chats.live} live${chats.quarantined === 0 ? "" : `, ${chats.quarantined} quarantined (satibot chats list --state quarantined)`}`,
      ],
      [
        "turns",
        `${queue.running} of ${queue.slots} slots running, ${queue.waiting} waiting${queue.abandoned > 0 ? `, ${queue.abandoned} that ended and whose agents go on` : ""}`,
      ],
      ["timers", String(system.timers)],
      ["loop delay", `p50 ${loopDelayMs.p50.toFixed(1)} ms, p99 ${loopDelayMs.p99.toFixed(1)} ms`],
      ["memory", `${Math.round(system.memoryBytes / MIB)} MiB`],
    ],
    columns,
  );
  if (system.channels.length === 0) return `${head}\n\nNo channels; chats api:NAME are reached with \`satibot send\`.`;
  const channels = table(
    system.channels,
    [
      { title: "CHANNEL", cell: (channel) => channel.name },
      { title: "KIND", cell: (channel) => (channel.kind === channel.name ? "" : channel.kind) },
      { title: "STATE", cell: (channel) => channel.state },
      { title: "SINCE", cell: (channel) => when(channel.since, nowMs) },
      { title: "LAST TRAFFIC", cell: (channel) => when(channel.lastTrafficAt ?? undefined, nowMs) },
      { title: "REASON", cell: (channel) => channel.reason ?? "", shrinksTo: 12 },
    ],
    columns,
  );
  return `${head}\n\n${channels}`;
}

export function viewStopped(
  stopped: {
    readonly store: string;
    readonly known: number;
    readonly quarantined: number;
    readonly waitingRows: number;
    readonly deadParts: number;
  },
  { columns }: View,
): string {
  return facts(
    [
      ["satibot", "stopped"],
      ["store", stopped.store],
      ["chats", `${stopped.known} known${stopped.quarantined === 0 ? "" : `, ${stopped.quarantined} quarantined`}`],
      ["waiting", `${stopped.waitingRows} messages`],
      ["dead letters", stopped.deadParts === 0 ? undefined : `${stopped.deadParts} parts`],
    ],
    columns,
  );
}

export function viewReload({ applied, needsRestart }: ReloadAnswer, columns: number | undefined): string {
  const lines = [
    applied.length === 0 ? "" : `In force now: ${applied.join(", ")}.`,
    needsRestart.length === 0 ? "" : `Needs a restart of the daemon: ${needsRestart.join(", ")}.`,
  ].filter((line) => line !== "");
  return lines.length === 0 ? "Nothing has changed." : lines.map((line) => wrap(line, columns, "  ")).join("\n");
}

/** A description of the configuration as `path  value` lines. */
export function viewConfig(described: Readonly<Record<string, unknown>>, columns: number | undefined): string {
  return facts(
    leaves(described, "").filter(([, value]) => value !== undefined),
    columns,
  );
}

function leaves(value: unknown, path: string): [string, string][] {
  if (Array.isArray(value)) {
    if (value.every((item) => typeof item !== "object")) return [[path, value.length === 0 ? "none" : value.join(", ")]];
    return value.flatMap((item: unknown, place) => leaves(item, `${path}[${place}]`));
  }
  if (typeof value !== "object" || value === null || value instanceof Date)
    return [[path, value instanceof Date ? value.toISOString() : String(value)]];
  const entries = Object.entries(value);
  return entries.length === 0 ? [[path, "none"]] : entries.flatMap(([key, item]) => leaves(item, path === "" ? key : `${path}.${key}`));
}
