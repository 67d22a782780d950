/** The event loop as a library: a chat, a cron job and a clean end, in memory. Run it with `npx tsx examples/basic-event-loop.ts`. */
import { createEventLoop } from "satibot";

const loop = createEventLoop();
await loop.start();

await loop.addCronJob({ id: "tick", message: "a second has passed", schedule: { every: "1s" }, deliver: { chat: "api:me" } });
await loop.addChatMessage("api:me", "hello");
await loop.addChatMessage("api:me", "/parts 2");

let heard = 0;
for await (const event of loop.stream("api:me", { after: "0" })) {
  if (event.type !== "reply") continue;
  console.log(`reply ${event.part} of ${event.of}: ${event.text}`);
  heard += 1;
  if (heard === 4) break;
}
await loop.shutdown();
