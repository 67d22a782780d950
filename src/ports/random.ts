/** The only source of chance outside src/app; seeded in tests and in the simulator. */
export interface Random {
  /** A number in [0, 1). */
  readonly next: () => number;
  /** A new identifier, unique for all practical purposes: 16 characters of `0-9a-z`. */
  readonly id: () => string;
}
