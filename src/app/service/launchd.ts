import { join } from "node:path";
import { CommandError, EXIT } from "../cli/io.ts";
import { MARKER, type ServiceHost, type ServiceManager, type ServiceSpec, mustRun } from "./service.ts";

/** Seconds between two starts of a daemon that fails. */
const THROTTLE_S = 30;
const STOP_MARGIN_S = 10;
/** launchd forgets a service some time after it was told to. */
const TRIES_MAX = 10;
const PAUSE_MS = 1_000;

/** The text of a launchd agent. @see launchd.plist(5) */
export function plistText(spec: ServiceSpec, logFile: string): string {
  const text = (value: string): string => `<string>${xml(value)}</string>`;
  const args = [spec.nodePath, spec.scriptPath, "start", ...(spec.configPath === undefined ? [] : ["--config", spec.configPath])];
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- ${MARKER}, which replaces this file. -->
<plist version="1.0">
<dict>
  <key>Label</key>
  ${text(spec.name)}
  <key>ProgramArguments</key>
  <array>
${args.map((word) => `    ${text(word)}`).join("\n")}
  </array>
  <key>WorkingDirectory</key>
  ${text(spec.folder)}
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ThrottleInterval</key>
  <integer>${THROTTLE_S}</integer>
  <key>ExitTimeOut</key>
  <integer>${Math.ceil(spec.drainTimeoutMs / 1_000) + STOP_MARGIN_S}</integer>
  <key>Umask</key>
  <integer>63</integer>
  <key>StandardOutPath</key>
  ${text(logFile)}
  <key>StandardErrorPath</key>
  ${text(logFile)}
</dict>
</plist>
`;
}

/** Services of launchd, in the session of the user who installs them. */
export function createLaunchd(host: ServiceHost): ServiceManager {
  const domain = `gui/${host.userId}`;
  const target = (name: string): string => `${domain}/${name}`;
  const fileOf = (name: string): string => join(host.home, "Library/LaunchAgents", `${name}.plist`);
  const logOf = (name: string): string => join(host.home, "Library/Logs", `${name}.log`);
  const advice = (name: string): string => `see ${logOf(name)}, and log in at the screen: launchd's agents need a session there`;

  return {
    fileOf,
    logHint: (name) => `tail -f ${logOf(name)}`,
    plan: (spec) =>
      Promise.resolve({
        file: fileOf(spec.name),
        text: plistText(spec, logOf(spec.name)),
        commands: [
          ["launchctl", "bootout", target(spec.name)],
          ["launchctl", "enable", target(spec.name)],
          ["launchctl", "bootstrap", domain, fileOf(spec.name)],
        ],
        notes: [
          `it runs while you are logged in, and starts when you log in`,
          `launchd starts it again every ${THROTTLE_S} s also when its configuration is wrong; \`satibot config check\` says what is`,
        ],
      }),
    check: async () => {
      if (await host.hasProgram("launchctl")) return;
      throw new CommandError(EXIT.failed, "launchctl was not found; let another supervisor run `satibot start`");
    },
    start: async (spec, changed) => {
      const loaded = (await host.run("launchctl", ["print", target(spec.name)]))?.code === 0;
      if (loaded && !changed) {
        await mustRun(host, ["launchctl", "kickstart", target(spec.name)], advice(spec.name));
        return;
      }
      if (loaded) await host.run("launchctl", ["bootout", target(spec.name)]);
      await host.run("launchctl", ["enable", target(spec.name)]);
      const bootstrap = ["bootstrap", domain, fileOf(spec.name)];
      for (let tries = 1; tries < TRIES_MAX && loaded; tries += 1) {
        // The old one may still be draining.
        if ((await host.run("launchctl", bootstrap))?.code === 0) return;
        await host.pause(PAUSE_MS);
      }
      await mustRun(host, ["launchctl", ...bootstrap], advice(spec.name));
    },
    state: async (name) => {
      const file = fileOf(name);
      const printed = await host.run("launchctl", ["print", target(name)]);
      if (printed?.code !== 0) {
        const installed = (await host.readFile(file)) !== undefined;
        const sentence = installed
          ? `${name} is installed but not loaded; \`satibot service install\` loads it`
          : `${name} is not installed; \`satibot service install\` does it`;
        return { installed, running: false, file, sentence };
      }
      const fact = (key: string): string | undefined => new RegExp(`^\\s*${key} = (.*)$`, "m").exec(printed.stdout)?.[1]?.trim();
      const pid = fact("pid");
      const running = pid !== undefined;
      const sentence = running
        ? `${name} runs as process ${pid}`
        : `${name} does not run (last exit code ${fact("last exit code") ?? "unknown"}); see ${logOf(name)}`;
      return { installed: true, running, file, sentence };
    },
    stop: async (name, removeFile) => {
      const loaded = (await host.run("launchctl", ["print", target(name)]))?.code === 0;
      if (loaded) await mustRun(host, ["launchctl", "bootout", target(name)], advice(name));
      await removeFile();
    },
    uninstallCommands: (name) => [["launchctl", "bootout", target(name)]],
  };
}

function xml(text: string): string {
  const names: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;" };
  return text.replace(/[&<>"']/g, (letter) => names[letter] ?? letter);
}
