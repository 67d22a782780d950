/** The page in a real browser, over the real runtime. Nothing sleeps: every wait is for something on the page. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Rig, type Tab, openRig, openTab } from "./browser.ts";
import { type ChatServer, type ChatServerOptions, openChatServer } from "./chat-server.ts";

let rig: Rig;
const servers: ChatServer[] = [];
const tabs: Tab[] = [];

beforeAll(async () => {
  rig = await openRig();
}, 60_000);
afterEach(async () => {
  for (const { context } of tabs.splice(0)) await context.close();
  for (const server of servers.splice(0)) await server.close();
});
afterAll(() => rig.close());

async function serve(options: Partial<ChatServerOptions> = {}): Promise<ChatServer> {
  const server = await openChatServer({ pageDirectory: rig.pageDirectory, ...options });
  servers.push(server);
  return server;
}

async function visit(url: string, options: Parameters<typeof openTab>[2] = {}): Promise<Tab> {
  const tab = await openTab(rig.browser, url, options);
  tabs.push(tab);
  return tab;
}

async function say(page: Page, text: string): Promise<void> {
  await page.fill("#composer", text);
  await page.press("#composer", "Enter");
}

const replies = (page: Page) => page.locator(".reply:not(.draft)");
/** Waits for a whole reply. */
const heard = (page: Page, text: string, options = {}) => page.locator(".reply:not(.draft)", { hasText: text }).waitFor(options);
const owns = (page: Page) => page.locator(".own");

/** What is said, in order: `> ` before what the person wrote. */
async function said(page: Page): Promise<readonly string[]> {
  return page
    .locator(".own .bubble, .reply:not(.draft) .marked")
    .evaluateAll((found) => found.map((one) => (one.matches(".bubble") ? `> ${one.textContent}` : (one.textContent ?? ""))));
}

describe("a conversation", () => {
  it("streams an answer, shows it once, and shows the same after a reload", async () => {
    const { url } = await serve({ wordDelayMs: 40 });
    const { page, faults } = await visit(url);
    await page.locator(".empty").waitFor();
    await say(page, "one two three four five six seven");
    await page.locator(".draft", { hasText: "You said: one" }).waitFor();
    expect(await replies(page).count()).toBe(0);
    await replies(page).waitFor();
    const lines = ["> one two three four five six seven", "You said: one two three four five six seven"];
    expect(await said(page)).toEqual(lines);
    expect(await page.locator(".draft").count()).toBe(0);
    await say(page, "/parts 3");
    await heard(page, "part 3 of 3");
    await page.reload();
    await heard(page, "part 3 of 3");
    expect(await said(page)).toEqual([...lines, "> /parts 3", "part 1 of 3", "part 2 of 3", "part 3 of 3"]);
    expect(await page.title()).toBe("one two three four five six seven · satibot");
    expect(faults).toEqual([]);
  });

  it("says what goes on and why, and stops by Escape", async () => {
    const { url } = await serve();
    const { page, faults } = await visit(url);
    await say(page, "/slow 60s never");
    await page.getByTestId("status").filter({ hasText: "thinking… 1 s" }).waitFor();
    await page.getByRole("button", { name: "why?" }).click();
    await page.getByText("The agent has been answering for").waitFor();
    await page.keyboard.press("Escape");
    await heard(page, "Stopped; messages dropped: 1.");
    await page.getByText("not answered").waitFor();
    expect(await page.getByRole("button", { name: "Stop" }).count()).toBe(0);
    await say(page, "/fail");
    await heard(page, "you asked me to fail");
    await page.reload();
    await heard(page, "you asked me to fail");
    expect((await said(page)).map((line) => line.slice(0, 16))).toEqual([
      "> /slow 60s never".slice(0, 16),
      "Stopped; message",
      "> /fail",
      "Sorry, I could n",
    ]);
    expect(faults).toEqual([]);
  });

  it("is one of several, which can be named and taken off the list", async () => {
    const { url } = await serve();
    const { page, faults } = await visit(url);
    await say(page, "the first");
    await replies(page).waitFor();
    await page.locator(".list-new").click();
    await page.locator(".empty").waitFor();
    await say(page, "the second");
    await heard(page, "You said: the second");
    await page.getByRole("button", { name: "Rename the second" }).click();
    await page.getByLabel("Name", { exact: true }).fill("Zweites");
    await page.keyboard.press("Enter");
    expect(await page.locator(".list-open").allTextContents()).toEqual(["Zweites", "the first"]);
    await page.getByRole("button", { name: "Remove Zweites" }).click();
    await page.getByRole("button", { name: "Remove", exact: true }).click();
    await heard(page, "You said: the first");
    expect(await page.locator(".list-open").allTextContents()).toEqual(["the first"]);
    expect(faults).toEqual([]);
  });
});

