/** The page, built once, and a headless browser that records every violation of its policy and every error on it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import chromium from "@sparticuz/chromium";
import { type Browser, type BrowserContext, type BrowserContextOptions, type Page, chromium as engine } from "playwright-core";
import { build } from "vite";

export interface Rig {
  readonly pageDirectory: string;
  readonly folder: string;
  readonly browser: Browser;
  readonly close: () => Promise<void>;
}

export async function openRig(): Promise<Rig> {
  const folder = await mkdtemp(join(tmpdir(), "satibot-page-"));
  const pageDirectory = join(folder, "page");
  const configFile = join(import.meta.dirname, "../../dashboard/vite.config.ts");
  const [executablePath] = await Promise.all([
    chromium.executablePath(),
    build({ configFile, logLevel: "error", build: { outDir: pageDirectory, emptyOutDir: true } }),
  ]);
  // In a single process the second context of a browser hangs.
  const args = [...chromium.args.filter((arg) => arg !== "--single-process"), "--no-sandbox"];
  const browser = await engine.launch({ executablePath, args, headless: true });
  return {
    pageDirectory,
    folder,
    browser,
    close: async () => {
      await browser.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export interface Tab {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What went wrong on the page: errors, dialogs, violations of the policy, requests to elsewhere. */
  readonly faults: string[];
}

export async function openTab(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Tab> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(8_000);
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(`error: ${error.message}`));
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("console", (message) => {
    if (/Content Security Policy|Refused to/i.test(message.text())) faults.push(`policy: ${message.text()}`);
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(new URL(url).origin)) faults.push(`request: ${request.url()}`);
  });
  await page.goto(url);
  return { page, context, faults };
}
