/** Says where the time of a profiled bench went: `npm run bench -- turns --profile`. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { printTable } from "./machine.ts";

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
}

/** What V8 writes for `--cpu-prof`; times in microseconds. */
interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const SHOWN = 12;
const IDLE = new Set(["(idle)", "(program)", "(root)"]);

/** The functions with the most time of their own, for the largest profile in a folder. */
export function printProfile(title: string, folder: string): void {
  const texts = readdirSync(folder)
    .filter((file) => file.endsWith(".cpuprofile"))
    .map((file) => readFileSync(join(folder, file), "utf8"))
    .sort((a, b) => b.length - a.length);
  if (texts[0] === undefined) return console.error(`no profile in ${folder}`);
  const { nodes, samples, timeDeltas } = JSON.parse(texts[0]) as CpuProfile;
  const nameOf = new Map(nodes.map((node) => [node.id, nameOfNode(node)]));
  const selfUs = new Map<string, number>();
  for (const [place, id] of samples.entries()) {
    const name = nameOf.get(id) ?? "?";
    selfUs.set(name, (selfUs.get(name) ?? 0) + (timeDeltas[place] ?? 0));
  }
  const idleUs = selfUs.get("(idle)") ?? 0;
  const busy = [...selfUs].filter(([name]) => !IDLE.has(name)).sort((a, b) => b[1] - a[1]);
  const busyUs = busy.reduce((sum, [, us]) => sum + us, 0);
  printTable(`${title}: busy ${Math.round(busyUs / 1_000)} ms, idle ${Math.round(idleUs / 1_000)} ms`, [
    ["function", "own time, ms", "share"],
    ...busy.slice(0, SHOWN).map(([name, us]) => [name, Math.round(us / 1_000), `${((us / busyUs) * 100).toFixed(1)} %`]),
  ]);
}

function nameOfNode({ callFrame: { functionName, url, lineNumber } }: ProfileNode): string {
  const file = url.split("/").slice(-2).join("/");
  return file === "" ? functionName : `${functionName || "(anonymous)"} ${file}:${lineNumber + 1}`;
}
