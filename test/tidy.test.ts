/** The house rules that no linter knows: who may import whom (docs/architecture.md), file sizes, barrels, pinned and explained dependencies. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const LINES_MAX = 400;
/** Files allowed to be longer, each with its reason in a comment. Meant to stay empty. */
const LONG_FILES: readonly string[] = [];

interface Floor {
  /** Folders (ending in `/`) or files of this repository, from the root. */
  readonly inside: readonly string[];
  /** Packages from outside; `"any"` for adapters and the app, which choose their vendor. */
  readonly packages: readonly string[] | "any";
  readonly node: boolean;
}

const ADAPTER = ["src/core/", "src/ports/", "src/runtime/api.ts", "src/runtime/job-api.ts"];
/** The longest matching folder wins. Every folder may import itself. */
const FLOORS: Readonly<Record<string, Floor>> = {
  "src/core/": { inside: [], packages: [], node: false },
  "machines/": { inside: ["src/core/"], packages: ["xstate"], node: false },
  "src/ports/": { inside: ["src/core/"], packages: [], node: false },
  "src/runtime/": { inside: ["src/core/", "src/ports/", "machines/"], packages: ["xstate", "croner", "pino"], node: true },
  "src/stores/": { inside: ADAPTER, packages: "any", node: true },
  "src/channels/": { inside: ADAPTER, packages: "any", node: true },
  "src/agents/": { inside: ADAPTER, packages: "any", node: true },
  "src/http/": { inside: ADAPTER, packages: "any", node: true },
  "src/testing/": {
    inside: ["src/core/", "src/ports/", "src/runtime/", "src/stores/memory/", "machines/"],
    packages: ["vitest", "xstate", "hono", "@hono/node-server"],
    node: true,
  },
  "src/app/": { inside: ["src/", "machines/"], packages: "any", node: true },
  "src/index.ts": { inside: ["src/", "machines/"], packages: "any", node: false },
};
/** Folders whose parts are adapters of their own: they never import a sibling, only what lies beside them directly. */
const SIBLINGS = ["src/stores/", "src/channels/", "src/agents/"];
/** The memory store is the sqlite engine without a file: two faces of one adapter. */
const TWINS: ReadonlyMap<string, string> = new Map([["src/stores/memory.ts", "src/stores/sqlite/"]]);

function filesUnder(folder: string, extension = ".ts"): string[] {
  const path = join(ROOT, folder);
  if (!existsSync(path)) return [];
  return readdirSync(path, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(extension) && !entry.parentPath.includes("node_modules"))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).replaceAll("\\", "/"))
    .sort();
}

const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");

