import type { Command } from "commander";
import type { WirePairing } from "../../http/wire.ts";
import { viewPairingCode } from "../pairing-notice.ts";
import { type ConnectionOptions, withDaemon } from "./connection.ts";
import { CommandError, EXIT } from "./io.ts";
import { table } from "./table.ts";
import { type Tools, withConnection, withJson } from "./tools.ts";
import { when } from "./when.ts";

interface Shown extends ConnectionOptions {
  readonly json?: boolean;
}

const CHANNEL = "channel, such as telegram";

/** `satibot pair …`: who may write to the bot beside the allow lists of the configuration. */
export function addPairCommands(program: Command, { io, access, print }: Tools): void {
  const pair = program.command("pair").description("say who may write to the bot");
  const command = (usage: string, description: string): Command => withJson(withConnection(pair.command(usage).description(description)));

  command("list", "list who was let in, and who asked").action(async (options: Shown) => {
    const page = await withDaemon(io, access, options, (api) => api.pairing());
    print(options, page, () => viewPairings(page.items, io.columns, io.now()));
  });
  command("code [channel]", "make a new one-time code; whoever sends it to the bot becomes its owner").action(
    async (channel: string | undefined, options: Shown) => {
      const code = await withDaemon(io, access, options, async (api) =>
        api.pairingCode(channel ?? onlyOne((await api.pairing()).items.map((item) => item.channel))),
      );
      print(options, code, () => viewPairingCode(code, io.now(), io.columns));
    },
  );
  command("approve", "let somebody in, by the id that `pair list` shows")
    .argument("<channel>", CHANNEL)
    .argument("<id>", "id at the platform, or @username")
    .action(async (channel: string, id: string, options: Shown) => {
      const person = await withDaemon(io, access, options, (api) => api.approve(channel, id));
      print(options, person, () => `${person.id} may write over ${channel} now.`);
    });
  command("revoke", "let somebody in no longer")
    .argument("<channel>", CHANNEL)
    .argument("<id>", "id at the platform, or @username")
    .action(async (channel: string, id: string, options: Shown) => {
      const revoked = await withDaemon(io, access, options, (api) => api.revoke(channel, id));
      print(options, revoked, () => `${revoked.id} may no longer write over ${channel}.`);
    });
}

function onlyOne(channels: readonly string[]): string {
  const [first, ...others] = channels;
  if (first !== undefined && others.length === 0) return first;
  throw new CommandError(
    EXIT.usage,
    first === undefined
      ? "no channel takes codes; set TELEGRAM_BOT_TOKEN to open one"
      : `name the channel that the code is for: ${channels.join(", ")}`,
  );
}

function viewPairings(pairings: readonly WirePairing[], columns: number | undefined, nowMs: number): string {
  if (pairings.length === 0) return "No channel with people to let in. Set TELEGRAM_BOT_TOKEN to open one.";
  const rows = pairings.flatMap(({ channel, people, requests, allow }) => [
    ...(allow ?? []).map((id) => ({ channel, id, name: id === "*" ? "everybody" : "", role: "allow list", at: undefined })),
    ...people.map(({ id, name = "", role, since }) => ({ channel, id, name, role, at: since })),
    ...requests.map(({ id, name = "", lastAt }) => ({ channel, id, name, role: "asks", at: lastAt })),
  ]);
  const closed = pairings.filter(({ allow, people }) => (allow ?? []).length === 0 && people.length === 0).map(({ channel }) => channel);
  const advice = [
    ...closed.map((channel) => `Nobody may write over ${channel} yet; \`satibot pair code ${channel}\` makes a code for its owner.`),
    ...(rows.some(({ role }) => role === "asks") ? ["`satibot pair approve CHANNEL ID` lets somebody in."] : []),
  ];
  const list = table(
    rows,
    [
      { title: "CHANNEL", cell: ({ channel }) => channel },
      { title: "ID", cell: ({ id }) => id },
      { title: "NAME", cell: ({ name }) => name, shrinksTo: 8 },
      { title: "ROLE", cell: ({ role }) => role },
      { title: "SINCE", cell: ({ at }) => when(at, nowMs) },
    ],
    columns,
  );
  return [...(rows.length === 0 ? [] : [list]), ...advice].join("\n\n");
}
