/** When the live area is drawn: keys that come together are one write, a stream is drawn at a bounded rate, a slow output is waited for. */
import type { CancelTimer, Clock } from "../../ports/clock.ts";
import type { Done } from "./front.ts";
import { createPainter, type Frame } from "./painter.ts";
import type { Sink, TerminalOutput } from "./sink.ts";

export interface Screen {
  readonly isOpen: () => boolean;
  /** From now on there is a live area, below the lines of a greeting. */
  readonly open: (opening: string, greeting: string) => void;
  /** Clears the live area; what is scrolled afterwards is written as it is. */
  readonly close: (closing: string) => void;
  /** Complete lines above the live area, written before the call returns. */
  readonly scroll: (text: string, done?: Done) => void;
  /** Draws within `delayMs`; many calls are one drawing. */
  readonly draw: (delayMs?: number) => void;
  readonly clear: () => void;
  /** Columns that text may use: the last one stays free, where some terminals break the line early. */
  readonly columns: () => number;
  readonly rows: () => number;
}

/** An output that lags behind this far is not drawn to again before it has caught up. */
const PENDING_MAX = 64 * 1024;
const LOOK_AGAIN_MS = 40;
const CLEAR_SCREEN = "\u001b[H\u001b[2J";

export function createScreen(options: {
  readonly sink: Sink;
  readonly output: TerminalOutput;
  readonly clock: Clock;
  readonly frame: () => Frame;
}): Screen {
  const { sink, output, clock, frame } = options;
  const painter = createPainter();
  let isOpen = false;
  let drawing: { readonly delayMs: number; readonly cancel: CancelTimer } | undefined;

  const terminalColumns = (): number => Math.max(8, output.columns || 80);

  const write = (above: string, done?: Done): void => {
    drawing?.cancel();
    drawing = undefined;
    if (!isOpen) return sink.write(above, done);
    if (above === "" && sink.pending() > PENDING_MAX) return draw(LOOK_AGAIN_MS);
    sink.write(painter.paint(above, frame(), terminalColumns()), done);
  };

  const draw = (delayMs = 0): void => {
    if (!isOpen || (drawing && drawing.delayMs <= delayMs)) return;
    drawing?.cancel();
    drawing = { delayMs, cancel: clock.setTimer(delayMs, () => write("")) };
  };

  return {
    isOpen: () => isOpen,
    open: (opening, greeting) => {
      isOpen = true;
      sink.write(opening);
      write(greeting);
    },
    close: (closing) => {
      drawing?.cancel();
      drawing = undefined;
      isOpen = false;
      sink.write(painter.paint("", undefined, terminalColumns()) + closing);
    },
    scroll: (text, done) => write(`${text}\n`, done),
    draw,
    clear: () => write(CLEAR_SCREEN),
    columns: () => terminalColumns() - 1,
    rows: () => Math.max(4, output.rows || 24) - 1,
  };
}
