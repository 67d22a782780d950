/** The container without Docker: what the Dockerfile names exists, its commands point into the packed package, and its health check tells the truth. */
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { DEFAULT_LIMITS } from "../../../src/core/limits.ts";
import { type Rig, freePort, openRig } from "../../e2e/rig.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const INSTALLED = "/opt/satibot/";
const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");

interface Instruction {
  readonly stage: number;
  readonly name: string;
  readonly value: string;
}

/** Comments away, continued lines joined. */
function instructionsOf(dockerfile: string): readonly Instruction[] {
  let stage = -1;
  return dockerfile
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .join("\n")
    .replace(/\\\n\s*/g, " ")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [, name = "", value = ""] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
      if (name === "FROM") stage += 1;
      return { stage, name, value };
    });
}

const instructions = instructionsOf(read("Dockerfile"));
const last = instructions.at(-1)?.stage ?? 0;
const final = (name: string): string => instructions.findLast((one) => one.stage === last && one.name === name)?.value ?? "";
const manifest = JSON.parse(read("package.json")) as {
  readonly bin: { readonly satibot: string };
  readonly files: readonly string[];
  readonly scripts: Readonly<Record<string, string>>;
};
const ignored = read(".dockerignore")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"));
const sent = ignored.filter((line) => line.startsWith("!")).map((line) => line.slice(1));
const entry = JSON.parse(final("ENTRYPOINT")) as readonly string[];

