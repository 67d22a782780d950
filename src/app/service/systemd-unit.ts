import { MARKER, type ServiceSpec } from "./service.ts";

/** Seconds without a sign of life after which systemd kills and restarts the daemon. */
const WATCHDOG_S = 60;
/** A boot that recovers a large store may take this long. */
const START_MAX_S = 300;
/** On top of the drain: its hard stop, and the writing out of what is stored. */
const STOP_MARGIN_S = 10;

export interface UnitOptions {
  /** A unit of the machine that runs as this user; undefined: a unit of the user who installs it. */
  readonly systemUser: string | undefined;
  /** `systemd-notify` is there: systemd learns when the daemon is ready and that it lives. */
  readonly canNotify: boolean;
}

/**
 * The text of a systemd unit.
 *
 * A daemon that fails is started again after 5 s, ten times within 5 minutes at most; one whose configuration is wrong (78) or that was called
 * wrongly (64) is not, since no repetition can help. Mount namespaces (ProtectSystem, PrivateTmp) are left to units of the machine: in a
 * user's manager they need unprivileged user namespaces, which several distributions turn off, and the service would not start at all.
 * @see https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html
 * @see https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#Sandboxing
 */
export function unitText(spec: ServiceSpec, { systemUser, canNotify }: UnitOptions): string {
  const isSystem = systemUser !== undefined;
  const stopS = Math.ceil(spec.drainTimeoutMs / 1_000) + STOP_MARGIN_S;
  const own = isSystem ? `systemctl edit ${spec.name}` : `systemctl --user edit ${spec.name}`;
  const args = ["start", ...(spec.configPath === undefined ? [] : ["--config", spec.configPath])];
  const lines: readonly (string | undefined)[] = [
    `# ${MARKER}, which replaces this file; for changes of your own: ${own}`,
    "[Unit]",
    `Description=satibot in ${unitValue(spec.folder)}`,
    isSystem ? "Wants=network-online.target" : undefined,
    isSystem ? "After=network-online.target" : undefined,
    "StartLimitIntervalSec=300",
    "StartLimitBurst=10",
    "",
    "[Service]",
    canNotify ? "Type=notify" : "Type=exec",
    // The messages come from systemd-notify, a child of the daemon.
    canNotify ? "NotifyAccess=all" : undefined,
    canNotify ? `WatchdogSec=${WATCHDOG_S}` : undefined,
    `ExecStart=${[quoted(spec.nodePath), ...[spec.scriptPath, ...args].map((word) => quoted(word).replaceAll("$", "$$$$"))].join(" ")}`,
    "ExecReload=/bin/kill -HUP $MAINPID",
    `WorkingDirectory=${unitValue(spec.folder)}`,
    isSystem ? `User=${systemUser}` : undefined,
    "Restart=on-failure",
    "RestartSec=5",
    "RestartPreventExitStatus=64 78",
    `TimeoutStartSec=${START_MAX_S}`,
    `TimeoutStopSec=${stopS}`,
    "KillMode=mixed",
    "UMask=0077",
    "NoNewPrivileges=yes",
    "LockPersonality=yes",
    "RestrictRealtime=yes",
    ...(isSystem ? sandbox(spec) : []),
    "",
    "[Install]",
    isSystem ? "WantedBy=multi-user.target" : "WantedBy=default.target",
  ];
  return `${lines.filter((line) => line !== undefined).join("\n")}\n`;
}

function sandbox(spec: ServiceSpec): readonly string[] {
  const used = [spec.folder, spec.dataFolder, spec.nodePath, spec.scriptPath, spec.configPath].filter((path) => path !== undefined);
  const usesTmp = used.some((path) => /^\/(?:var\/)?tmp(?:\/|$)/.test(path));
  return [
    "ProtectSystem=strict",
    ...(spec.dataFolder === undefined ? [] : [`ReadWritePaths=${quoted(spec.dataFolder)}`]),
    // A private /tmp would hide what lies there.
    ...(usesTmp ? [] : ["PrivateTmp=yes"]),
    "PrivateDevices=yes",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectControlGroups=yes",
    "RestrictSUIDSGID=yes",
  ];
}

/** A text in which systemd finds no specifier. */
function unitValue(text: string): string {
  return text.replaceAll("%", "%%");
}

/** One word of a list or a command line. `$` is doubled by the caller where variables would be replaced. */
function quoted(word: string): string {
  const escaped = unitValue(word).replace(/[\\"]/g, "\\$&");
  return /^[\w@%+=:,./-]+$/.test(word) ? escaped : `"${escaped}"`;
}
