/** A gateway with HTTP on a free port, used over HTTP and ended after one answer. Give it a Telegram token to reach it from there too. */
import { createGateway } from "satibot";

const token = process.env.TELEGRAM_BOT_TOKEN;
const gateway = createGateway({
  http: { port: 0 },
  channels: token === undefined ? {} : { telegram: { token, allow: (process.env.SATIBOT_ALLOW ?? "").split(",") } },
});
await gateway.start();
const address = gateway.address();
const chat = `http://${address?.host}:${address?.port}/api/chats/api%3Ame`;

const accepted = await fetch(`${chat}/messages`, { method: "POST", body: JSON.stringify({ text: "hello over HTTP", messageId: "1" }) });
console.log(accepted.status, await accepted.json());
for await (const event of gateway.stream("api:me", { after: "0" })) {
  if (event.type === "reply") {
    console.log(event.text);
    break;
  }
}
await gateway.shutdown();
