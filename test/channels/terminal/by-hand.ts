/** The terminal channel on a real event loop, to be tried by hand: `node --import tsx test/channels/terminal/by-hand.ts [sqlite:FILE]`. */
import { createEchoAgent } from "../../../src/agents/echo.ts";
import { SILENT, assembleWithHost, storeOf } from "../../../src/app/event-loop.ts";
import { createSystemClock } from "../../../src/app/system-clock.ts";
import { createSystemRandom } from "../../../src/app/system-random.ts";
import { createTerminalChannel } from "../../../src/channels/terminal/channel.ts";
import type { EventLoop } from "../../../src/runtime/api.ts";

const clock = createSystemClock();
const running = (): EventLoop => loop;
let quits = 0;
const terminal = createTerminalChannel({
  input: process.stdin,
  output: process.stdout,
  clock,
  loop: {
    stream: (...args) => running().stream(...args),
    status: () => running().status(),
    chats: (...args) => running().chats(...args),
    why: (key) => running().why(key),
    chat: (key) => running().chat(key),
  },
  banner: "satibot by hand. Type a message, /help tells more.",
  onQuit: () => {
    quits += 1;
    if (quits > 1) process.exit(1);
    void loop.shutdown();
  },
});
const loop: EventLoop = assembleWithHost({
  agent: createEchoAgent({ clock, wordDelayMs: 60 }),
  store: storeOf(process.argv[2] ?? "memory:", clock),
  clock,
  random: createSystemRandom(),
  log: process.env.SHOW_LOG ? { ...SILENT, info: (facts, text) => terminal.print(`\u001b[32minfo\u001b[39m ${text} ${JSON.stringify(facts)}`) } : SILENT,
  limits: undefined,
  overlap: undefined,
  channels: [terminal],
});
await loop.start();
await loop.addCronJob({ id: "news", message: "/slow 1s tick", schedule: { every: process.env.NEWS_EVERY ?? "1h" }, deliver: { chat: "terminal:news" } });
await loop.run();
process.stdout.write("ended\n");
process.exit(0);
