import { CommandError, EXIT } from "../cli/io.ts";

export interface Choice<T extends string> {
  readonly value: T;
  readonly label: string;
  readonly hint?: string;
}

/** Questions to a person at a terminal. Each throws CommandError 1 when the person gives up (Ctrl+C, Escape). */
export interface Prompts {
  readonly begin: (title: string) => void;
  readonly say: (kind: "info" | "success" | "warn" | "error", text: string) => void;
  readonly confirm: (question: string) => Promise<boolean>;
  readonly choose: <T extends string>(question: string, choices: readonly Choice<T>[]) => Promise<T>;
  /** `problemOf` says what is wrong with an answer, or undefined. */
  readonly text: (question: string, initial: string, problemOf: (answer: string) => string | undefined) => Promise<string>;
  /** What is typed is not shown. */
  readonly secret: (question: string, problemOf: (answer: string) => string | undefined) => Promise<string>;
  /** Shows that something takes a while. */
  readonly during: <T>(text: string, work: Promise<T>) => Promise<T>;
}

/** The questions on this process's terminal. The library loads here: only somebody at a terminal needs it. */
export async function createTerminalPrompts(): Promise<Prompts> {
  const clack = await import("@clack/prompts");
  const answered = <T>(answer: T | typeof clack.CANCEL_SYMBOL): T => {
    if (answer !== clack.CANCEL_SYMBOL) return answer;
    throw new CommandError(EXIT.failed, "stopped; nothing was written");
  };
  return {
    begin: (title) => clack.intro(title),
    say: (kind, text) => clack.log[kind](text),
    confirm: async (message) => answered(await clack.confirm({ message })),
    choose: async <T extends string>(message: string, choices: readonly Choice<T>[]) => {
      const options = choices.map(({ value, label, hint }) => (hint === undefined ? { value, label } : { value, label, hint }));
      const chosen = answered(await clack.select<string>({ message, options }));
      return choices.find(({ value }) => value === chosen)?.value ?? Promise.reject(new Error(`no choice: ${chosen}`));
    },
    text: async (message, initialValue, problemOf) =>
      answered(await clack.text({ message, initialValue, validate: (answer) => problemOf(answer ?? "") })).trim(),
    secret: async (message, problemOf) =>
      answered(await clack.password({ message, clearOnError: true, validate: (answer) => problemOf(answer ?? "") })).trim(),
    during: async (text, work) => {
      const spinner = clack.spinner();
      spinner.start(text);
      try {
        return await work;
      } finally {
        spinner.clear();
      }
    },
  };
}
