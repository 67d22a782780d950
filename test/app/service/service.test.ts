import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CommandError, EXIT } from "../../../src/app/cli/io.ts";
import { addService } from "../../../src/app/cli/service-command.ts";
import type { RunResult, ServiceHost } from "../../../src/app/service/service.ts";
import { ConfigError } from "../../../src/core/errors.ts";

const FOREIGN = "[Service]\nExecStart=/bin/true\n";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "satibot-service-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

interface Machine extends ServiceHost {
  readonly files: Map<string, string>;
  /** Commands in order, as typed. */
  readonly ran: string[];
  readonly folders: string[];
}

interface MachineOptions extends Partial<ServiceHost> {
  /** Answers by the beginning of the command line; success without output otherwise. `"missing"`: there is no such program. */
  readonly answers?: Readonly<Record<string, RunResult | "missing">>;
}

function machine({ answers = {}, ...rest }: MachineOptions = {}): Machine {
  const files = new Map<string, string>();
  const [ran, folders]: [string[], string[]] = [[], []];
  return {
    platform: "linux",
    home: "/home/ann",
    userName: "ann",
    userId: 1_000,
    configHome: undefined,
    sudoUser: undefined,
    nodePath: "/usr/bin/node",
    scriptPath: "/opt/satibot/dist/src/app/main.js",
    hasProgram: () => Promise.resolve(true),
    run: (command, args) => {
      const line = [command, ...args].join(" ");
      ran.push(line);
      const key = Object.keys(answers).find((beginning) => line.startsWith(beginning));
      const answer = key === undefined ? { code: 0, stdout: "", stderr: "" } : answers[key];
      return Promise.resolve(answer === "missing" ? undefined : answer);
    },
    pause: () => Promise.resolve(),
    readFile: (path) => Promise.resolve(files.get(path)),
    writeFile: async (path, text) => void files.set(path, text),
    removeFile: async (path) => void files.delete(path),
    makeFolder: async (path) => void folders.push(path),
    files,
    ran,
    folders,
    ...rest,
  };
}

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function service(args: readonly string[], host: ServiceHost, env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const [out, err]: [string[], string[]] = [[], []];
  const program = new Command("satibot").exitOverride().configureOutput({ writeErr: (text) => void err.push(text) });
  const io = {
    out: (text: string) => void out.push(text),
    err: (text: string) => void err.push(text),
    columns: undefined,
    env,
    cwd: dir,
    now: () => 0,
  };
  let code: number = EXIT.ok;
  const tools = {
    io,
    version: "1.2.3",
    access: { api: () => Promise.reject(new Error("not used")), store: () => Promise.resolve(undefined) } as never,
    startDaemon: () => Promise.resolve(0),
    print: (options: { readonly json?: boolean }, value: unknown, view: () => string) =>
      void out.push(options.json === true ? JSON.stringify(value) : view()),
  };
  addService(program, tools, (exitCode) => void (code = exitCode), host);
  try {
    await program.parseAsync(["service", ...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    err.push(error.message);
    code = error instanceof CommandError ? error.exitCode : error instanceof ConfigError ? EXIT.config : EXIT.failed;
  }
  return { code, out: out.join("\n"), err: err.join("\n") };
}

const UNIT = "/home/ann/.config/systemd/user/satibot.service";
const SYSTEM_UNIT = "/etc/systemd/system/satibot.service";
const PLIST = "/home/ann/Library/LaunchAgents/satibot.plist";
const shown = (facts: string): RunResult => ({ code: 0, stdout: facts.replaceAll(" ", "\n"), stderr: "" });
const failing = (stderr: string): RunResult => ({ code: 1, stdout: "", stderr });

describe("satibot service install with systemd", () => {
  it("writes a unit of the user, enables and starts it, and says what comes next", async () => {
    const host = machine();
    const ran = await service(["install"], host);
    expect(ran.code).toBe(0);
    expect([...host.files.keys()]).toEqual([UNIT]);
    expect(host.folders).toEqual([join(dir, "data")]);
    expect(host.ran).toEqual([
      "systemctl --user show --property=Version",
      "systemctl --user daemon-reload",
      "systemctl --user enable satibot.service",
      "systemctl --user reset-failed satibot.service",
      "systemctl --user restart satibot.service",
    ]);
    expect(ran.out).toContain("satibot is installed and runs: http://127.0.0.1:7330/");
    expect(ran.out).toContain("journalctl --user -u satibot");
    expect(ran.err).toContain("loginctl enable-linger ann");
  });

  it("does nothing with --dry-run but print the file and the commands", async () => {
    const host = machine();
    const ran = await service(["install", "--dry-run"], host);
    expect([ran.code, host.files.size, host.ran, host.folders]).toEqual([0, 0, [], []]);
    expect(ran.out).toContain(`# ${UNIT}`);
    expect(ran.out).toContain("Type=notify\nNotifyAccess=all\nWatchdogSec=60");
    expect(ran.out).toContain("ExecReload=/bin/kill -HUP $MAINPID");
    expect(ran.out).toContain("systemctl --user restart satibot.service");
  });

  it("is fine twice, and restarts only what has changed", async () => {
    const host = machine();
    await service(["install"], host);
    host.ran.length = 0;
    expect((await service(["install"], host)).out).toContain("was installed already, and runs");
    expect(host.ran.at(-1)).toBe("systemctl --user start satibot.service");
    await writeFile(join(dir, "satibot.config.json"), JSON.stringify({ limits: { drainTimeout: "90s" } }));
    expect((await service(["install"], host)).out).toContain("was changed and runs again");
    expect(host.ran.at(-1)).toBe("systemctl --user restart satibot.service");
    expect(host.files.get(UNIT)).toContain("TimeoutStopSec=100");
  });

  it("leaves alone a unit that it did not write", async () => {
    const host = machine();
    host.files.set(UNIT, FOREIGN);
    for (const command of ["install", "uninstall"]) {
      const ran = await service([command], host);
      expect(ran.code).toBe(EXIT.failed);
      expect(ran.err).toContain(`${UNIT} was not written by satibot and is left alone; remove it, or choose another --name`);
    }
    expect(host.files.get(UNIT)).toBe(FOREIGN);
  });

  it("takes another name and another configuration", async () => {
    await writeFile(join(dir, "second.json"), JSON.stringify({ http: { port: 9_000 }, store: "sqlite:/srv/second/x.db" }));
    const host = machine({ configHome: "/home/ann/.cfg" });
    const ran = await service(["install", "--name", "satibot-2", "--config", "second.json"], host);
    expect(ran.out).toContain("http://127.0.0.1:9000/");
    const unit = host.files.get("/home/ann/.cfg/systemd/user/satibot-2.service");
    expect(unit).toContain(`start --config ${join(dir, "second.json")}`);
    expect(host.folders).toEqual(["/srv/second"]);
  });

  it("writes a unit of the machine for the person behind sudo, with a sandbox around it", async () => {
    const host = machine({ userId: 0, userName: "root", sudoUser: "ann" });
    const ran = await service(["install", "--system"], host);
    expect(ran.code).toBe(0);
    const unit = host.files.get(SYSTEM_UNIT) ?? "";
    expect(unit).toContain("\nUser=ann\n");
    expect(unit).toContain("\nProtectSystem=strict\n");
    expect(unit).toContain(`\nReadWritePaths=${join(dir, "data")}\n`);
    expect(host.ran.at(-1)).toBe("systemctl restart satibot.service");
    expect(ran.err).not.toContain("linger");
  });

  it("leaves the watchdog away where nothing can feed it", async () => {
    const host = machine({ hasProgram: () => Promise.resolve(false) });
    const ran = await service(["install"], host);
    expect(host.files.get(UNIT)).toContain("\nType=exec\n");
    expect(host.files.get(UNIT)).not.toMatch(/Watchdog|Notify/);
    expect(ran.err).toContain("systemd-notify is not installed");
  });

  it.each([
    ["systemctl is missing", { answers: { systemctl: "missing" as const } }, [], EXIT.failed, /systemctl was not found.*Dockerfile/],
    [
      "the user's systemd does not answer",
      { answers: { systemctl: failing("no bus") } },
      [],
      EXIT.failed,
      /log in directly.*--system with sudo/,
    ],
    ["--system is used without root", {}, ["--system"], EXIT.usage, /--system needs root: call it with sudo/],
    ["sudo is used without --system", { userId: 0, sudoUser: "ann" }, [], EXIT.usage, /leave sudo away, or add --system/],
    ["it runs from the sources", { scriptPath: "/x/src/app/main.ts" }, [], EXIT.failed, /npm run build/],
    ["the platform is Windows", { platform: "win32" }, [], EXIT.failed, /Task Scheduler/],
    ["the platform is another", { platform: "freebsd" }, [], EXIT.failed, /let another supervisor run/],
    ["the name is a path", {}, ["--name", "../x"], EXIT.usage, /--name/],
    ["a path holds a line break", { scriptPath: "/opt/a\nExecStart=/bin/sh" }, [], EXIT.usage, /control character/],
    ["a path ends in a backslash", { nodePath: "/opt/node\\" }, [], EXIT.usage, /backslash/],
  ])("says what to do when %s, and writes nothing", async (_name, options: MachineOptions, args, code, expected) => {
    const host = machine(options);
    const ran = await service(["install", ...args], host);
    expect(ran.code).toBe(code);
    expect(ran.err).toMatch(expected);
    expect([host.files.size, host.folders]).toEqual([0, []]);
  });

  it("says what systemd said when the daemon does not start", async () => {
    const host = machine({ answers: { "systemctl --user restart": failing("Job for satibot.service failed.\n\u001b[31mSee\n") } });
    const ran = await service(["install"], host);
    expect(ran.code).toBe(EXIT.failed);
    expect(ran.err).toMatch(
      /`systemctl --user restart satibot\.service` failed: Job for satibot\.service failed\.  ?\[31mSee; see `journalctl/,
    );
  });

  it("says which file cannot be written", async () => {
    const host = machine({ writeFile: () => Promise.reject(Object.assign(new Error("x"), { code: "EROFS" })) });
    expect((await service(["install"], host)).err).toContain(`${UNIT} cannot be written (EROFS)`);
  });

  it("warns of a program that may vanish", async () => {
    const host = machine({
      scriptPath: "/home/ann/.npm/_npx/1/node_modules/satibot/dist/src/app/main.js",
      nodePath: "/home/ann/.nvm/v22/bin/node",
    });
    const { err } = await service(["install", "--dry-run"], host);
    expect(err).toContain("npm install -g satibot");
    expect(err).toContain("after removing that version of Node");
  });
});

describe("what the service sees", () => {
  it("is .env and not the shell: a variable that only the shell has is told", async () => {
    await writeFile(join(dir, ".env"), "SATIBOT_PORT=7400\nSATIBOT_LOG_LEVEL=warn\n");
    const ran = await service(["install"], machine(), { SATIBOT_PORT: "7500", SATIBOT_LOG_LEVEL: "warn" });
    expect(ran.out).toContain("http://127.0.0.1:7400/");
    expect(ran.err).toContain("SATIBOT_PORT is set in this shell, where the service does not see it");
    expect(ran.err).not.toContain("SATIBOT_LOG_LEVEL");
  });

  it("must be enough for the configuration", async () => {
    await writeFile(join(dir, "satibot.config.yaml"), "channels:\n  telegram:\n    token: ${TELEGRAM_BOT_TOKEN}\n");
    const host = machine();
    const ran = await service(["install"], host, { TELEGRAM_BOT_TOKEN: "1:abcdefgh" });
    expect(ran.code).toBe(EXIT.config);
    expect(ran.err).toMatch(/TELEGRAM_BOT_TOKEN is not set[^]*The service does not see the variables of this shell; write those/);
    expect(ran.err).not.toContain("abcdefgh");
    expect([host.files.size, host.ran]).toEqual([0, []]);
  });

  it("must be a configuration that holds", async () => {
    await writeFile(join(dir, "satibot.config.yaml"), "limits:\n  turns: 3\n");
    const ran = await service(["install"], machine());
    expect(ran.code).toBe(EXIT.config);
    expect(ran.err).not.toContain("of this shell");
  });
});

describe("satibot service status with systemd", () => {
  const base = "LoadState=loaded UnitFileState=enabled MainPID=77 ExecMainStatus=0 Result=success";
  it.each([
    ["runs", `${base} ActiveState=active SubState=running NRestarts=0`, 0, /^satibot runs as process 77\nLog: journalctl/],
    ["was restarted", `${base} ActiveState=active SubState=running NRestarts=1`, 0, /restarted 1 time\n/],
    [
      "gave up",
      "LoadState=loaded UnitFileState=enabled ActiveState=failed SubState=failed NRestarts=3 Result=exit-code ExecMainStatus=78",
      1,
      /satibot is failed \(failed\), restarted 3 times \(exit-code, exit code 78\); see `journalctl/,
    ],
    [
      "starts only by hand",
      `${base.replace("enabled", "disabled")} ActiveState=inactive SubState=dead NRestarts=0`,
      1,
      /not enabled, and will not start by itself/,
    ],
    [
      "is not there",
      "LoadState=not-found ActiveState=inactive SubState=dead",
      1,
      /^satibot is not installed; `satibot service install` does it$/,
    ],
  ])("says that it %s", async (_name, facts, code, expected) => {
    const ran = await service(["status"], machine({ answers: { "systemctl --user show satibot.service": shown(facts) } }));
    expect(ran.code).toBe(code);
    expect(ran.out).toMatch(expected);
  });

  it("prints JSON", async () => {
    const host = machine({ answers: { "systemctl --user show": shown(`${base} ActiveState=active SubState=running NRestarts=0`) } });
    expect(JSON.parse((await service(["status", "--json"], host)).out)).toMatchObject({ installed: true, running: true, file: UNIT });
  });

  it("says that systemctl is missing", async () => {
    const ran = await service(["status"], machine({ answers: { systemctl: "missing" } }));
    expect(ran.code).toBe(EXIT.failed);
    expect(ran.err).toContain("systemctl was not found");
  });
});

describe("satibot service uninstall with systemd", () => {
  it("stops it, removes the unit and keeps the data", async () => {
    const host = machine();
    await service(["install"], host);
    host.ran.length = 0;
    const ran = await service(["uninstall"], host);
    expect(ran).toMatchObject({ code: 0, err: "" });
    expect(ran.out).toContain("The configuration and the conversations stay");
    expect(host.files.size).toBe(0);
    expect(host.ran).toEqual([
      "systemctl --user show --property=Version",
      "systemctl --user disable --now satibot.service",
      "systemctl --user daemon-reload",
      "systemctl --user reset-failed satibot.service",
    ]);
    expect((await service(["uninstall"], host)).out).toContain("satibot is not installed");
  });

  it("does nothing with --dry-run but print the commands", async () => {
    const host = machine();
    const ran = await service(["uninstall", "--dry-run"], host);
    expect(ran.out).toBe(`systemctl --user disable --now satibot.service\nrm ${UNIT}\nsystemctl --user daemon-reload`);
    expect(host.ran).toEqual([]);
  });
});

describe("satibot service with launchd", () => {
  const mac = (answers: MachineOptions["answers"] = { "launchctl print": failing("not found") }): Machine =>
    machine({ platform: "darwin", userId: 501, answers });

  it("writes an agent and loads it", async () => {
    const host = mac();
    const ran = await service(["install"], host);
    expect(ran.code).toBe(0);
    expect(host.files.get(PLIST)).toContain("<key>SuccessfulExit</key>\n    <false/>");
    expect(host.ran.slice(1)).toEqual(["launchctl enable gui/501/satibot", `launchctl bootstrap gui/501 ${PLIST}`]);
    expect(ran.out).toContain("tail -f /home/ann/Library/Logs/satibot.log");
  });

  it("waits for the old one to go when it loads a changed one", async () => {
    let refusals = 2;
    const host = machine({ platform: "darwin", userId: 501 });
    host.files.set(PLIST, "<!-- Written by `satibot service install` -->");
    const stubborn: Machine = {
      ...host,
      run: async (command, args) => {
        const result = await host.run(command, args);
        return args[0] === "bootstrap" && refusals-- > 0 ? failing("5: Input/output error") : result;
      },
    };
    expect((await service(["install"], stubborn)).out).toContain("was changed and runs again");
    expect(host.ran.map((line) => line.split(" ")[1])).toEqual(["print", "bootout", "enable", "bootstrap", "bootstrap", "bootstrap"]);
    host.ran.length = 0;
    expect((await service(["install"], stubborn)).out).toContain("was installed already, and runs");
    expect(host.ran).toEqual(["launchctl print gui/501/satibot", "launchctl kickstart gui/501/satibot"]);
  });

  it("says what launchd said, and what may be the matter", async () => {
    const host = mac({ "launchctl print": failing("x"), "launchctl bootstrap": failing("Bootstrap failed: 125") });
    expect((await service(["install"], host)).err).toMatch(/failed: Bootstrap failed: 125; see .*satibot\.log, and log in at the screen/);
  });

  it.each([
    ["\tstate = running\n\tpid = 77\n", 0, "satibot runs as process 77"],
    ["\tstate = not running\n\tlast exit code = 78\n", 1, "satibot does not run (last exit code 78)"],
  ])("tells the state from what launchd prints", async (stdout, code, expected) => {
    const ran = await service(["status"], mac({ "launchctl print": { code: 0, stdout, stderr: "" } }));
    expect(ran.code).toBe(code);
    expect(ran.out).toContain(expected);
  });

  it("removes what it wrote", async () => {
    const host = machine({ platform: "darwin", userId: 501 });
    await service(["install"], host);
    expect((await service(["uninstall"], host)).code).toBe(0);
    expect([host.files.size, host.ran.at(-1)]).toEqual([0, "launchctl bootout gui/501/satibot"]);
    expect((await service(["status"], mac())).out).toContain("not installed");
  });

  it("says when launchctl is missing or --system is asked for", async () => {
    expect((await service(["install"], { ...mac(), hasProgram: () => Promise.resolve(false) })).err).toContain("launchctl was not found");
    expect((await service(["install", "--system"], mac())).code).toBe(EXIT.usage);
  });
});
