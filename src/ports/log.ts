/** One line per fact: `facts` are joined to the line; never message texts or secrets. pino satisfies it. */
export interface Log {
  readonly debug: (facts: object, line: string) => void;
  readonly info: (facts: object, line: string) => void;
  readonly warn: (facts: object, line: string) => void;
  readonly error: (facts: object, line: string) => void;
}
