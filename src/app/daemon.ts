import { InvariantError, RuntimeError } from "../core/errors.ts";
import type { Config } from "./config/config.ts";
import { createGateway } from "./gateway.ts";
import { optionsOf } from "./gateway-options.ts";
import { createSystemClock } from "./system-clock.ts";
import { createWatchdog } from "./watchdog.ts";

/** A deadline that drains did not meet is exceeded by at most this before the process ends all the same. */
const HARD_STOP_MS = 2_000;

/**
 * Runs the daemon until a signal has drained it; resolves to the exit code. A second signal ends the process at once: nothing that was
 * acknowledged is lost by it, since everything acknowledged is committed.
 * @throws ConfigError from the store, the port and the channels
 */
export async function startDaemon(config: Config): Promise<number> {
  const options = await optionsOf(config);
  const { log, screen } = options;
  const gateway = createGateway({ ...options, onQuit: () => onSignal("SIGINT") });
  const watchdog = createWatchdog({ env: process.env, clock: createSystemClock(), log });
  let signals = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    signals += 1;
    if (signals > 1) {
      log.warn({ signal }, "second signal: ending at once; everything acknowledged is stored");
      process.exit(1);
    }
    log.info({ signal }, "shutting down; a second signal ends at once");
    setTimeout(() => process.exit(1), config.limits.drainTimeoutMs + HARD_STOP_MS).unref();
    watchdog.stopping();
    void gateway.shutdown();
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  try {
    await gateway.start();
    watchdog.ready();
    const address = gateway.address();
    const root = address ? `http://${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}` : undefined;
    const { store, version } = await gateway.status();
    if (screen.hasPrompt())
      screen.print(`satibot ${version} is ready${root && config.web ? `, with a page at ${root}/` : ""}. Write a message, or /help.`);
    else log.info({ store, http: root }, `satibot is ready; try: npx satibot send api:me "hello"`);
    await gateway.run();
    log.info({}, "stopped; everything is stored");
    return 0;
  } catch (error) {
    await gateway.shutdown().catch(() => undefined);
    // What says what to do is one line on standard error; anything else is a bug and keeps its stack.
    if (error instanceof RuntimeError && !(error instanceof InvariantError)) throw error;
    log.error({ err: error }, "the daemon failed");
    return 1;
  } finally {
    watchdog.stop();
    process.off("SIGTERM", onSignal);
    process.off("SIGINT", onSignal);
  }
}
