import { isatty } from "node:tty";
import { InvariantError, RuntimeError } from "../core/errors.ts";
import { type Config, loadConfig } from "./config/config.ts";
import { withEnvironmentFile } from "./config/environment-file.ts";
import { watchFile } from "./file-watch.ts";
import { createDeadManSwitch } from "./dead-man.ts";
import { createGateway } from "./gateway.ts";
import { optionsOf } from "./gateway-options.ts";
import { createReloader } from "./reload.ts";
import { createSystemClock } from "./system-clock.ts";
import { createWatchdog } from "./watchdog.ts";

/** A deadline that drains did not meet is exceeded by at most this before the process ends all the same. */
const HARD_STOP_MS = 2_000;

/** How the daemon finds its configuration again. */
export interface DaemonOptions {
  /** As given to `loadConfig`. */
  readonly cwd: string;
  readonly configPath?: string;
  /** Read the file again whenever it changes. Default: what the configuration says. */
  readonly watch?: boolean;
}

/**
 * Runs the daemon until a signal has drained it; resolves to the exit code. A second signal ends the process at once: nothing that was
 * acknowledged is lost by it, since everything acknowledged is committed. SIGHUP reads the configuration again, unless it says that the
 * terminal has gone.
 * @throws ConfigError from the store, the port and the channels
 */
export async function startDaemon(config: Config, { cwd, configPath, watch = config.reload.watch }: DaemonOptions): Promise<number> {
  const options = await optionsOf(config);
  const { log, screen, levelOf } = options;
  const clock = createSystemClock();
  const gateway = createGateway({ ...options, onQuit: () => onSignal("SIGINT"), reload: () => reloader.reload("request") });
  const load = (): Promise<Config> => loadConfig({ cwd, configPath, env: withEnvironmentFile(process.env, cwd) });
  const deadMan = createDeadManSwitch({ clock, log, isAlive: async () => gateway.isReady() && (await gateway.health()).healthy });
  const reloader = createReloader({ config, load, gateway, log, levelOf, ping: deadMan.configure });
  const watchdog = createWatchdog({ env: process.env, clock, log });
  let signals = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    signals += 1;
    if (signals > 1) {
      log.warn({ signal }, "second signal: ending at once; everything acknowledged is stored");
      process.exit(1);
    }
    log.info({ signal }, "shutting down; a second signal ends at once");
    setTimeout(() => process.exit(1), reloader.config().limits.drainTimeoutMs + HARD_STOP_MS).unref();
    watchdog.stopping();
    deadMan.stop();
    void gateway.shutdown();
  };
  // Told of in the log, whatever it came to.
  const reload = (why: string): void => void reloader.reload(why).catch(() => undefined);
  const hadTerminal = isatty(0);
  const isHungUp = (): boolean => hadTerminal && !isatty(0);
  const onHangup = (): void => {
    // Its channel may have noticed first, and that was no other signal.
    if (isHungUp()) return signals === 0 ? onSignal("SIGHUP") : undefined;
    if (gateway.isReady()) reload("SIGHUP");
    else log.warn({}, "SIGHUP came while satibot was starting or stopping; send it again once it is ready");
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  process.on("SIGHUP", onHangup);
  let unwatch = (): void => undefined;
  let hasChanged = false;
  const onChange = (): void => (gateway.isReady() ? reload("file") : void (hasChanged = true));
  try {
    // From before the start, which may take a while: what is written meanwhile is a change, too.
    if (watch && config.file !== undefined) unwatch = watchFile({ file: config.file, clock, changed: onChange });
    else if (watch) log.warn({}, "there is no configuration file to watch; write one and restart");
    await gateway.start();
    watchdog.ready();
    deadMan.configure(config.ping);
    if (hasChanged) reload("file");
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
    unwatch();
    deadMan.stop();
    watchdog.stop();
    process.off("SIGTERM", onSignal);
    process.off("SIGINT", onSignal);
    process.off("SIGHUP", onHangup);
    // Node cannot leave by itself any more: at its exit it would set a terminal that is not there, and abort.
    if (isHungUp()) process.kill(process.pid, "SIGHUP");
  }
}
