/** Bodies of jobs: names and kinds of fields are checked here, so that every refusal names its field; what they mean is checked by the runtime. */
import { RequestError } from "../core/errors.ts";
import type { DeliverWhen, JobOverlap, MissedPolicy } from "../ports/store/job-records.ts";
import type { CronJobInput, ScheduleInput } from "../runtime/job-api.ts";

type Fields = Readonly<Record<string, unknown>>;
type Reader<T> = (value: unknown, path: string) => T;

const MISSED = ["skip", "once", "all"] as const satisfies readonly MissedPolicy[];
const OVERLAP = ["skip", "queue", "replace"] as const satisfies readonly JobOverlap[];
const WHEN = ["always", "failure", "nonEmpty", "answer"] as const satisfies readonly DeliverWhen[];
const SESSION = ["job", "chat"] as const;

/** What a patch may say: any field of a job but its id; `null` takes a setting back to its default. */
export interface JobPatch {
  readonly fields: Partial<Omit<CronJobInput, "id">>;
  /** Settings that go back to their default. */
  readonly cleared: readonly string[];
  readonly paused: boolean | undefined;
}

const text: Reader<string> = (value, path) => (typeof value === "string" ? value : refuse(path, "must be a string"));
const flag: Reader<boolean> = (value, path) => (typeof value === "boolean" ? value : refuse(path, "must be true or false"));
const wholeNumber: Reader<number> = (value, path) =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : refuse(path, "must be a whole number from 0");
const duration: Reader<string | number> = (value, path) =>
  typeof value === "string" || typeof value === "number" ? value : refuse(path, 'must be a duration such as "30s", or milliseconds');
const instant: Reader<string | number> = (value, path) =>
  typeof value === "string" || typeof value === "number"
    ? value
    : refuse(path, 'must be an instant such as "2030-01-31T09:00:00Z", or epoch milliseconds');
const oneOf =
  <T extends string>(values: readonly T[]): Reader<T> =>
  (value, path) =>
    values.find((one) => one === value) ?? refuse(path, `must be one of ${values.join(", ")}`);
const texts: Reader<readonly string[]> = (value, path) =>
  Array.isArray(value) ? value.map((item: unknown, place) => text(item, `${path}[${place}]`)) : refuse(path, "must be a list of strings");

const schedule: Reader<ScheduleInput> = (value, path) => {
  const fields = object(
    value,
    path,
    ["every", "anchor", "at", "cron", "timezone"],
    'such as { "cron": "0 9 * * *", "timezone": "Europe/Paris" }',
  );
  const kinds = ["every", "at", "cron"].filter((kind) => fields[kind] !== undefined);
  if (kinds.length !== 1) refuse(path, "needs exactly one of every, at and cron");
  const [kind = ""] = kinds;
  const stray = { every: ["timezone"], at: ["timezone", "anchor"], cron: ["anchor"] }[kind]?.find((name) => fields[name] !== undefined);
  if (stray !== undefined) refuse(`${path}.${stray}`, `does not go with ${kind}; leave it out`);
  if (kind === "at") return { at: instant(fields.at, `${path}.at`) };
  if (kind === "cron") return { cron: text(fields.cron, `${path}.cron`), ...optional(fields, "timezone", text, path) };
  return { every: duration(fields.every, `${path}.every`), ...optional(fields, "anchor", instant, path) };
};

const deliver: Reader<NonNullable<CronJobInput["deliver"]>> = (value, path) => {
  const fields = object(value, path, ["chat", "chats", "when", "silence"], 'such as { "chat": "telegram:123" }');
  if (fields.chat === undefined && fields.chats === undefined) refuse(path, "needs chat or chats; leave it out to deliver nothing");
  return {
    ...optional(fields, "chat", text, path),
    ...optional(fields, "chats", texts, path),
    ...optional(fields, "when", oneOf(WHEN), path),
    ...optional(fields, "silence", text, path),
  };
};