describe("Dockerfile", () => {
  it("is understood whole", () => {
    const known = [
      "FROM",
      "LABEL",
      "WORKDIR",
      "COPY",
      "RUN",
      "ENV",
      "USER",
      "VOLUME",
      "EXPOSE",
      "STOPSIGNAL",
      "HEALTHCHECK",
      "ENTRYPOINT",
      "CMD",
    ];
    expect(instructions.filter(({ name }) => !known.includes(name))).toEqual([]);
    expect(last).toBe(2);
  });

  it("copies only what exists and what reaches Docker, or what an earlier stage made", () => {
    const stages = instructions.filter(({ name }) => name === "FROM").map(({ value }) => / AS (\w+)$/.exec(value)?.[1]);
    const copies = instructions.filter(({ name }) => name === "COPY").map(({ value, stage }) => ({ words: value.split(/\s+/), stage }));
    const fromStages = copies.filter(({ words }) => words[0]?.startsWith("--from="));
    const fromCheckout = copies.filter((copy) => !fromStages.includes(copy)).flatMap(({ words }) => words.slice(0, -1));
    expect(fromStages.filter(({ words, stage }) => !stages.slice(0, stage).includes(words[0]?.slice("--from=".length)))).toEqual([]);
    expect(fromCheckout).toEqual(expect.arrayContaining([".", "package-lock.json"]));
    expect(fromCheckout.filter((source) => source !== "." && !(existsSync(join(ROOT, source)) && sent.includes(source)))).toEqual([]);
  });

  it("sends the build what it reads, and neither secrets nor data nor modules", () => {
    expect(ignored[0]).toBe("*");
    const build = JSON.parse(read("tsconfig.build.json")) as { readonly include: readonly string[] };
    for (const needed of [
      ...build.include,
      "package.json",
      "package-lock.json",
      "tsconfig.json",
      "tsconfig.build.json",
      "README.md",
      "LICENSE",
    ]) {
      expect(sent, `${needed} is missing in .dockerignore`).toContain(needed);
    }
    expect(ignored.slice(-2)).toEqual(["**/node_modules", "**/.env*"]);
    expect(sent.filter((name) => /env|data|node_modules|\.git/.test(name))).toEqual([]);
    for (const name of sent) expect(existsSync(join(ROOT, name)), `${name} of .dockerignore does not exist`).toBe(true);
  });

  it("never lets npm run the scripts of a checkout that has no development dependencies", () => {
    const installs = instructions.filter(({ name, value }) => name === "RUN" && /npm (ci|install|pack)/.test(value));
    expect(installs).toHaveLength(3);
    for (const { value } of installs) expect(value).toContain("--ignore-scripts");
    expect(manifest.scripts.prepare).toBe("npm run build");
  });

  it("starts a file of the packed package, as process 1 and without a shell", () => {
    expect(entry[0]).toBe("node");
    expect(entry[1]).toBe(join(INSTALLED, manifest.bin.satibot));
    expect(JSON.parse(final("CMD"))).toEqual(["start"]);
    expect(final("STOPSIGNAL")).toBe("SIGTERM");
    const inside = entry[1]?.slice(INSTALLED.length) ?? "";
    expect(manifest.files.some((place) => inside.startsWith(`${place}/`))).toBe(true);
    expect(existsSync(join(ROOT, inside.replace(/^dist\//, "").replace(/\.js$/, ".ts")))).toBe(true);
    expect(instructions.filter(({ stage, value }) => stage === last && value.includes("ln -s")).map(({ value }) => value)).toEqual([
      expect.stringContaining(`ln -s ${entry[1]} /usr/local/bin/satibot`),
    ]);
  });

  it("runs as an ordinary user whose folder is the volume", () => {
    expect(final("USER")).toBe("node");
    expect([final("VOLUME"), final("WORKDIR")]).toEqual(["/data", "/data"]);
    const user = instructions.findIndex(({ name }) => name === "USER");
    const owned = instructions.findIndex(({ value }) => value.includes("chown node:node /data"));
    const volume = instructions.findIndex(({ name }) => name === "VOLUME");
    expect(owned).toBeGreaterThan(0);
    expect(owned < user && owned < volume).toBe(true);
  });

  it("keeps its store in the volume, and no secret in the image", () => {
    expect(final("ENV")).toContain("SATIBOT_STORE=sqlite:/data/");
    expect(instructions.filter(({ name, value }) => ["ENV", "ARG"].includes(name) && /TOKEN|SECRET/.test(value))).toEqual([]);
  });
});

describe("docker-compose.yml", () => {
  const compose = parse(read("examples/deploy/docker-compose.yml")) as {
    readonly services: {
      readonly satibot: {
        readonly build: string;
        readonly environment: Readonly<Record<string, string>>;
        readonly ports: readonly string[];
        readonly volumes: readonly string[];
        readonly stop_grace_period: string;
      };
    };
    readonly volumes: Readonly<Record<string, unknown>>;
  };
  const { satibot } = compose.services;

  it("builds this checkout, keeps /data and asks for the token", () => {
    expect(existsSync(join(ROOT, "examples/deploy", satibot.build, "Dockerfile"))).toBe(true);
    const [volume = "", target] = satibot.volumes[0]?.split(":") ?? [];
    expect([target, Object.keys(compose.volumes)]).toEqual(["/data", [volume]]);
    expect(satibot.environment.SATIBOT_TOKEN).toMatch(/^\$\{SATIBOT_TOKEN:\?write /);
  });

  it("opens the port that the image listens on to this machine alone", () => {
    const port = /SATIBOT_PORT=(\d+)/.exec(final("ENV"))?.[1];
    expect([satibot.ports, final("EXPOSE")]).toEqual([[`127.0.0.1:${port}:${port}`], port]);
  });

  it("gives the drain its time", () => {
    expect(Number.parseInt(satibot.stop_grace_period, 10) * 1_000).toBeGreaterThan(DEFAULT_LIMITS.drainTimeoutMs + 2_000);
  });
});

describe("the container's environment", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await openRig();
  }, 60_000);
  afterAll(() => rig.close());

  const check = /CMD (\[.*\])$/.exec(final("HEALTHCHECK"))?.[1] ?? "[]";
  const probe = (port: number): Promise<number> => {
    const [, ...args] = JSON.parse(check) as readonly string[];
    return new Promise((resolve) => {
      execFile(process.execPath, args, { env: { PATH: process.env.PATH, SATIBOT_PORT: String(port) } }, (error) => {
        resolve(error ? Number(error.code) : 0);
      });
    });
  };

  it("is refused without a token, with a line that says which variable to set", async () => {
    const ran = await rig.cli(["start"], { SATIBOT_HOST: "0.0.0.0", SATIBOT_STORE: `sqlite:${join(rig.dir, "x.db")}` });
    expect(ran.code).toBe(78);
    expect(ran.stderr).toMatch(/http\.token: is required .* set SATIBOT_TOKEN/);
  }, 30_000);

  it("has a health check that says 0 while the daemon lives, needs no token, and says 1 afterwards", async () => {
    expect(await probe(await freePort())).toBe(1);
    const daemon = rig.start({ SATIBOT_TOKEN: "a-long-secret" });
    await daemon.ready();
    expect(await probe(rig.port)).toBe(0);
    daemon.signal("SIGTERM");
    await daemon.endsWith(0);
    expect(await probe(rig.port)).toBe(1);
  }, 30_000);
});