/** Comments blanked, strings kept: what is left holds the real import statements. */
function withoutComments(source: string): string {
  return source.replace(
    /("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g,
    (match, text: string | undefined) => (text === undefined ? match.replace(/[^\n]/g, " ") : text),
  );
}

/** The specifiers of static imports, re-exports, dynamic imports and `import()` types. */
function importsOf(source: string): string[] {
  const code = withoutComments(source);
  const found: string[] = [];
  for (const match of code.matchAll(/^\s*(?:import|export)\b[^;"'`]*?\bfrom\s*["']([^"']+)["']/gm)) found.push(match[1] ?? "");
  for (const match of code.matchAll(/^\s*import\s*["']([^"']+)["']/gm)) found.push(match[1] ?? "");
  for (const match of code.matchAll(/\bimport\s*\(\s*["']([^"']+)["']/g)) found.push(match[1] ?? "");
  return found;
}

function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

/** Why `file` may not import `specifier`, or undefined when it may. */
function breach(file: string, specifier: string): string | undefined {
  const home = Object.keys(FLOORS)
    .filter((folder) => file === folder || (folder.endsWith("/") && file.startsWith(folder)))
    .sort((a, b) => b.length - a.length)[0];
  const floor = home === undefined ? undefined : FLOORS[home];
  if (home === undefined || floor === undefined) return `${file} belongs to no floor; add its folder to docs/architecture.md and to FLOORS`;
  if (specifier.startsWith("node:")) return floor.node ? undefined : `${file} imports ${specifier}; ${home} imports nothing of Node`;
  if (!specifier.startsWith(".")) {
    const name = packageOf(specifier);
    return floor.packages === "any" || floor.packages.includes(name) ? undefined : `${file} imports ${name}; ${home} may not`;
  }
  if (!/\.(ts|json)$/.test(specifier)) return `${file} imports ${specifier} without its .ts extension`;
  const target = relative(ROOT, resolve(ROOT, dirname(file), specifier)).replaceAll("\\", "/");
  if (target.startsWith("src/app/") && home !== "src/app/" && home !== "src/index.ts")
    return `${file} imports ${target}; nobody imports the app`;
  if (target === "src/index.ts") return `${file} imports the barrel ${target}; import the file that declares it`;
  const sibling = SIBLINGS.find((folder) => file.startsWith(folder) && target.startsWith(folder));
  if (sibling !== undefined) {
    const partOf = (path: string): string => path.slice(sibling.length).split("/")[0] ?? "";
    const twin = TWINS.get(file);
    const isOwn = partOf(file) === partOf(target) || (twin !== undefined && target.startsWith(twin));
    return isOwn ? undefined : `${file} imports its sibling ${target}; adapters never import each other`;
  }
  const allowed =
    target.startsWith(home) || floor.inside.some((place) => target === place || (place.endsWith("/") && target.startsWith(place)));
  return allowed ? undefined : `${file} imports ${target}; ${home} may import ${floor.inside.join(", ") || "nothing"}`;
}

const SOURCES = [...filesUnder("src"), ...filesUnder("machines")];
const ALL = [...SOURCES, ...filesUnder("test"), ...filesUnder("bench"), ...filesUnder("examples")];

describe("the checks themselves", () => {
  it("find every form of import and ignore comments", () => {
    const source = [
      `import a, { type B } from "./a.ts";`,
      `import {\n  c,\n  d,\n} from "../c.ts"; // import x from "./no.ts"`,
      `import "./side-effect.ts";`,
      `export { e } from "./e.ts";`,
      `/* import f from "./no.ts" */`,
      `const g = await import("./g.ts"); type H = import("./h.ts").H;`,
    ].join("\n");
    expect(importsOf(source)).toEqual(["./a.ts", "../c.ts", "./e.ts", "./side-effect.ts", "./g.ts", "./h.ts"]);
  });

  it.each([
    ["src/core/errors.ts", "node:fs"],
    ["src/core/errors.ts", "../ports/log.ts"],
    ["machines/chat.machine.ts", "../src/ports/clock.ts"],
    ["src/ports/log.ts", "pino"],
    ["src/runtime/system.ts", "../stores/memory/store.ts"],
    ["src/stores/postgres/store.ts", "../sqlite/store.ts"],
    ["src/stores/sqlite/store.ts", "../memory.ts"],
    ["src/stores/memory/store.ts", "../../runtime/system.ts"],
    ["src/channels/telegram/channel.ts", "../../http/client.ts"],
    ["src/http/server.ts", "../app/log.ts"],
    ["src/app/main.ts", "./cli/program"],
    ["src/other/thing.ts", "../core/errors.ts"],
  ])("refuse %s importing %s", (file, specifier) => {
    expect(breach(file, specifier)).toBeDefined();
  });

  it.each([
    ["machines/chat.machine.ts", "../src/core/errors.ts"],
    ["src/runtime/system.ts", "../../machines/chat.machine.ts"],
    ["src/stores/memory/store.ts", "../../ports/store/store.ts"],
    ["src/http/server.ts", "../runtime/api.ts"],
    ["src/app/main.ts", "../http/client.ts"],
    ["src/index.ts", "./app/gateway.ts"],
  ])("allow %s importing %s", (file, specifier) => {
    expect(breach(file, specifier)).toBeUndefined();
  });
});

describe("floors", () => {
  it("imports go downward only", () => {
    const breaches = SOURCES.flatMap((file) => importsOf(read(file)).flatMap((specifier) => breach(file, specifier) ?? []));
    expect(breaches).toEqual([]);
  });

  it("examples import the package by its name", () => {
    const inner = filesUnder("examples").flatMap((file) =>
      importsOf(read(file))
        .filter((name) => name.includes("../src"))
        .map((name) => `${file}: ${name}`),
    );
    expect(inner).toEqual([]);
  });
});

describe("files", () => {
  it(`have at most ${LINES_MAX} lines`, () => {
    const long = ALL.filter((file) => !LONG_FILES.includes(file)).flatMap((file) => {
      const lines = read(file).split("\n").length - 1;
      return lines > LINES_MAX ? [`${file}: ${lines} lines; split it by noun`] : [];
    });
    expect(long).toEqual([]);
  });

  it("are named in kebab-case, never after a grab-bag", () => {
    const odd = ALL.filter((file) => {
      const name = file.slice(file.lastIndexOf("/") + 1);
      return !/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z]+)*\.ts$/.test(name) || /^(utils?|helpers?|lib|common|misc)\.ts$/.test(name);
    });
    expect(odd).toEqual([]);
  });

  it("hold no `export *`", () => {
    expect(ALL.filter((file) => /^\s*export\s*\*/m.test(withoutComments(read(file))))).toEqual([]);
  });

  it("re-export only in the entry files of the package", () => {
    const entries = ["src/index.ts", "src/testing/index.ts"];
    const barrels = SOURCES.filter(
      (file) => /^\s*export\s[^;"'`]*\bfrom\s*["']/m.test(withoutComments(read(file))) && !entries.includes(file),
    );
    expect(barrels).toEqual([]);
    for (const entry of entries.filter((file) => existsSync(join(ROOT, file)))) {
      const rest = withoutComments(read(entry)).replace(/export\s+(?:type\s+)?\{[^}]*\}\s*from\s*["'][^"']+["'];?/g, "");
      expect(rest.trim(), `${entry} holds named re-exports only`).toBe("");
    }
  });

  it("say which issue an unfinished place belongs to", () => {
    const unfinished = new RegExp(`\\b(?:${["TO" + "DO", "FIX" + "ME", "X" + "XX"].join("|")})\\b(?!\\(#\\d+\\))`);
    expect(ALL.filter((file) => unfinished.test(read(file)))).toEqual([]);
  });

  it("leave out nothing of a test suite", () => {
    const skipping = filesUnder("test").filter((file) => /\b(?:it|test|describe)\.only\b/.test(withoutComments(read(file))));
    expect(skipping).toEqual([]);
  });
});

describe("dependencies", () => {
  const manifest = JSON.parse(read("package.json")) as { dependencies: Record<string, string>; devDependencies: Record<string, string> };

  it("pin xstate exactly, since the scheduler replaces an undocumented part of it", () => {
    expect(manifest.dependencies.xstate).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it("each have a line in docs/dependencies.md", () => {
    const page = read("docs/dependencies.md");
    const missing = [...Object.keys(manifest.dependencies), ...Object.keys(manifest.devDependencies)].filter(
      (name) => !page.includes(`\`${name}\``),
    );
    expect(missing).toEqual([]);
  });
});
