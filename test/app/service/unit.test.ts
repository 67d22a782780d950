import { describe, expect, it } from "vitest";
import { plistText } from "../../../src/app/service/launchd.ts";
import type { ServiceSpec } from "../../../src/app/service/service.ts";
import { unitText } from "../../../src/app/service/systemd-unit.ts";

const SPEC: ServiceSpec = {
  name: "satibot",
  folder: "/srv/bot",
  nodePath: "/usr/bin/node",
  scriptPath: "/opt/main.js",
  configPath: undefined,
  dataFolder: "/srv/bot/data",
  drainTimeoutMs: 25_000,
};
const ODD: ServiceSpec = {
  ...SPEC,
  folder: "/srv/my 100% bot",
  nodePath: "/opt/no de/$x/node",
  scriptPath: `/opt/a"b $HOME 'c'\\d.js`,
  configPath: "/srv/x&<y>.yaml",
  dataFolder: '/srv/my 100% bot/da"ta',
};

function valueOf(unit: string, key: string): string | undefined {
  return new RegExp(`^${key}=(.*)$`, "m").exec(unit)?.[1];
}

/** The words of a command line as systemd takes them apart (systemd.service(5), systemd.syntax(7)); variables stay as they are. */
function words(line: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, inQuotes, bare = ""], place) => {
    const text = (inQuotes?.replace(/\\(.)/g, "$1") ?? bare).replaceAll("%%", "%");
    // In the path of the program no variable is replaced.
    return place === 0 ? text : text.replaceAll("$$", "$");
  });
}

describe("a systemd unit", () => {
  const user = unitText(SPEC, { systemUser: undefined, canNotify: true });
  const system = unitText(SPEC, { systemUser: "ann", canNotify: true });

  it("restarts a daemon that fails, but neither for ever nor for a wrong configuration", () => {
    expect(user).toContain("StartLimitIntervalSec=300\nStartLimitBurst=10\n");
    expect(user).toContain("Restart=on-failure\nRestartSec=5\nRestartPreventExitStatus=64 78\n");
    expect(user.indexOf("StartLimitBurst")).toBeLessThan(user.indexOf("[Service]"));
    // Ten restarts end within the interval, so that the limit is met.
    expect(10 * Number(valueOf(user, "RestartSec"))).toBeLessThan(Number(valueOf(user, "StartLimitIntervalSec")));
  });

  it("waits for the drain, and tells its first process alone to end", () => {
    expect(Number(valueOf(user, "TimeoutStopSec"))).toBeGreaterThan(25);
    expect(valueOf(unitText({ ...SPEC, drainTimeoutMs: 90_500 }, { systemUser: undefined, canNotify: true }), "TimeoutStopSec")).toBe(
      "101",
    );
    expect(valueOf(user, "KillMode")).toBe("mixed");
  });

  it("is wanted by what starts first: the user's session, or the machine", () => {
    expect([valueOf(user, "WantedBy"), valueOf(system, "WantedBy")]).toEqual(["default.target", "multi-user.target"]);
    expect(user).not.toContain("network-online.target");
  });

  it("leaves mount namespaces to units of the machine", () => {
    expect(user).toContain("NoNewPrivileges=yes");
    expect(user).not.toMatch(/^(User|Protect|Private|ReadWrite)/m);
    expect(system).toMatch(/^User=ann$/m);
    expect(system).toContain("ProtectSystem=strict\nReadWritePaths=/srv/bot/data\nPrivateTmp=yes\n");
    expect(system).not.toContain("MemoryDenyWriteExecute");
  });

  it("gives no private /tmp to a bot that lives there", () => {
    expect(unitText({ ...SPEC, folder: "/tmp/bot" }, { systemUser: "ann", canNotify: true })).not.toContain("PrivateTmp");
    expect(unitText({ ...SPEC, dataFolder: "/var/tmp" }, { systemUser: "ann", canNotify: true })).not.toContain("PrivateTmp");
    expect(unitText({ ...SPEC, folder: "/tmpx" }, { systemUser: "ann", canNotify: true })).toContain("PrivateTmp");
  });

  it("writes nothing for a store that keeps nothing", () => {
    expect(unitText({ ...SPEC, dataFolder: undefined }, { systemUser: "ann", canNotify: true })).not.toContain("ReadWritePaths");
  });

  it("names paths with spaces, quotes, percent and dollar signs as they are", () => {
    const unit = unitText(ODD, { systemUser: "ann", canNotify: true });
    expect(words(valueOf(unit, "ExecStart") ?? "")).toEqual([ODD.nodePath, ODD.scriptPath, "start", "--config", ODD.configPath]);
    expect(words(valueOf(unit, "ReadWritePaths") ?? "")).toEqual([ODD.dataFolder]);
    expect(valueOf(unit, "WorkingDirectory")).toBe("/srv/my 100%% bot");
    expect(valueOf(unit, "ExecStart")).toContain("$$HOME");
  });
});

describe("a launchd agent", () => {
  it("starts again after a failure only, not too often, and gets time to drain", () => {
    const text = plistText(SPEC, "/log");
    expect(text).toMatch(/<key>KeepAlive<\/key>\s*<dict>\s*<key>SuccessfulExit<\/key>\s*<false\/>/);
    expect(text).toMatch(/<key>ThrottleInterval<\/key>\s*<integer>30<\/integer>/);
    expect(text).toMatch(/<key>ExitTimeOut<\/key>\s*<integer>35<\/integer>/);
  });

  it("escapes what XML would read, and keeps its comment one", () => {
    const text = plistText(ODD, "/log");
    expect(text).toContain("<string>/srv/x&amp;&lt;y&gt;.yaml</string>");
    expect(text).toContain("<string>/opt/a&quot;b $HOME &apos;c&apos;\\d.js</string>");
    expect(/<!--(.*)-->/.exec(text)?.[1]).not.toContain("--");
  });
});
