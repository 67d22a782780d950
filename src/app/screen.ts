/** Where the daemon writes for the person who started it: standard output or, once a prompt is open there, above that prompt. */
export interface Screen {
  /** One or more lines, written before the call returns where there is no prompt. */
  readonly print: (text: string) => void;
  /** From now on `print` goes through the prompt. */
  readonly attach: (print: (text: string) => void) => void;
  /** True once a prompt is attached. */
  readonly hasPrompt: () => boolean;
  readonly isTerminal: boolean;
  /** Undefined where the output goes elsewhere than to a terminal. */
  readonly columns: () => number | undefined;
}

/** @param stream - standard output, or standard error when standard output belongs to a conversation */
export function createScreen(stream: NodeJS.WriteStream): Screen {
  let through: ((text: string) => void) | undefined;
  return {
    print: (text) => {
      if (through) through(text);
      else stream.write(`${text}\n`);
    },
    attach: (print) => {
      through = print;
    },
    hasPrompt: () => through !== undefined,
    isTerminal: Boolean(stream.isTTY),
    columns: () => (stream.isTTY ? stream.columns : undefined),
  };
}
