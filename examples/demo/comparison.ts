/** The table at the end: both gateways beside each other, in measured figures alone. */
import type { Measures } from "./meter.ts";
import { wrap, type Span } from "./screen.ts";

const NARROW = 66;

interface Row {
  readonly label: string;
  readonly short: string;
  readonly value: (measures: Measures) => string;
}

const ROWS: readonly Row[] = [
  { label: "Messages answered", short: "Answered", value: ({ messages }) => String(messages) },
  { label: "Answers per second", short: "Answers/s", value: ({ messages, elapsedMs }) => ((messages * 1_000) / elapsedMs).toFixed(1) },
  { label: "Latency, median (p50)", short: "Latency p50", value: ({ latencyP50Ms }) => ms(latencyP50Ms) },
  { label: "Latency, 99 % (p99)", short: "Latency p99", value: ({ latencyP99Ms }) => ms(latencyP99Ms) },
  { label: "Messages waiting, most", short: "Waiting, most", value: ({ waitingMax }) => String(waitingMax) },
  { label: "Messages waiting, mean", short: "Waiting, mean", value: ({ waitingMean }) => waitingMean.toFixed(1) },
  { label: "CPU time", short: "CPU time", value: ({ cpuMs }) => ms(cpuMs) },
  { label: "Elapsed", short: "Elapsed", value: ({ elapsedMs }) => ms(elapsedMs) },
];

/** Lines of the table, at most `columns` wide from 46 columns on. */
export function viewComparison(synchronous: Measures, eventLoop: Measures, columns: number): readonly (readonly Span[])[] {
  const isNarrow = columns < NARROW;
  const titles = isNarrow ? ["sync gateway", "event loop"] : ["synchronous gateway", "async event loop"];
  const widths = titles.map((title) => title.length + (isNarrow ? 2 : 4));
  const label = isNarrow ? 14 : 24;
  const line = (name: string, cells: readonly string[]): [string, string, string] => [
    name.padEnd(label),
    (cells[0] ?? "").padStart(widths[0] ?? 0),
    (cells[1] ?? "").padStart(widths[1] ?? 0),
  ];
  return [
    [["bold", line("", titles).join("")]],
    [["dim", "─".repeat(label + widths.reduce((sum, width) => sum + width, 0))]],
    ...ROWS.map((row): readonly Span[] => {
      const [name, left, right] = line(isNarrow ? row.short : row.label, [row.value(synchronous), row.value(eventLoop)]);
      return [["dim", name], left, ["bold", right]];
    }),
  ];
}

/** What the figures hide, on either side. */
export function viewFairness(
  { seed, cronTurns, commands }: { readonly seed: number; readonly cronTurns: number; readonly commands: number },
  columns: number,
): readonly string[] {
  return [
    `The same messages at the same times and the same simulated latencies (seed ${seed}).`,
    "Latency: from a message's arrival until its platform has accepted the reply.",
    "Durability costs CPU: only the event loop stores every message, turn and reply.",
    `It began cold, and also ran ${count(cronTurns, "cron turn")} and ${count(commands, "command")}; drawing is left out.`,
  ].flatMap((text) => wrap(text, columns));
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

function ms(value: number): string {
  return value < 1_000 ? `${value.toFixed(0)} ms` : `${(value / 1_000).toFixed(2)} s`;
}
