import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { accessOf } from "../../../src/app/config/channels.ts";
import { type Config, type LoadOptions, loadConfig } from "../../../src/app/config/config.ts";
import { configJsonSchema, describeConfig, secretsOf } from "../../../src/app/config/describe.ts";

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), "satibot-config-"));
});
afterEach(() => rm(cwd, { recursive: true, force: true }));

async function load(text: string, env: LoadOptions["env"] = {}, name = "satibot.config.yaml"): Promise<Config> {
  await writeFile(join(cwd, name), text);
  return loadConfig({ cwd, env });
}
const messageOf = async (text: string, env: LoadOptions["env"] = {}): Promise<string> =>
  load(text, env).then(
    () => "nothing is wrong",
    (error: unknown) => String(error),
  );

const WHATSAPP = "accessToken: EAA-secret, phoneNumberId: '106540352242922', appSecret: app-secret, verifyToken: verify-secret";

describe("channels of every platform", () => {
  it("are read with what each of them has", async () => {
    const { channels } = await load(`
channels:
  telegram: { token: "1:a", webhookUrl: "https://bot.example.org/", groups: all }
  discord: { token: d-token, allow: ["*"], groups: { "*": mention, "123456789012345678": all } }
  whatsapp: { ${WHATSAPP}, apiUrl: "http://127.0.0.1:9/v25.0" }
  slack: { options: { botToken: xoxb-1, signingSecret: hush }, groups: all }
  teams: { adapter: "@chat-adapter/teams", textUnits: 5000 }
`);
    expect(channels).toEqual([
      { name: "telegram", kind: "telegram", token: "1:a", mode: "webhook", webhookUrl: "https://bot.example.org", groups: { "*": "all" } },
      { name: "discord", kind: "discord", token: "d-token", allow: ["*"], groups: { "*": "mention", "123456789012345678": "all" } },
      {
        name: "whatsapp",
        kind: "whatsapp",
        accessToken: "EAA-secret",
        phoneNumberId: "106540352242922",
        appSecret: "app-secret",
        verifyToken: "verify-secret",
        apiUrl: "http://127.0.0.1:9/v25.0",
      },
      {
        name: "slack",
        kind: "chat-sdk",
        adapter: "@chat-adapter/slack",
        options: { botToken: "xoxb-1", signingSecret: "hush" },
        groups: "all",
      },
      { name: "teams", kind: "chat-sdk", adapter: "@chat-adapter/teams", textUnits: 5_000 },
    ]);
  });

  it("may be several of a kind, and carry any name with their kind or adapter", async () => {
    const { channels } = await load(`
channels:
  discord: { token: one }
  discord-2: { token: two }
  support: { kind: discord, token: three }
  slack: true
  slack-2: { options: { botToken: xoxb-2 } }
  telegram: { adapter: "@chat-adapter/telegram" }
`);
    expect(channels.map(({ name, kind }) => `${name} ${kind}`)).toEqual([
      "discord discord",
      "discord-2 discord",
      "support discord",
      "slack chat-sdk",
      "slack-2 chat-sdk",
      "telegram chat-sdk",
    ]);
  });

  it("take administrators and rates", async () => {
    const { channels } = await load(`
channels:
  telegram: { token: "1:a", allow: [1], admins: [7, "US.Ann"], rate: { perUser: 20/1m, perChat: 60/h } }
`);
    expect(channels[0] && accessOf(channels[0])).toEqual({
      allow: ["1"],
      admins: ["7", "US.Ann"],
      rate: { perUser: { count: 20, perMs: 60_000 }, perChat: { count: 60, perMs: 3_600_000 } },
    });
  });

  it("take phone numbers as people write them", async () => {
    const { channels } = await load(
      `channels: { whatsapp: { ${WHATSAPP}, allow: ["+1 (650) 555-1234", "@Ann", "*"], admins: ["+44 7700 900000"] } }\n`,
    );
    expect(channels).toMatchObject([{ allow: ["16505551234", "@Ann", "*"], admins: ["447700900000"] }]);
  });

  it("stay closed where the file says false", async () => {
    expect((await load("channels: { discord: false, whatsapp: false, slack: false }\n", { DISCORD_BOT_TOKEN: "x" })).channels).toEqual([]);
  });

  it.each([
    [
      "discord: {}",
      "channels.discord.token (line 2): is missing; write the token from the developer portal of Discord, or set DISCORD_BOT_TOKEN",
    ],
    ["discord-2: {}", "channels.discord-2.token (line 2): is missing; write the token from the developer portal of Discord"],
    [
      "whatsapp: { accessToken: x }",
      "channels.whatsapp.appSecret (line 2): is missing; write the app secret of the Meta app, or set WHATSAPP_APP_SECRET",
    ],
    ["whatsapp: { accessToken: x }", "phoneNumberId (line 2): is missing; write the phone number id from WhatsApp Manager, in quotes"],
    [
      `whatsapp: { ${WHATSAPP.replace("'106540352242922'", "'+1 650'")} }`,
      "phoneNumberId (line 2): must be the digits of the phone number id",
    ],
    [`whatsapp: { ${WHATSAPP.replace("'106540352242922'", "10654035224292212345")} }`, "as a number it has lost digits"],
    [`whatsapp: { ${WHATSAPP}, alow: [] }`, 'channels.whatsapp.alow (line 2): unknown key; did you mean "allow"?'],
    [
      `whatsapp: { ${WHATSAPP} }\n  whatsapp-2: { ${WHATSAPP} }`,
      "channels.whatsapp-2.phoneNumberId (line 3): is also the phone number id of whatsapp",
    ],
    ["discord: { token: x }\n  support: { kind: discord, token: x }", "channels.support.token (line 3): is also the token of discord"],
    ["discord: { token: x, allow: [123456789012345678] }", "has a number of more digits than a number can hold; write long ids in quotes"],
    ["discord: { token: x, groups: { 123456789012345678: all } }", "has lost digits; write it in quotes"],
    ["discord: { token: x, groups: loud }", 'must be mention, all, or both by id such as { "*": mention'],
    ["slack: { adapter: '', groups: { '*': all } }", "channels.slack.groups (line 2): must be mention or all"],
    ["chat-sdk: {}", "channels.chat-sdk.adapter (line 2): is missing; name a package such as @chat-adapter/slack"],
    ["teams: {}", "channels.teams (line 2): unknown channel"],
    ["telegram: { token: '1:a', mode: webhook }", "channels.telegram.webhookUrl (line 2): is missing; write the https address"],
    ["telegram: { token: '1:a', mode: polling, secretToken: abc }", "channels.telegram.secretToken (line 2): goes with webhooks"],
    ["telegram: { token: '1:a', secretToken: 'a b' }", "must be 1 to 256 of A-Z a-z 0-9 _ -"],
    ["telegram: { token: '1:a', rate: { perUser: 20 } }", 'must be messages in a time such as "20/1m"'],
    ["telegram: { token: '1:a', rate: { perUser: 0/1m } }", 'must be messages in a time such as "20/1m"'],
    ["telegram: { token: '1:a', rate: { perUsr: 1/1m } }", 'unknown key; did you mean "perUser"?'],
    ["telegram: { token: '1:a', admins: ['@ann'] }", "has an entry that is no id of a person"],
  ])("say what is wrong with %s", async (text, expected) => {
    expect(await messageOf(`channels:\n  ${text}\n`)).toContain(expected);
  });

  it("take long ids that stand in quotes", async () => {
    const { channels } = await load(
      '{ "channels": { "discord": { "token": "x", "groups": { "123456789012345680": "all" } } } }',
      {},
      "satibot.config.json",
    );
    expect(channels).toMatchObject([{ groups: { "123456789012345680": "all" } }]);
  });
});

