/**
 * A gateway: the event loop with channels, HTTP, the web page and cron jobs. Ends by itself after two answers.
 *
 *   node --import tsx examples/gateway.ts
 *   TELEGRAM_BOT_TOKEN=… node --import tsx examples/gateway.ts      also on Telegram, until Ctrl-C
 */
import { createGateway } from "satibot";

const token = process.env.TELEGRAM_BOT_TOKEN;

// Nothing is kept: `store: "sqlite:./data/bot.db"` would. The agent says back what it hears: `agent` takes your own.
const gateway = createGateway({
  http: { port: 0 }, // any free port; only this machine reaches it
  channels: token === undefined ? {} : { telegram: { token } },
  // A channel without `allow` is closed: whoever sends this code first becomes the owner.
  tellCode: ({ url, code }) => console.log(`Open ${url ?? "your bot"} and send ${code}`),
  // Quiet but for trouble, such as a token that Telegram refuses; a pino logger will do.
  log: { debug: () => undefined, info: () => undefined, warn: console.warn, error: console.error },
  cron: [{ id: "tick", message: "a second has passed", schedule: { every: "1s" }, deliver: { chat: "api:me" } }],
});
process.once("SIGINT", () => void gateway.shutdown());
await gateway.start();

const { host, port } = gateway.address() ?? {};
console.log(`Listening on http://${host}:${port}/`);

// What any program can do over HTTP. 202 means that the message is stored and will be answered.
const response = await fetch(`http://${host}:${port}/api/chats/api%3Ame/messages`, {
  method: "POST",
  body: JSON.stringify({ text: "hello over HTTP" }),
});
console.log(`POST /api/chats/api%3Ame/messages: ${response.status} ${await response.text()}`);

let heard = 0;
for await (const event of gateway.stream("api:me", { after: "0" })) {
  if (event.type !== "reply") continue;
  console.log(`api:me hears: ${event.text}`);
  heard += 1;
  if (heard === 2) break;
}

// With Telegram it stays until Ctrl-C; without, it ends here. Either way what runs is finished, and what waits is stored.
if (token === undefined) await gateway.shutdown();
else console.log("Write to your bot. Ctrl-C ends.");
await gateway.run();
console.log("The gateway has drained.");