const retry: Reader<NonNullable<CronJobInput["retry"]>> = (value, path) => {
  const fields = object(value, path, ["attempts", "backoff"], 'such as { "attempts": 3, "backoff": "30s" }');
  return { ...optional(fields, "attempts", wholeNumber, path), ...optional(fields, "backoff", duration, path) };
};

const SETTINGS = {
  name: text,
  message: text,
  schedule,
  deliver,
  session: oneOf(SESSION),
  missed: oneOf(MISSED),
  grace: duration,
  missedMax: wholeNumber,
  overlap: oneOf(OVERLAP),
  retry,
  timeout: duration,
  stagger: duration,
  jitter: duration,
  until: instant,
  maxRuns: wholeNumber,
  disableAfter: wholeNumber,
} as const satisfies { readonly [K in keyof CronJobInput]?: Reader<CronJobInput[K]> };

const NAMES = Object.keys(SETTINGS) as readonly (keyof typeof SETTINGS)[];
/** Without these a job is none. */
const REQUIRED = ["message", "schedule"];

/** The body of `POST /api/jobs`. @throws RequestError BAD_REQUEST with the field in `path` */
export function parseJobBody(body: Fields): { readonly job: CronJobInput; readonly paused: boolean } {
  const fields = object(body, "body", ["id", "paused", ...NAMES], "");
  for (const name of ["id", ...REQUIRED]) if (fields[name] === undefined) refuse(`body.${name}`, "is missing");
  const job = { id: text(fields.id, "body.id"), ...settingsOf(fields) } as CronJobInput;
  return { job, paused: fields.paused === undefined ? false : flag(fields.paused, "body.paused") };
}

/** The body of `PATCH /api/jobs/:id`. @throws RequestError BAD_REQUEST with the field in `path` */
export function parseJobPatch(body: Fields): JobPatch {
  const fields = object(body, "body", ["paused", ...NAMES], "");
  const cleared = NAMES.filter((name) => fields[name] === null);
  const kept = cleared.find((name) => REQUIRED.includes(name));
  if (kept !== undefined) refuse(`body.${kept}`, "cannot be taken away; write another");
  const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
  if (Object.keys(fields).length === 0) refuse("body", `changes nothing; write one of paused, ${NAMES.join(", ")}`);
  return { fields: settingsOf(given), cleared, paused: given.paused === undefined ? undefined : flag(given.paused, "body.paused") };
}

/** The body of `POST /api/jobs/:id/run`. @throws RequestError BAD_REQUEST */
export function parseRunBody(body: Fields): { readonly dry: boolean } {
  const fields = object(body, "body", ["dry"], "");
  return { dry: fields.dry === undefined ? false : flag(fields.dry, "body.dry") };
}

function settingsOf(fields: Fields): Partial<Omit<CronJobInput, "id">> {
  const found: Record<string, unknown> = {};
  for (const name of NAMES) if (fields[name] !== undefined) found[name] = SETTINGS[name](fields[name], `body.${name}`);
  return found;
}

function optional<K extends string, T>(fields: Fields, name: K, read: Reader<T>, path: string): { readonly [P in K]?: T } {
  const value = fields[name];
  return (value === undefined ? {} : { [name]: read(value, `${path}.${name}`) }) as { readonly [P in K]?: T };
}

/** An object without fields that nobody knows: a typing mistake would be a setting that is silently not there. */
function object(value: unknown, path: string, known: readonly string[], example: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return refuse(path, `must be an object ${example}`.trim());
  const stray = Object.keys(value).find((name) => !known.includes(name));
  if (stray !== undefined) refuse(`${path}.${stray.slice(0, 40)}`, `is no field of this; known are ${known.join(", ")}`);
  return value as Fields;
}

function refuse(path: string, why: string): never {
  throw new RequestError("BAD_REQUEST", `${path}: ${why}`, { path });
}
