/** One run of the channel between `start` and `stop`: the gateway, what people do there on its way to the store, and the menu of commands. */
import { noteOf } from "../../core/errors.ts";
import type { ChannelHost } from "../../ports/channel.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import { syncCommands } from "./commands.ts";
import type { DiscordCounters } from "./counters.ts";
import { createDirectory } from "./directory.ts";
import { describe } from "./failure.ts";
import type { Redact } from "./failure.ts";
import { openGateway } from "./gateway.ts";
import type { Gateway } from "./gateway.ts";
import type { IdentifyPace } from "./identify-pace.ts";
import { createIntake } from "./intake.ts";
import type { InteractionDesk } from "./interactions.ts";
import { loadLedger } from "./ledger.ts";
import { createReader } from "./reader.ts";
import type { RecentIds } from "./recent-ids.ts";
import type { Rest } from "./rest.ts";
import type { GroupMode } from "./settings.ts";
import type { WireGuild } from "./wire.ts";

export interface ConnectionOptions {
  readonly token: string;
  readonly apiRoot: string;
  readonly clock: Clock;
  readonly name: string;
  readonly log: Log | undefined;
  readonly redact: Redact;
  readonly rest: Rest;
  readonly desk: InteractionDesk;
  readonly pace: IdentifyPace;
  readonly recent: RecentIds;
  readonly counters: DiscordCounters;
  readonly groups: ReadonlyMap<string, GroupMode>;
  readonly backfillMax: number;
}

export interface Connection {
  /** Resolves when the gateway is gone and nothing is handed over any more. */
  readonly stop: () => Promise<void>;
}

/** Loads what is known of channels, then connects. */
export function openConnection(options: ConnectionOptions, host: ChannelHost): Connection {
  const { clock, name, log, rest, desk, recent, counters, groups, backfillMax } = options;
  const abort = new AbortController();
  const { signal } = abort;
  const background = new Set<Promise<void>>();
  const inBackground = (work: Promise<void>): void => {
    background.add(work);
    work.finally(() => background.delete(work)).catch(() => undefined);
  };

  const connect = (ledger: Awaited<ReturnType<typeof loadLedger>>): { gateway: Gateway; ended: () => Promise<void> } => {
    const directory = createDirectory(groups, clock);
    const reader = createReader({ rest, clock, signal, name, log, onRefused: (failure) => gateway.refuse(describe(failure)) });
    const intake = createIntake({ host, clock, name, log, signal, ledger, directory, reader, recent, counters, backfillMax });
    let botId = "";

    const onEvent = (t: string, d: unknown): void => {
      if (typeof d !== "object" || d === null) return;
      switch (t) {
        case "MESSAGE_CREATE":
        case "MESSAGE_UPDATE":
          intake.messageSaid(d, t === "MESSAGE_UPDATE");
          return;
        case "INTERACTION_CREATE": {
          const received = desk.receive(d, name);
          if (received) intake.pushed(received.place, received.id, received.message, received.onOutcome);
          return;
        }
        case "GUILD_CREATE":
          if (directory.learnGuild(d, botId, (channelId) => ledger.get(channelId) !== undefined))
            intake.serverReturned((d as WireGuild).id);
          return;
        case "THREAD_CREATE":
        case "THREAD_UPDATE":
          directory.learnThread(d);
          return;
        case "THREAD_LIST_SYNC":
          for (const thread of (d as WireGuild).threads ?? []) directory.learnThread(thread);
      }
    };
    const gateway = openGateway({
      ...options,
      report: host.report,
      onEvent,
      onLogin: (bot, applicationId) => {
        botId = bot.id;
        directory.forgetGuilds();
        intake.begin(bot);
        inBackground(syncCommands(host, { rest, applicationId, signal, name, log }));
      },
    });
    return { gateway, ended: intake.ended };
  };

  const opened = loadLedger(host, name, log).then(
    (ledger) => (signal.aborted ? undefined : connect(ledger)),
    (error: unknown) => {
      if (!signal.aborted) host.report({ type: "connection.lost", error: noteOf(error) });
      return undefined;
    },
  );

  return {
    stop: async () => {
      abort.abort();
      const connected = await opened;
      await Promise.all([connected?.gateway.stop(), connected?.ended(), ...background]);
    },
  };
}
