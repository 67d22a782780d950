/** Random cron expressions, of all the forms that croner reads. */
import fc from "fast-check";

const value = (min: number, max: number): fc.Arbitrary<string> => fc.integer({ min, max }).map(String);
const range = (min: number, max: number): fc.Arbitrary<string> =>
  fc.tuple(fc.integer({ min, max }), fc.integer({ min, max })).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`);
const list = (one: fc.Arbitrary<string>): fc.Arbitrary<string> => fc.array(one, { minLength: 2, maxLength: 3 }).map((all) => all.join(","));

function field(min: number, max: number, stepMax: number): fc.Arbitrary<string> {
  const step = fc.integer({ min: 1, max: stepMax }).map((every) => `*/${every}`);
  const rangeStep = fc.tuple(range(min, max), fc.integer({ min: 1, max: 5 })).map(([span, every]) => `${span}/${every}`);
  return fc.oneof(
    { weight: 3, arbitrary: fc.constant("*") },
    { weight: 4, arbitrary: value(min, max) },
    { weight: 2, arbitrary: step },
    { weight: 2, arbitrary: range(min, max) },
    { weight: 1, arbitrary: rangeStep },
    { weight: 2, arbitrary: list(fc.oneof(value(min, max), range(min, max))) },
  );
}

const hour = fc.oneof(
  { weight: 3, arbitrary: field(0, 23, 12) },
  { weight: 2, arbitrary: value(0, 3) },
  { weight: 1, arbitrary: fc.constant("0-4") },
);
const dayOfMonth = fc.oneof(
  { weight: 6, arbitrary: fc.constant("*") },
  { weight: 2, arbitrary: field(1, 31, 15) },
  { weight: 1, arbitrary: fc.constantFrom("L", "LW", "1W", "15W", "31", "29") },
);
const month = fc.oneof(
  { weight: 6, arbitrary: fc.constant("*") },
  { weight: 2, arbitrary: field(1, 12, 6) },
  { weight: 1, arbitrary: fc.constantFrom("MAR", "OCT,NOV", "JAN-JUN") },
);
const dayOfWeek = fc.oneof(
  { weight: 6, arbitrary: fc.constant("*") },
  { weight: 2, arbitrary: field(0, 6, 3) },
  { weight: 1, arbitrary: fc.constantFrom("SUN", "MON-FRI", "FRI#2", "SUN#1", "5#3", "FRIL", "0L", "+MON", "+0") },
);

/** Five fields. */
export const fiveFields: fc.Arbitrary<string> = fc
  .tuple(field(0, 59, 30), hour, dayOfMonth, month, dayOfWeek)
  .map((fields) => fields.join(" "));

/** Six fields, seconds first. */
export const sixFields: fc.Arbitrary<string> = fc
  .tuple(fc.oneof(value(0, 59), fc.constantFrom("0,30", "*/20", "15-17")), fiveFields)
  .map(([second, rest]) => `${second} ${rest}`);

/** What two libraries read in one way: no `L`, `W`, `#`, `+`, and only one of the two days. */
export const plainFields: fc.Arbitrary<string> = fc
  .tuple(
    field(0, 59, 30),
    hour,
    fc.oneof(fc.tuple(field(1, 31, 15), fc.constant("*")), fc.tuple(fc.constant("*"), field(0, 6, 3))),
    field(1, 12, 6),
  )
  .map(([minute, hours, [dom, dow], months]) => `${minute} ${hours} ${dom} ${months} ${dow}`);
