/**
 * The web page at `/`: the files that `npm run build` made, and the form that asks a browser for the token.
 *
 *   GET / from a browser ─▶ signed in ─▶ index.html ─▶ /assets/NAME-HASH.js, .css, .svg
 *                       └─▶ not signed in ─▶ the form ─▶ GET /?token=… ─▶ cookie ─▶ GET /
 *
 * The first request reads the whole build into a map; only what is in the map is served, by its exact name.
 */
import { createHash } from "node:crypto";
import { readFile, readdir, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { HttpContext, Route } from "./routes.ts";

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".webp": "image/webp",
  ".woff2": "font/woff2",
};
const FILES_MAX = 500;
const FILE_BYTES_MAX = 8 * 1024 * 1024;

const COMMON_POLICY = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";
/** Nothing inline, nothing from elsewhere. */
const PAGE_POLICY = `${COMMON_POLICY}; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:`;

interface PageFile {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly type: string;
  readonly etag: string;
}

interface Build {
  readonly index: PageFile;
  readonly assets: ReadonlyMap<string, PageFile>;
}

export interface Page {
  readonly route: Route;
  /** Answers `GET /` for a browser. */
  readonly index: (c: HttpContext) => Promise<Response>;
}

/** Where the build of the page lies beside the compiled server, or beside the sources when these run themselves. */
export function defaultPageDirectory(): string {
  const isSource = import.meta.url.endsWith(".ts");
  return fileURLToPath(new URL(isSource ? "../../dist/dashboard/" : "../../dashboard/", import.meta.url));
}

/** True for a request that wants to see a page rather than to read JSON. */
export function isFromBrowser(c: HttpContext): boolean {
  return (c.req.method === "GET" || c.req.method === "HEAD") && (c.req.header("accept") ?? "").toLowerCase().includes("text/html");
}

/** @param directory - what `vite build` made: `index.html` and `assets/` */
export function createPage(directory: string = defaultPageDirectory()): Page {
  let reading: Promise<Build | undefined> | undefined;
  const build = async (): Promise<Build | undefined> => {
    reading ??= readBuild(directory);
    const found = await reading;
    // A page that is built later is found by a reload.
    if (found === undefined) reading = undefined;
    return found;
  };
  return {
    index: async (c) => {
      c.header("Content-Security-Policy", PAGE_POLICY);
      c.header("Cross-Origin-Opener-Policy", "same-origin");
      c.header("Vary", "Accept");
      const index = (await build())?.index;
      if (index === undefined) return missing(c);
      return fileAnswer(c, index, "private, no-cache");
    },
    route: {
      method: "GET",
      path: "/assets/:name",
      answer: async (c) => {
        const file = (await build())?.assets.get(c.req.path.slice("/assets/".length));
        if (file === undefined) return c.notFound();
        return fileAnswer(c, file, "private, max-age=31536000, immutable");
      },
    },
  };
}

function fileAnswer(c: HttpContext, { body, type, etag }: PageFile, caching: string): Response {
  c.header("Cache-Control", caching);
  c.header("ETag", etag);
  const known = c.req.header("if-none-match");
  if (known?.split(",").some((one) => one.trim().replace(/^W\//, "") === etag)) return c.body(null, 304);
  return c.body(body, 200, { "Content-Type": type });
}

function missing(c: HttpContext): Response {
  return c.html(
    "<!doctype html><title>satibot</title><p>The page is not built: run <code>npm run build</code>, then load this again.</p>",
    503,
  );
}

/** Undefined when there is no build. Links are not followed. */
async function readBuild(directory: string): Promise<Build | undefined> {
  try {
    const index = await readPageFile(join(directory, "index.html"), "text/html; charset=utf-8");
    const folder = join(directory, "assets");
    const entries = await readdir(folder, { withFileTypes: true });
    const assets = new Map<string, PageFile>();
    for (const entry of entries.slice(0, FILES_MAX)) {
      const type = TYPES[extname(entry.name)];
      const path = join(folder, entry.name);
      if (!entry.isFile() || type === undefined || (await stat(path)).size > FILE_BYTES_MAX) continue;
      assets.set(entry.name, await readPageFile(path, type));
    }
    return { index, assets };
  } catch {
    return undefined;
  }
}

async function readPageFile(path: string, type: string): Promise<PageFile> {
  const body = new Uint8Array(await readFile(path));
  return { body, type, etag: `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"` };
}

const LOGIN_STYLE = `
:root{color-scheme:light dark}
body{margin:0;min-height:100vh;display:grid;place-items:center;font:1rem/1.5 system-ui,sans-serif;background:#f7f8fa;color:#1b1f24}
form{box-sizing:border-box;width:min(22rem,calc(100vw - 2rem));display:grid;gap:.75rem}
h1{margin:0;font-size:1.35rem}p{margin:0;color:#5c6570}p.wrong{color:#a3262b}code{overflow-wrap:anywhere}
label{display:grid;gap:.35rem;font-weight:600}
input,button{font:inherit;box-sizing:border-box;width:100%;min-height:2.75rem;padding:.4rem .8rem;border-radius:.8rem;border:1px solid #b9c0c8;background:#fff;color:inherit}
button{border:0;background:#2a6b59;color:#fff;cursor:pointer}
:focus-visible{outline:2px solid #2a6b59;outline-offset:2px}
@media (prefers-color-scheme:dark){body{background:#14161a;color:#e7eaee}p{color:#98a2ad}p.wrong{color:#ff9a98}input{background:#1c1f24;border-color:#434a53}button{background:#7cc5ae;color:#0d1f19}:focus-visible{outline-color:#7cc5ae}}
`;
/** The form is shown before any file may be fetched, so its style stands in it and is allowed by its hash alone. */
const LOGIN_POLICY = `${COMMON_POLICY}; style-src 'sha256-${createHash("sha256").update(LOGIN_STYLE).digest("base64")}'`;

/** What a browser sees that is not signed in: 401 and a form that leads to `/?token=`. */
export function loginAnswer(c: HttpContext, { isWrong }: { readonly isWrong: boolean }): Response {
  const said = isWrong
    ? `<p class="wrong" role="alert">That token is wrong.</p>`
    : `<p>This satibot asks for its token, the <code>http.token</code> of its configuration (or <code>SATIBOT_TOKEN</code>).</p>`;
  return c.html(
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Sign in · satibot</title><style>${LOGIN_STYLE}</style></head>` +
      `<body><form action="/" method="get"><h1>satibot</h1>${said}<label>Token<input name="token" type="password" autocomplete="current-password" required autofocus></label><button>Sign in</button></form></body></html>`,
    401,
    { "Content-Security-Policy": LOGIN_POLICY, Vary: "Accept, Cookie" },
  );
}
