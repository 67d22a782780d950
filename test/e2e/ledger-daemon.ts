/**
 * A daemon for the tests: the gateway as any program would use it, with an agent that writes each thing it does into an append-only file,
 * so that what happened can be told from outside. It is compiled beside the package and runs as a process of its own.
 */
import { appendFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createLog } from "../../src/app/log.ts";
import { createGateway, TransientError } from "../../src/index.ts";
import type { Agent, LimitOptions, TelegramGatewayOptions } from "../../src/index.ts";

/** Environment variable that carries the options as JSON. */
export const OPTIONS_VARIABLE = "E2E_DAEMON";

export interface LedgerDaemonOptions {
  readonly port: number;
  /** SQLite file. */
  readonly store: string;
  /** The append-only file: a line `chat n turnId attempt` for each attempt that begins. */
  readonly ledger: string;
  /** Folder of flag files that change what the agent does while it runs: `outage`, `mended`. */
  readonly flags: string;
  readonly telegram?: TelegramGatewayOptions;
  readonly limits?: LimitOptions;
}

/**
 * What the agent understands. `say <n> <parts> <delayMs>` answers in that many parts; `throw <n>` throws until the flag `mended` is set;
 * `die <n>` kills the process; `stumble <n> <delayMs>` is slow at its first attempt, fails at its second, and then answers. While the
 * flag `outage` is set every turn fails.
 */
export function createLedgerAgent({ ledger, flags }: Pick<LedgerDaemonOptions, "ledger" | "flags">): Agent {
  const isSet = (flag: string): boolean => existsSync(join(flags, flag));
  return async function* answer(turn, { signal }) {
    const [verb, n = "?", ...rest] = turn.messages
      .map((message) => message.text)
      .join(" ")
      .split(" ");
    appendFileSync(ledger, `${turn.chat} ${n} ${turn.turnId} ${turn.attempt}\n`);
    if (isSet("outage")) throw new TransientError("AGENT_FAILED", "the provider is down", { retryAfterMs: 200 });
    if (verb === "throw" && !isSet("mended")) throw new TypeError("cannot read properties of this message");
    if (verb === "die" && !isSet("mended")) process.kill(process.pid, "SIGKILL");
    if (verb === "stumble" && turn.attempt === 1) await sleep(Number(rest[0]), undefined, { signal });
    if (verb === "stumble" && turn.attempt === 2) throw new TransientError("AGENT_FAILED", "stumbled", { retryAfterMs: 50 });
    const [parts = 1, delayMs = 0] = verb === "say" ? rest.map(Number) : [];
    await sleep(delayMs, undefined, { signal });
    for (let part = 1; part <= parts; part += 1) {
      yield [{ type: "text", text: `${n} ${part}/${parts} ${turn.turnId} ${turn.attempt}` }];
    }
  };
}

async function run(options: LedgerDaemonOptions): Promise<void> {
  const gateway = createGateway({
    store: `sqlite:${options.store}`,
    agent: createLedgerAgent(options),
    limits: options.limits,
    channels: options.telegram ? { telegram: options.telegram } : {},
    http: { port: options.port },
    log: createLog({ level: "info", pretty: false, secrets: [] }),
  });
  process.once("SIGTERM", () => void gateway.shutdown());
  await gateway.run();
}

const given = process.env[OPTIONS_VARIABLE];
if (given !== undefined) await run(JSON.parse(given) as LedgerDaemonOptions);
