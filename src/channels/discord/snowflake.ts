/**
 * Discord's ids: milliseconds since 2015 in the upper bits, so that their order is the order of time.
 * @see https://discord.com/developers/docs/reference#snowflakes
 */
const EPOCH_MS = 1_420_070_400_000;
const SNOWFLAKE = /^\d{1,20}$/;

export function isSnowflake(value: unknown): value is string {
  return typeof value === "string" && SNOWFLAKE.test(value);
}

/** Without BigInt, which is slow: of two numbers without leading zeros the longer is the greater. */
export function isLater(a: string, b: string): boolean {
  return a.length === b.length ? a > b : a.length > b.length;
}

/** Epoch milliseconds at which it was given out. */
export function timeOf(id: string): number {
  return Number(BigInt(id) >> 22n) + EPOCH_MS;
}

/** The id just below. */
export function before(id: string): string {
  const value = BigInt(id);
  return String(value > 0n ? value - 1n : 0n);
}

/** The id that lies `ms` earlier. */
export function earlier(id: string, ms: number): string {
  const value = BigInt(id) - (BigInt(ms) << 22n);
  return String(value > 0n ? value : 0n);
}
