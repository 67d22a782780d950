/**
 * The event loop as a library: two chats, a cron job and a clean end. In memory, without a network; ends by itself after two seconds.
 *
 *   node --import tsx examples/basic-event-loop.ts
 */
import { createEventLoop } from "satibot";

// Without options the agent says back what it hears, and nothing is kept. `store: "sqlite:./data/bot.db"` would outlive the process,
// `agent: async function* (turn) { yield "…" }` is a bot of your own (custom-agent.ts).
const loop = createEventLoop();
await loop.start();

// A chat is known by its key, and begins with its first message. A slow answer in one chat holds up no other.
await loop.addChatMessage("api:ada", "/slow 1500ms that took a while");
await loop.addChatMessage("api:ben", "hello");

// A timed event: its answer is delivered to Ben.
await loop.addCronJob({ id: "tick", message: "a second has passed", schedule: { every: "1s" }, deliver: { chat: "api:ben" } });

// Listen to both chats from their first reply on, and end after the fourth.
let heard = 0;
async function listen(chat: string): Promise<void> {
  for await (const event of loop.stream(chat, { after: "0" })) {
    if (event.type !== "reply") continue;
    console.log(`${chat} hears: ${event.text}`);
    heard += 1;
    if (heard === 4) void loop.shutdown();
  }
}
void listen("api:ada");
void listen("api:ben");

// Resolves once `shutdown` has let running turns finish and stored everything.
await loop.run();
console.log("The loop has drained.");
