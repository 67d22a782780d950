import type { PairingCode } from "../runtime/api.ts";
import { wirePairingCode } from "../http/wire.ts";
import type { Config, LogLevel } from "./config/config.ts";
import { secretsOf } from "./config/describe.ts";
import type { GatewayOptions } from "./gateway.ts";
import { createLog, type AdjustableLog } from "./log.ts";
import { viewPairingCode } from "./pairing-notice.ts";
import { createScreen, type Screen } from "./screen.ts";

/** Options, and what a daemon needs besides. */
export interface ConfiguredOptions extends GatewayOptions {
  readonly screen: Screen;
  readonly log: AdjustableLog;
  /** The level that a configuration asks for here. */
  readonly levelOf: (config: Config) => LogLevel;
}

/** What a checked configuration means for the gateway. */
export async function optionsOf(config: Config): Promise<ConfiguredOptions> {
  const { stdin, stdout, stderr } = process;
  // Undefined, whatever the types say, where there is no terminal.
  const isAtTerminal = Boolean(stdin.isTTY && stdout.isTTY);
  const hasTerminal = config.terminal ?? isAtTerminal;
  // Standard output belongs to the conversation where that is not a prompt.
  const screen = createScreen(hasTerminal && !isAtTerminal ? stderr : stdout);
  const write = hasTerminal ? (line: string) => screen.print(line.trimEnd()) : undefined;
  const levelOf = ({ log: { level } }: Config): LogLevel => level ?? (hasTerminal && isAtTerminal ? "warn" : "info");
  const log = createLog({ level: levelOf(config), pretty: screen.isTerminal, secrets: secretsOf(config), write });
  const { limits } = config;
  const tellCode = (code: PairingCode): void => screen.print(`\n${viewPairingCode(wirePairingCode(code), Date.now(), screen.columns())}\n`);
  return {
    tellCode,
    screen,
    levelOf,
    store: config.store.kind === "memory" ? "memory:" : `sqlite:${config.store.file}`,
    log,
    channels: {
      ...Object.fromEntries(config.channels.map(({ name, ...options }) => [name, options])),
      web: config.web,
      terminal: hasTerminal,
    },
    http: config.http,
    hooks: config.hooks,
    cron: config.cron,
    heartbeat: config.heartbeat,
    limits: {
      concurrentTurns: limits.concurrentTurns,
      inboxPerChat: limits.inboxPerChat,
      maxAttempts: limits.maxAttempts,
      turnTimeout: limits.turnTimeoutMs,
      idleTimeout: limits.idleTimeoutMs,
      drainTimeout: limits.drainTimeoutMs,
      outboxMaxAge: limits.outboxMaxAgeMs,
      eventRetention: limits.eventRetentionMs,
      dedupeRetention: limits.dedupeRetentionMs,
      inboxRetention: limits.inboxRetentionMs,
      historyRetention: limits.historyRetentionMs,
      runRetention: limits.runRetentionMs,
      jobsPerChat: limits.jobsPerChat,
      catchUpPerSecond: limits.catchUpPerSecond,
    },
  };
}
