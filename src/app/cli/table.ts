import { displayWidth, fit, oneLine } from "./text.ts";

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  /** Numbers stand at the right. */
  readonly right?: boolean;
  /** Gives way first when the terminal is narrow, down to this many columns. */
  readonly shrinksTo?: number;
}

const GAP = "  ";

/**
 * Rows under titles, in the order given. On a terminal of `columns` every line fits: columns with `shrinksTo` give way, the widest first,
 * then the line is cut. Without `columns` (a pipe) nothing is cut. Columns that are empty in every row are left out.
 */
export function table<Row>(rows: readonly Row[], wanted: readonly Column<Row>[], columns: number | undefined): string {
  const all = wanted.map((column) => ({ ...column, cells: rows.map((row) => oneLine(column.cell(row))) }));
  const shown = all.filter((column) => column.cells.some((cell) => cell !== ""));
  const widths = shown.map((column) => Math.max(displayWidth(column.title), ...column.cells.map(displayWidth)));
  if (columns !== undefined) shrink(widths, shown, columns);
  const line = (cells: readonly string[]): string => {
    const padded = cells.map((cell, place) => {
      const width = widths[place] ?? 0;
      const text = fit(cell, width);
      const space = " ".repeat(width - displayWidth(text));
      return shown[place]?.right === true ? space + text : text + space;
    });
    const joined = padded.join(GAP).trimEnd();
    return columns === undefined ? joined : fit(joined, columns);
  };
  return [line(shown.map((column) => column.title)), ...rows.map((_, row) => line(shown.map((column) => column.cells[row] ?? "")))].join(
    "\n",
  );
}

function shrink(widths: number[], shown: readonly { readonly shrinksTo?: number }[], columns: number): void {
  const total = (): number => widths.reduce((sum, width) => sum + width, 0) + GAP.length * Math.max(0, widths.length - 1);
  for (let over = total() - columns; over > 0; over -= 1) {
    let widest = -1;
    for (const [place, column] of shown.entries()) {
      const width = widths[place] ?? 0;
      if (column.shrinksTo !== undefined && width > column.shrinksTo && width > (widths[widest] ?? 0)) widest = place;
    }
    if (widest < 0) return;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
}

/** `name  value` lines with the values under each other; entries without a value are left out. */
export function facts(entries: readonly (readonly [name: string, value: string | undefined])[], columns: number | undefined): string {
  const known = entries.filter((entry): entry is readonly [string, string] => entry[1] !== undefined && entry[1] !== "");
  const width = Math.max(0, ...known.map(([name]) => displayWidth(name)));
  return known
    .map(([name, value]) => {
      const line = `${name.padEnd(width)}${GAP}${oneLine(value)}`;
      return columns === undefined ? line : fit(line, columns);
    })
    .join("\n");
}
