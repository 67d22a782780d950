/** What is written beside the daemon: the configuration, which holds names of secrets, and `.env`, which holds the secrets. */
import { chmod, open, readFile, stat, writeFile } from "node:fs/promises";
import { parseEnv } from "node:util";
import { join } from "node:path";
import { readConfigFile } from "../config/config-file.ts";
import { ENVIRONMENT_FILE } from "../config/environment-file.ts";
import { isPlainObject } from "../config/plain-object.ts";
import { CommandError, EXIT } from "../cli/io.ts";
import type { NewChannel } from "./new-channels.ts";
import type { NewJob } from "./old-jobs.ts";
import { brief, type Leftovers, type MigrationReport } from "./report.ts";

export const CONFIG_FILE = "satibot.config.yaml";

/** What YAML and its readers take for something else when it stands unescaped. */
const UNSAFE = /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g;

/** A YAML text; `${` in it is no variable. */
function quoted(text: string): string {
  return JSON.stringify(text.replaceAll("${", () => "$${")).replace(
    UNSAFE,
    (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

interface Wanted {
  readonly channels: readonly NewChannel[];
  readonly agent: readonly string[];
  readonly jobs: readonly NewJob[];
  /** Undefined: none. */
  readonly heartbeat: { /** Who may be told of it. */ readonly tell: string | undefined } | undefined;
}

const ALLOW_NOBODY = "# Nobody is named: the daemon prints a one-time code, and whoever sends it to the bot may write.\n#allow: []\n";
const ALLOW_THESE = '# SatiBot let everyone in. Only those named here may write; "*" names everyone.\n';

function channelText({ channels }: Wanted): string {
  const sections = channels.map(({ name, settings, allow, lacks }) => {
    const keys = Object.entries(settings).map(([key, value]) => `${key}: ${value.startsWith("${") ? value : quoted(value)}\n`);
    const who = allow.length === 0 ? ALLOW_NOBODY : `${ALLOW_THESE}allow: [${allow.map(quoted).join(", ")}]\n`;
    const section = `${name}:\n${indented(keys.join("") + who)}`;
    if (lacks.length === 0) return indented(section);
    const why = `# It lacks ${lacks.join(", ")}: write that, as docs/channels/${name}.md says, and take the # away.\n`;
    return indented(why + section.replace(/^/gm, "#").replace(/#$/, ""));
  });
  return sections.length === 0 ? "" : `channels:\n${sections.join("")}`;
}

function indented(lines: string): string {
  return lines.replace(/^(?=.)/gm, "  ");
}

function heartbeatText({ heartbeat }: Wanted): string {
  if (heartbeat === undefined) return "";
  const { tell } = heartbeat;
  const deliver =
    tell === undefined
      ? ""
      : `  # Who is told what the agent answers, unless that is HEARTBEAT_OK.\n  #deliver: { chat: ${quoted(tell)} }\n`;
  return `heartbeat:\n  every: 30m\n  file: HEARTBEAT.md\n${deliver}`;
}

function cronText({ jobs }: Wanted): string {
  const entries = jobs.map(({ id, name, message, schedule, deliverTo }) => {
    const when = Object.entries(schedule).map(([key, value]) => `${key}: ${quoted(value)}`);
    const deliver = deliverTo === undefined ? "" : `    deliver: { chat: ${quoted(deliverTo)} }\n`;
    return `  - id: ${quoted(id)}\n    name: ${quoted(name)}\n    message: ${quoted(message)}\n    schedule: { ${when.join(", ")} }\n${deliver}`;
  });
  return entries.length === 0 ? "" : `cron:\n${entries.join("")}`;
}

function agentText({ agent }: Wanted): string {
  return agent.length === 0
    ? ""
    : `# Model agents do not exist in this version. SatiBot's settings were:\n${agent.map((line) => `#   ${line}\n`).join("")}`;
}

function configText(wanted: Wanted, home: string): string {
  const sections = [
    `# satibot, written by \`satibot migrate\` from ${brief(home)}. \`npx satibot config check\` checks it; docs/configuration.md knows every setting.\n# \${NAME} is taken from the environment, or from the file .env beside this one.\n`,
    channelText(wanted),
    cronText(wanted),
    heartbeatText(wanted),
    agentText(wanted),
  ];
  return sections.filter((section) => section !== "").join("\n");
}

/** Writes the configuration when the folder has none; one that is there is compared, and never changed. */
export async function writeConfig(cwd: string, wanted: Wanted, home: string, dryRun: boolean): Promise<MigrationReport["config"]> {
  const found = await readConfigFile(cwd, undefined);
  if (found !== undefined) {
    const missing = missingIn(isPlainObject(found.value) ? found.value : {}, wanted);
    const fragment = [channelText(missing), cronText(missing), heartbeatText(missing)].filter((section) => section !== "").join("\n");
    return fragment === "" ? { fate: "complete", file: found.file } : { fate: "kept", file: found.file, fragment };
  }
  if (wanted.channels.length + wanted.jobs.length === 0 && wanted.heartbeat === undefined) return { fate: "none", file: CONFIG_FILE };
  if (!dryRun)
    await writeFile(join(cwd, CONFIG_FILE), configText(wanted, home), { flag: "wx" }).catch((error: unknown) =>
      cannotWrite(CONFIG_FILE, error),
    );
  return { fate: "written", file: CONFIG_FILE };
}

function missingIn(config: Readonly<Record<string, unknown>>, wanted: Wanted): Wanted {
  const ids = new Set(Array.isArray(config.cron) ? config.cron.map((job: unknown) => (isPlainObject(job) ? job.id : undefined)) : []);
  const channels = isPlainObject(config.channels) ? config.channels : {};
  const isNamed = (section: unknown): boolean => section !== undefined && section !== null;
  return {
    // One that lacks something could not be merged as it is.
    channels: wanted.channels.filter(({ name, lacks }) => lacks.length === 0 && !isNamed(channels[name])),
    agent: [],
    jobs: wanted.jobs.filter((job) => !ids.has(job.id)),
    heartbeat: isNamed(config.heartbeat) ? undefined : wanted.heartbeat,
  };
}

/** Adds the secrets that `.env` does not name; what stands there stays. The file is its owner's alone afterwards. */
export async function writeEnvironment(
  cwd: string,
  secrets: ReadonlyMap<string, string>,
  dryRun: boolean,
  left: Leftovers,
): Promise<MigrationReport["environment"]> {
  const file = join(cwd, ENVIRONMENT_FILE);
  const names = [...secrets.keys()];
  if (names.length === 0) return { fate: "none", file: ENVIRONMENT_FILE, names };
  const before = await textOf(file);
  const known = before === undefined ? {} : parseEnv(before);
  for (const [name, value] of secrets) {
    if (known[name] !== undefined && known[name] !== value)
      left.add(
        `${ENVIRONMENT_FILE} ${name}`,
        "holds another value than SatiBot's",
        "It was left as it is; change it by hand if SatiBot's is the right one.",
      );
  }
  const added = [...secrets].filter(([name]) => known[name] === undefined);
  if (added.length === 0) return { fate: "complete", file: ENVIRONMENT_FILE, names };
  const lines = added.map(([name, value]) => `${name}=${/^[\w:./+@-]+$/.test(value) ? value : `'${value}'`}\n`).join("");
  if (!dryRun) await append(file, before, lines).catch((error: unknown) => cannotWrite(ENVIRONMENT_FILE, error));
  return { fate: before === undefined ? "written" : "extended", file: ENVIRONMENT_FILE, names: added.map(([name]) => name) };
}

async function append(file: string, before: string | undefined, lines: string): Promise<void> {
  if (before === undefined) return writeFile(file, lines, { flag: "wx", mode: 0o600 });
  await chmod(file, 0o600);
  const handle = await open(file, "a");
  try {
    await handle.writeFile(`${before === "" || before.endsWith("\n") ? "" : "\n"}${lines}`);
  } finally {
    await handle.close();
  }
}

async function textOf(file: string): Promise<string | undefined> {
  try {
    const found = await stat(file);
    if (found.isFile() && found.size <= 1024 * 1024) return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    return cannotWrite(ENVIRONMENT_FILE, error);
  }
  throw new CommandError(EXIT.failed, `${ENVIRONMENT_FILE} is no file of variables; move it away, then run this again`);
}

/** @throws CommandError 1 with what to do */
export function cannotWrite(file: string, cause: unknown): never {
  const code = (cause as NodeJS.ErrnoException).code ?? "unknown reason";
  throw new CommandError(
    EXIT.failed,
    `${file} cannot be written (${code}); check the folder's permissions and free space, then run this again`,
    { cause },
  );
}
