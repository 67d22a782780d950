/** The command line of the demo. */
import { parseArgs } from "node:util";

export interface DemoOptions {
  readonly chats: number;
  readonly messages: number;
  readonly seed: number;
  /** Time over which the messages arrive, milliseconds. */
  readonly windowMs: number;
}

/** `usage` is what to print; exit code 64 when `isMistake`. */
export type CommandLine = { readonly options: DemoOptions } | { readonly usage: string; readonly isMistake: boolean };

const CHATS_MAX = 2_000;
const MESSAGES_MAX = 10_000;
const SEED_MAX = 2 ** 32 - 1;
/** Between two messages on average, until the window is full. */
const GAP_MS = 60;
const WINDOW_MAX_MS = 20_000;
const QUICK = { chats: 9, messages: 10 };
const USUAL = { chats: 36, messages: 72 };

const HELP = `Usage: npm run demo -- [options]

Simulated people on Telegram, Discord and WhatsApp, cron jobs and an administrator at once, on the real
runtime; then the same messages through a synchronous gateway, and both measured. Nothing leaves this
machine, and the store is a temporary folder that is removed. Ctrl-C ends it.

  --quick          few messages, about four seconds (${QUICK.messages} messages in ${QUICK.chats} chats)
  --chats <n>      chats, over the three platforms; 3 to ${CHATS_MAX} (default ${USUAL.chats})
  --messages <n>   messages; 1 to ${MESSAGES_MAX} (default ${USUAL.messages}); the synchronous run takes about 0.2 s for each
  --seed <n>       another play: who writes what and when, and how long everything takes; 0 to ${SEED_MAX} (default 1)
  -h, --help       this text

Model and platforms answer in about a tenth of the time that real ones take, so that the synchronous run ends.
`;

/** Reads the arguments behind the file name; says what is wrong with them instead of throwing. */
export function readCommandLine(args: readonly string[]): CommandLine {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        quick: { type: "boolean", default: false },
        chats: { type: "string" },
        messages: { type: "string" },
        seed: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help) return { usage: HELP, isMistake: false };
    const size = values.quick ? QUICK : USUAL;
    const messages = wholeNumber("messages", values.messages, size.messages, 1, MESSAGES_MAX);
    return {
      options: {
        chats: wholeNumber("chats", values.chats, size.chats, 3, CHATS_MAX),
        messages,
        seed: wholeNumber("seed", values.seed, 1, 0, SEED_MAX),
        windowMs: Math.min(WINDOW_MAX_MS, messages * GAP_MS),
      },
    };
  } catch (error) {
    // The first sentence: what follows explains ways of writing that no option here needs.
    const [why] = (error instanceof Error ? error.message : String(error)).split(/\.\s/);
    return { usage: `demo: ${why}; npm run demo -- --help shows the options\n`, isMistake: true };
  }
}

function wholeNumber(name: string, text: string | undefined, usual: number, min: number, max: number): number {
  if (text === undefined) return usual;
  const number = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new RangeError(`--${name} must be a whole number from ${min} to ${max}, not ${JSON.stringify(text.slice(0, 40))}`);
}