describe("variables of channels", () => {
  it("open a channel that the file does not name, and fill in the others", async () => {
    const { channels } = await load("", {
      DISCORD_BOT_TOKEN: "d",
      WHATSAPP_PHONE_NUMBER_ID: "106540352242922",
      WHATSAPP_ACCESS_TOKEN: "a",
      WHATSAPP_APP_SECRET: "s",
      WHATSAPP_VERIFY_TOKEN: "v",
    });
    expect(channels).toEqual([
      { name: "discord", kind: "discord", token: "d" },
      { name: "whatsapp", kind: "whatsapp", phoneNumberId: "106540352242922", accessToken: "a", appSecret: "s", verifyToken: "v" },
    ]);
  });

  it("win over the file, and are named where they are wrong", async () => {
    const text = `channels: { whatsapp: { ${WHATSAPP} } }\n`;
    expect((await load(text, { WHATSAPP_APP_SECRET: "from-env" })).channels).toMatchObject([
      { appSecret: "from-env", accessToken: "EAA-secret" },
    ]);
    expect(await messageOf(text, { WHATSAPP_APP_SECRET: "two words" })).toContain(
      "WHATSAPP_APP_SECRET (channels.whatsapp.appSecret): must be printable",
    );
  });

  it("of a number alone open nothing", async () => {
    expect((await load("", { WHATSAPP_ACCESS_TOKEN: "of another program" })).channels).toEqual([]);
  });
});