describe("a broken connection", () => {
  it("loses and doubles nothing when the server is killed in the middle of an answer", async () => {
    const options: ChatServerOptions = {
      pageDirectory: rig.pageDirectory,
      store: `sqlite:${join(rig.folder, "kill.db")}`,
      wordDelayMs: 60,
    };
    const first = await startProcess(options);
    const { page, faults } = await visit(`http://127.0.0.1:${first.port}`);
    await say(page, "zero");
    await replies(page).waitFor();
    await say(page, "one two three four five six seven eight nine ten");
    await page.locator(".draft", { hasText: "You said: one two" }).waitFor();
    await first.kill();
    await say(page, "written while it was down");
    await page.locator(".own", { hasText: "not sent yet" }).waitFor();
    const second = await startProcess({ ...options, port: first.port });
    try {
      const lines = [
        "> zero",
        "You said: zero",
        "> one two three four five six seven eight nine ten",
        "You said: one two three four five six seven eight nine ten",
        "> written while it was down",
        "You said: written while it was down",
      ];
      await heard(page, "You said: written while it was down", { timeout: 15_000 });
      expect((await said(page)).toSorted()).toEqual(lines.toSorted());
      await page.reload();
      await heard(page, "You said: written while it was down");
      expect(await said(page)).toEqual(lines);
      expect(await page.locator(".draft").count()).toBe(0);
      expect(faults).toEqual([]);
    } finally {
      await second.kill();
    }
  }, 40_000);

  it("keeps what is written offline, through a reload, and sends it once", async () => {
    const { url, loop } = await serve();
    const { page, context, faults } = await visit(url);
    await say(page, "online");
    await replies(page).waitFor();
    // The request leaves and is stored, its answer never comes: the same id is sent again.
    await page.route("**/messages", async (route) => {
      await route.fetch();
      await route.abort("connectionreset");
    });
    await say(page, "stored unheard");
    await heard(page, "You said: stored unheard");
    await page.unroute("**/messages");
    await context.setOffline(true);
    await say(page, "offline");
    await page.locator(".own", { hasText: "offline" }).getByText("not sent yet").waitFor();
    await context.setOffline(false);
    await page.reload();
    await heard(page, "You said: offline");
    expect(await said(page)).toEqual([
      "> online",
      "You said: online",
      "> stored unheard",
      "You said: stored unheard",
      "> offline",
      "You said: offline",
    ]);
    const { items } = await loop.chats({ channel: "web" }, { limit: 10 });
    expect((await loop.chat(items[0]?.key ?? "")).history).toHaveLength(6);
    expect(faults).toEqual([]);
  });

  it("shows a refusal at its message, which can be sent again or edited", async () => {
    const { url } = await serve({ inboxPerChat: 1 });
    const { page, faults } = await visit(url);
    await say(page, "/slow 60s x");
    await owns(page).locator("time").waitFor();
    await say(page, "too much");
    await page.getByRole("alert").filter({ hasText: "Not sent" }).waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await heard(page, "Stopped; messages dropped: 1.");
    await page.getByRole("button", { name: "Send again" }).click();
    await heard(page, "You said: too much");
    await say(page, "ä".repeat(33_000));
    await page.getByText("over 64 KiB").waitFor();
    await page.getByRole("button", { name: "Edit" }).click();
    expect(await page.inputValue("#composer")).toHaveLength(33_000);
    expect(await owns(page).count()).toBe(2);
    expect(faults).toEqual([]);
  });
});

