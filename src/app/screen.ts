/** Where the daemon writes for the person who started it: standard output or, once a prompt is open there, above that prompt. */
export interface Screen {
  /** One or more lines, written before the call returns where there is no prompt. */
  readonly print: (text: string) => void;
  /** From now on `print` goes through the prompt. */
  readonly attach: (print: (text: string) => void) => void;
  readonly isTerminal: boolean;
  /** Undefined where the output goes elsewhere than to a terminal. */
  readonly columns: () => number | undefined;
}

/** @param stream - standard output, or standard error when standard output belongs to a conversation */
export function createScreen(stream: NodeJS.WriteStream): Screen {
  let print = (text: string): void => void stream.write(`${text}\n`);
  return {
    print: (text) => print(text),
    attach: (through) => {
      print = through;
    },
    isTerminal: stream.isTTY,
    columns: () => (stream.isTTY ? stream.columns : undefined),
  };
}