describe("hooks", () => {
  it("are read with their chat and template", async () => {
    const hook = { token: "t0ken", chat: "api:ops", template: "Deployed {{a.b}}" };
    expect((await load(`hooks: { deploy: ${JSON.stringify(hook)} }\n`)).hooks).toEqual({ deploy: hook });
    expect((await load("hooks:\n")).hooks).toEqual({});
  });

  it.each([
    ["{ deploy: { chat: 'api:a' } }", "hooks.deploy.token (line 1): is missing"],
    ["{ deploy: { token: t, chat: nowhere } }", 'hooks.deploy.chat (line 1): chat key "nowhere": needs the form "channel:rest"'],
    [
      "{ deploy: { token: t, chat: 'telegram:1' } }",
      "hooks.deploy.chat (line 1): is of no channel that is configured; write one of api, web, terminal before the colon",
    ],
    ["{ deploy: { token: t, chat: 'cron:1' } }", "is of no channel that is configured"],
    ["{ deploy: { token: t, chat: 'api:a', template: 'x {{a b}}' } }", "hooks.deploy.template (line 1): has {{a b}}, which names no field"],
    ["{ deploy: { token: t, chat: 'api:a', tmplate: x } }", 'hooks.deploy.tmplate (line 1): unknown key; did you mean "template"?'],
    ["{ De ploy: { token: t, chat: 'api:a' } }", "is no name for a hook"],
    ["[]", "hooks (line 1): must be a section with a key for each hook"],
  ])("say what is wrong with %s", async (text, expected) => {
    expect(await messageOf(`hooks: ${text}\n`)).toContain(expected);
  });
});

describe("descriptions of channels and hooks", () => {
  const TEXT = `
channels:
  telegram: { token: "12345:AA-secret", secretToken: shown-secret, apiRoot: "http://u:url-secret@127.0.0.1:1", rate: { perUser: 20/1m } }
  discord: { token: discord-secret }
  whatsapp: { ${WHATSAPP} }
  slack: { options: { botToken: xoxb-secret, userName: sati, nested: { signingSecret: deep-secret, list: [{ apiKey: list-secret }] } } }
hooks: { deploy: { token: hook-secret, chat: "api:ops" } }
`;

  it("mask every secret and show the rest", async () => {
    const text = JSON.stringify(describeConfig(await load(TEXT)));
    expect(text).not.toContain('secret"');
    expect(text).not.toContain("-secret");
    for (const shown of ["12345:***", "sati", "106540352242922", "20 in 1 min", "api:ops", "who is paired"]) expect(text).toContain(shown);
  });

  it("give the log all that it must mask", async () => {
    expect(secretsOf(await load(TEXT)).toSorted()).toEqual(
      [
        "12345:AA-secret",
        "EAA-secret",
        "app-secret",
        "deep-secret",
        "discord-secret",
        "hook-secret",
        "list-secret",
        "shown-secret",
        "verify-secret",
        "xoxb-secret",
      ].toSorted(),
    );
  });

  it("are part of the JSON schema", () => {
    const schema = JSON.stringify(configJsonSchema());
    for (const key of ["phoneNumberId", "backfillMax", "adapter", "secretToken", "perChat", "template"])
      expect(schema).toContain(`"${key}"`);
  });
});
