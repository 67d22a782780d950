/**
 * The account of a run, drawn from outside: what the client was told is accepted, what the people heard, in order, and what the agent
 * wrote down. Names every way in which they disagree with the promises; satibot's own tables speak only where a repetition is excused.
 */

/** One attempt that the agent wrote down, in the order of the file. */
export interface LedgerLine {
  readonly chat: string;
  readonly n: number;
  readonly turnId: string;
  readonly attempt: number;
}

export interface ChatAccount {
  readonly chat: string;
  /** Numbers of the accepted messages, in the order of acceptance. */
  readonly accepted: readonly number[];
  /** Every text that the person received, repetitions included. */
  readonly heard: readonly string[];
  /** Texts whose outbox row says `ambiguous`. */
  readonly ambiguous: ReadonlySet<string>;
}

/** Parts of the answer to message `n`. */
export function partsOf(n: number): number {
  if (n % 5 === 0) return 3;
  return n % 7 === 0 ? 2 : 1;
}

export function readLedger(text: string): readonly LedgerLine[] {
  // The last line of a file whose writer was killed may be torn.
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [chat = "", n, turnId = "", attempt] = line.split(" ");
      return { chat, n: Number(n), turnId, attempt: Number(attempt) };
    });
}

/** What a text heard twice in a row comes to: the texts without their repetitions, and those repeated. */
export function collapse(heard: readonly string[]): { readonly once: readonly string[]; readonly repeated: readonly string[] } {
  const isRepetition = (text: string, place: number): boolean => place > 0 && heard[place - 1] === text;
  return {
    once: heard.filter((text, place) => !isRepetition(text, place)),
    repeated: heard.filter(isRepetition),
  };
}

/** Every broken promise as a sentence; empty when all hold. */
export function faultsOf(account: ChatAccount, ledger: readonly LedgerLine[]): readonly string[] {
  const own = ledger.filter((line) => line.chat === account.chat);
  return [...faultsOfReplies(account), ...faultsOfTurns(account, own)].map((fault) => `${account.chat}: ${fault}`);
}

function faultsOfReplies({ accepted, heard, ambiguous }: ChatAccount): readonly string[] {
  const { once, repeated } = collapse(heard);
  const expected = accepted.flatMap((n) => Array.from({ length: partsOf(n) }, (_, place) => `${n} ${place + 1}/${partsOf(n)}`));
  const got = once.map((text) => text.split(" ").slice(0, 2).join(" "));
  const faults = repeated.filter((text) => !ambiguous.has(text)).map((text) => `"${text}" is repeated, and its row is not ambiguous`);
  for (const place of Array(Math.max(expected.length, got.length)).keys()) {
    if (expected[place] === got[place]) continue;
    return [...faults, `reply ${place} is "${got[place]}" and should be "${expected[place]}" (${got.length} of ${expected.length} came)`];
  }
  return faults;
}

function faultsOfTurns({ accepted, heard }: ChatAccount, ledger: readonly LedgerLine[]): readonly string[] {
  const faults: string[] = [];
  const turns = new Set<string>();
  for (const n of accepted) {
    const attempts = ledger.filter((line) => line.n === n);
    const ids = new Set(attempts.map((line) => line.turnId));
    if (ids.size !== 1) faults.push(`message ${n} was given to ${ids.size} turns: ${[...ids].join(", ")}`);
    for (const id of ids) if (turns.has(id)) faults.push(`turn ${id} answered more than one message`);
    for (const id of ids) turns.add(id);
    const isRising = attempts.every((line, place) => place === 0 || line.attempt > (attempts[place - 1]?.attempt ?? 0));
    if (!isRising) faults.push(`attempts of message ${n} do not rise: ${attempts.map((line) => line.attempt).join(", ")}`);
    const last = attempts.at(-1);
    const answers = new Set(heard.filter((text) => text.startsWith(`${n} `)).map((text) => text.split(" ").slice(2).join(" ")));
    const committed = `${last?.turnId} ${last?.attempt}`;
    if (answers.size !== 1 || !answers.has(committed)) {
      faults.push(`message ${n} was answered by "${[...answers].join('", "')}", and its last attempt is "${committed}"`);
    }
  }
  const order = ledger.map((line) => accepted.indexOf(line.n));
  const place = order.findIndex((at, index) => index > 0 && at < (order[index - 1] ?? 0));
  if (place > 0) faults.push(`message ${ledger[place]?.n} ran after message ${ledger[place - 1]?.n}`);
  if (order.includes(-1)) faults.push(`a turn ran for a message that was never accepted`);
  return faults;
}
