/** One turn that kills its process, beside people who only want their answers. */
import { createSystemClock } from "../../src/app/system-clock.ts";
import { openTelegramServer } from "../../src/testing/telegram-server.ts";
import { openRig, until, type Daemon } from "../e2e/rig.ts";
import { personOverHttp } from "./people.ts";

export interface PoisonResult {
  readonly deaths: number;
  readonly maxAttempts: number;
  /** Notices that the person behind the turn got. */
  readonly told: number;
  readonly faults: readonly string[];
}

const CULPRIT = 666;
const SIBLINGS = 8;
const DEATH_MS = 30_000;

/** A supervisor restarts the daemon until it lives on; then a person brings the chat back without the message. */
export async function runPoison(maxAttempts: number): Promise<PoisonResult> {
  const rig = await openRig();
  const telegram = await openTelegramServer({ clock: createSystemClock() });
  const launch = (): Daemon =>
    rig.startLedger({
      telegram: { token: telegram.token, apiRoot: telegram.apiRoot, allow: ["*"] },
      limits: { maxAttempts, idleTimeout: 500 },
    });
  const siblings = Array.from({ length: SIBLINGS }, (_, place) =>
    personOverHttp(rig, `sibling-${place}`, { ahead: 1, agentMs: () => 150, pauseMs: () => 20 }),
  );
  const key = `telegram:${CULPRIT}`;
  const faults: string[] = [];
  let deaths = 0;
  const heard = (): readonly string[] => telegram.sends().flatMap((send) => (send.chatId === CULPRIT ? [send.text] : []));
  try {
    let daemon = launch();
    await daemon.ready();
    telegram.say("die 1", { userId: CULPRIT });
    const isAside = async (): Promise<boolean> => (await rig.api.chat(key).catch(() => undefined))?.state === "quarantined";
    while (deaths <= maxAttempts + 3) {
      await until("the daemon dies, or puts the chat aside", async () => daemon.hasEnded() || (await isAside()), DEATH_MS);
      if (!daemon.hasEnded()) break;
      deaths += 1;
      daemon = launch();
      await until("it is ready, or dies again", async () => daemon.hasEnded() || (await rig.readiness()) === 200, DEATH_MS);
    }
    if (deaths > maxAttempts + 1) faults.push(`${deaths} deaths with maxAttempts ${maxAttempts}`);
    await until("the person is told", () => heard().length > 0, DEATH_MS);
    const told = heard().length;
    if (told !== 1) faults.push(`the person was told ${told} times: ${heard().join(" | ")}`);
    const { items } = await rig.api.chats({ limit: 100 });
    for (const chat of items) if (chat.state === "quarantined" && chat.key !== key) faults.push(`${chat.key} is innocent and quarantined`);
    const before = siblings.map((person) => person.accepted());
    await until("every sibling is answered on", () => siblings.every((person, place) => person.accepted() > before[place]! + 1), DEATH_MS);
    telegram.say("say 2 1 0", { userId: CULPRIT });
    const cli = await rig.cli(["chats", "retry", key, "--skip"]);
    if (cli.code !== 0) faults.push(`chats retry --skip ended with ${cli.code}: ${cli.stderr}`);
    await until("the culprit's next message is answered", () => heard().some((text) => text.startsWith("2 1/1")), DEATH_MS).catch(() =>
      faults.push("after chats retry --skip the next message was not answered"),
    );
    if (daemon.hasEnded()) faults.push("the daemon died again after the retry");
    await Promise.all(siblings.map((person) => person.stop()));
    return { deaths, maxAttempts, told, faults };
  } finally {
    await Promise.all(siblings.map((person) => person.close()));
    await telegram.close();
    await rig.close();
  }
}