describe("what is said", () => {
  it("never becomes markup, a script or a dangerous link", async () => {
    const { url } = await serve();
    const { page, faults } = await visit(url);
    const attack = [
      "<img src=x onerror=alert(1)><script>alert(2)</script>",
      "![x](x onerror=alert(3)) [a](javascript:alert(4)) <javascript:alert(5)> <a href='javascript:alert(6)'>b</a>",
      '[ok](https://example.com/"onmouseover="alert(7)) <svg onload=alert(8)> <iframe srcdoc="<script>alert(9)</script>">',
    ].join("\n\n");
    await say(page, attack);
    await replies(page).waitFor();
    const found = await page.locator(".messages").evaluate((box) => ({
      made: box.querySelectorAll("img, script, iframe, object, [onerror], [onload], [onmouseover]").length,
      links: Array.from(box.querySelectorAll("a"), (a) => `${a.getAttribute("href")} ${a.rel}`),
      bubble: box.querySelector(".bubble")?.textContent,
    }));
    expect(found.made).toBe(0);
    expect(found.bubble).toBe(attack);
    for (const link of found.links) expect(link).toMatch(/^https:\/\/example\.com\/\S* noopener noreferrer$/);
    await page.reload();
    await replies(page).waitFor();
    expect(faults).toEqual([]);
  });

  it("is guarded by a policy that stops what is inline, and tells it", async () => {
    const { url } = await serve();
    const { page, faults } = await visit(url);
    const told = page.waitForEvent("console");
    await page.evaluate(() => {
      const script = document.createElement("script");
      script.textContent = "document.title = 'taken over'";
      document.body.append(script);
    });
    await told;
    expect(await page.title()).toBe("satibot");
    expect(faults).toHaveLength(1);
  });

  it("fits a phone, dark and light", async () => {
    const { url } = await serve();
    for (const colorScheme of ["dark", "light"] as const) {
      const { page, faults } = await visit(url, { viewport: { width: 360, height: 740 }, colorScheme });
      const table = `|${"a|".repeat(12)}\n|${"-|".repeat(12)}\n|${"value|".repeat(12)}`;
      await say(page, `${"long".repeat(200)}\n\n\`\`\`\n${"code ".repeat(80)}\n\`\`\`\n\n${table}`);
      await replies(page).waitFor();
      const widths = await page.evaluate(() => [document.documentElement.scrollWidth, document.querySelector(".messages")?.scrollWidth]);
      expect(widths).toEqual([360, 360]);
      const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      expect(background).toBe(colorScheme === "dark" ? "rgb(20, 22, 26)" : "rgb(247, 248, 250)");
      await page.getByRole("button", { name: "Conversations" }).click();
      await page.locator(".list-new").click();
      await page.locator(".empty").waitFor();
      expect(faults).toEqual([]);
    }
  });
});

describe("a token", () => {
  it("is asked for once, and a wrong one is told", async () => {
    const { url } = await serve({ token: "right one" });
    const { page, faults } = await visit(url);
    await page.getByLabel("Token").fill("wrong");
    await page.keyboard.press("Enter");
    await page.getByText("That token is wrong.").waitFor();
    await page.getByLabel("Token").fill("right one");
    await page.getByRole("button", { name: "Sign in" }).click();
    await say(page, "hello");
    await heard(page, "You said: hello");
    expect(page.url()).toBe(`${url}/`);
    expect(faults).toEqual([]);
  });
});

async function startProcess(options: ChatServerOptions): Promise<{ readonly port: number; readonly kill: () => Promise<void> }> {
  const file = fileURLToPath(new URL("chat-server.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", file, JSON.stringify(options)], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const [port] = (await once(child.stdout, "data")) as [Buffer];
  return {
    port: Number(port.toString()),
    kill: async () => {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
