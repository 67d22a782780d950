/**
 * An agent of your own: it streams, keeps a step over attempts, and fails once to show what the runtime does then. Ends by itself.
 *
 *   node --import tsx examples/custom-agent.ts
 */
import { createEventLoop, TransientError } from "satibot";

const loop = createEventLoop({
  agent: async function* (turn, { signal }) {
    const dice = await turn.step("roll", () => 1 + Math.floor(Math.random() * 6));
    if (turn.attempt === 1) throw new TransientError("AGENT_FAILED", "the first attempt always fails", { retryAfterMs: 50 });
    yield `attempt ${turn.attempt} of "${turn.messages[0]?.text}": `;
    signal.throwIfAborted();
    yield `the dice, rolled once, shows ${dice}`;
  },
});
await loop.start();
await loop.addChatMessage("api:me", "roll");
for await (const event of loop.stream("api:me", { after: "0" })) {
  if (event.type === "turn") console.log(`attempt ${event.attempt}: ${event.status}`);
  if (event.type !== "reply") continue;
  console.log(event.text);
  break;
}
await loop.shutdown();
