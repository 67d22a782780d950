/** An administrator at work while the bot is busy: the library's calls behind the commands that are shown. */
import type { Gateway } from "satibot";
import { pause } from "./clock.ts";
import { READER } from "./cast.ts";
import type { Play } from "./play.ts";

export interface AdministratorEvents {
  readonly onCommand: (command: string, result: string) => void;
}

interface Command {
  /** Part of the window after which it is given. */
  readonly at: number;
  readonly text: string;
  /** What came of it; a pair when the command itself was not known before. */
  readonly run: () => Promise<string | readonly [text: string, result: string]>;
}

/** Gives all commands, each at its time; a command that is refused shows why. Resolves once the last one is answered or `signal` is aborted. */
export async function administer(
  gateway: Gateway,
  play: Play,
  { onCommand }: AdministratorEvents,
  signal: AbortSignal,
): Promise<{ readonly given: number }> {
  const { chat: reader } = READER;
  const first = play.messages[0]?.person.chat ?? reader;
  const commands: readonly Command[] = [
    {
      at: 0.12,
      text: "addCronJob tea, every 1 s",
      run: async () => {
        const job = await gateway.addCronJob({ id: "tea", message: "Tea is ready.", schedule: { every: "1s" }, deliver: { chat: reader } });
        return `added; first in ${Math.max(0, (job.nextAtMs ?? 0) - Date.now())} ms`;
      },
    },
    { at: 0.14, text: "satibot status", run: () => statusLine(gateway) },
    { at: 0.28, text: `satibot chats why ${reader}`, run: async () => (await gateway.why(reader)).sentence },
    {
      at: 0.42,
      text: `satibot send --out ${first} "We close at six."`,
      run: async () => `reply ${await gateway.send(first, "We close at six.")} is on its way`,
    },
    { at: 0.44, text: "satibot status", run: () => statusLine(gateway) },
    { at: 0.55, text: `satibot chats stop ${reader}`, run: async () => `the turn was aborted; now ${(await gateway.stop(reader)).state}` },
    { at: 0.72, text: "satibot chats list --state queued", run: () => whyOfBusy(gateway) },
    { at: 0.95, text: "removeCronJob tea", run: async () => ((await gateway.removeCronJob("tea")) ? "removed" : "there is none") },
  ];
  let given = 0;
  await Promise.all(
    commands.map(async ({ at, text, run }) => {
      await pause(at * play.windowMs, signal);
      if (signal.aborted) return;
      given += 1;
      const result = await run().catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
      if (typeof result === "string") onCommand(text, result);
      else onCommand(...result);
    }),
  );
  return { given };
}

async function statusLine(gateway: Gateway): Promise<string> {
  const { state, chats, queue, loopDelayMs, memoryBytes } = await gateway.status();
  const memory = `${Math.round(memoryBytes / 2 ** 20)} MiB`;
  return `${state}: ${queue.running} of ${queue.slots} slots, ${chats.known} chats, loop p99 ${loopDelayMs.p99.toFixed(1)} ms, ${memory}`;
}

/** Asks for a chat that waits for a slot, or else for one that is being answered. */
async function whyOfBusy(gateway: Gateway): Promise<string | readonly [string, string]> {
  const { items } = await gateway.chats({ states: ["queued", "responding"] }, { limit: 100 });
  const busy = items.find(({ state }) => state === "queued") ?? items[0];
  return busy ? [`satibot chats why ${busy.key}`, (await gateway.why(busy.key)).sentence] : "none: every message is answered";
}
