import { expect, it } from "vitest";
import { createGateway } from "../../src/app/gateway.ts";

it("warns of a job that delivers over a channel that is not configured, once for each chat", async () => {
  const warnings: string[] = [];
  const none = (): void => undefined;
  const gateway = createGateway({
    http: false,
    log: { debug: none, info: none, error: none, warn: (facts, line) => void warnings.push(`${JSON.stringify(facts)} ${line}`) },
    cron: [
      { id: "a", message: "x", schedule: { every: "1h" }, deliver: { chats: ["telegram:1", "api:me", "slack:C1"] } },
      { id: "b", message: "x", schedule: { every: "1h" } },
    ],
  });
  await gateway.start();
  await gateway.shutdown();
  expect(warnings.filter((line) => line.includes("is not configured"))).toEqual([
    expect.stringContaining('{"job":"a","chat":"telegram:1"} channel telegram is not configured'),
    expect.stringContaining('{"job":"a","chat":"slack:C1"} channel slack is not configured'),
  ]);
});
