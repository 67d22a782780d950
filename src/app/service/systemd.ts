import { join } from "node:path";
import { CommandError, EXIT } from "../cli/io.ts";
import { type ServiceHost, type ServiceManager, mustRun } from "./service.ts";
import { unitText } from "./systemd-unit.ts";

const SHOWN = ["LoadState", "ActiveState", "SubState", "Result", "ExecMainStatus", "NRestarts", "MainPID", "UnitFileState"];

/** Services of systemd: those of a user, or with `system` those of the machine. */
export function createSystemd(host: ServiceHost, system: boolean): ServiceManager {
  const systemctl = (...args: readonly string[]): readonly string[] => ["systemctl", ...(system ? [] : ["--user"]), ...args];
  const run = (command: readonly string[]) => host.run(command[0] ?? "", command.slice(1));
  const folder = system ? "/etc/systemd/system" : join(host.configHome ?? join(host.home, ".config"), "systemd/user");
  const fileOf = (name: string): string => join(folder, `${name}.service`);
  const systemUser = system ? (host.sudoUser ?? host.userName) : undefined;
  const journal = (name: string): string => `journalctl ${system ? "-u" : "--user -u"} ${name} -n 50`;
  const advice = (name: string): string => `see \`${journal(name)}\``;

  return {
    fileOf,
    logHint: (name) => `${journal(name)} -f`,
    plan: async (spec) => {
      const canNotify = await host.hasProgram("systemd-notify");
      return {
        file: fileOf(spec.name),
        text: unitText(spec, { systemUser, canNotify }),
        commands: [systemctl("daemon-reload"), systemctl("enable", `${spec.name}.service`), systemctl("restart", `${spec.name}.service`)],
        notes: [
          ...(canNotify ? [] : ["systemd-notify is not installed, so systemd restarts a daemon that ended, but not one that hangs"]),
          ...(systemUser === "root" ? ["it runs as root; call this with sudo as the user that it should run as"] : []),
          ...(system ? [] : [`to keep it running while you are logged out, and after a restart: loginctl enable-linger ${host.userName}`]),
        ],
      };
    },
    check: async () => {
      if (system && host.userId !== 0) throw new CommandError(EXIT.usage, "--system needs root: call it with sudo, or leave --system away");
      if (!system && host.userId === 0 && host.sudoUser !== undefined) {
        throw new CommandError(EXIT.usage, "with sudo this would be a service of root: leave sudo away, or add --system");
      }
      const answer = await run(systemctl("show", "--property=Version"));
      if (answer === undefined) {
        throw new CommandError(
          EXIT.failed,
          "systemctl was not found, so this machine does not run systemd; let another supervisor run `satibot start`, or use the Dockerfile",
        );
      }
      if (answer.code === 0) return;
      const why = system
        ? "systemd does not run on this machine (in a container, use the container's own restarts)"
        : "systemd of this user does not answer; log in directly (not by su or sudo), or use --system with sudo";
      throw new CommandError(EXIT.failed, `${why}; nothing was changed`);
    },
    start: async (spec, changed) => {
      const unit = `${spec.name}.service`;
      await mustRun(host, systemctl("daemon-reload"), "nothing was started");
      await mustRun(host, systemctl("enable", unit), "nothing was started");
      // One that failed too often is not started before this.
      await run(systemctl("reset-failed", unit));
      await mustRun(host, systemctl(changed ? "restart" : "start", unit), advice(spec.name));
    },
    state: async (name) => {
      const shown = await mustRun(host, systemctl("show", `${name}.service`, `--property=${SHOWN.join(",")}`), "is systemd running?");
      const facts = new Map(
        shown.split("\n").map((line): [string, string] => [line.split("=")[0] ?? "", line.slice(line.indexOf("=") + 1)]),
      );
      const file = fileOf(name);
      const installed = facts.get("LoadState") === "loaded";
      const active = facts.get("ActiveState") ?? "unknown";
      if (!installed) return { installed, running: false, file, sentence: `${name} is not installed; \`satibot service install\` does it` };
      const restarts = Number(facts.get("NRestarts") ?? 0);
      const again = restarts === 0 ? "" : `, restarted ${restarts} ${restarts === 1 ? "time" : "times"}`;
      const atBoot = facts.get("UnitFileState") === "enabled" ? "" : "; it is not enabled, and will not start by itself";
      const isRunning = active === "active";
      const why =
        facts.get("Result") === "success" ? "" : ` (${facts.get("Result")}, exit code ${facts.get("ExecMainStatus")}); ${advice(name)}`;
      const sentence = isRunning
        ? `${name} runs as process ${facts.get("MainPID")}${again}${atBoot}`
        : `${name} is ${active} (${facts.get("SubState")})${again}${why}${atBoot}`;
      return { installed, running: isRunning, file, sentence };
    },
    stop: async (name, removeFile) => {
      await mustRun(host, systemctl("disable", "--now", `${name}.service`), advice(name));
      await removeFile();
      await mustRun(host, systemctl("daemon-reload"), "the file is removed all the same");
      await run(systemctl("reset-failed", `${name}.service`));
    },
    uninstallCommands: (name) => [systemctl("disable", "--now", `${name}.service`), systemctl("daemon-reload")],
  };
}
