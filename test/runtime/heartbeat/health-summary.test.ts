import { describe, expect, it } from "vitest";
import { healthSummary, type HealthFacts } from "../../../src/runtime/heartbeat/health-summary.ts";
import type { ChannelStatus } from "../../../src/runtime/api.ts";

const NOW = Date.parse("2026-07-01T10:00:00Z");
const channel = (name: string, state: string, reason?: string): ChannelStatus => ({
  name,
  kind: "telegram",
  state,
  since: NOW - 600_000,
  reason,
  lastTrafficAt: undefined,
  counters: { received: 0, sent: 0, failed: 0 },
});
const well: HealthFacts = {
  nowMs: NOW,
  timezone: "Europe/Paris",
  queue: { waiting: 0, running: 1, slots: 16, abandoned: 0 },
  chats: { known: 12, quarantined: 0, waitingRows: 0 },
  deadParts: 0,
  channels: [channel("telegram", "online")],
  failingJobs: [],
  loopDelayMs: { p50: 0.41, p99: 3 },
  memoryBytes: 90 * 2 ** 20,
  disk: { freeBytes: 12 * 2 ** 30, totalBytes: 48 * 2 ** 30 },
};

describe("the health of the runtime in words", () => {
  it("is a fact a line, at the local time", () => {
    expect(healthSummary(well).split("\n")).toEqual([
      "- time: Wednesday 2026-07-01 12:00 +02:00 (Europe/Paris)",
      "- turns: 1 running of 16, 0 waiting",
      "- chats: 12 known, 0 messages waiting, 0 quarantined",
      "- replies that could not be delivered: 0",
      "- channels: 1 of 1 online",
      "- scheduled jobs that fail: 0",
      "- event loop delay: p50 0.4 ms, p99 3.0 ms",
      "- memory: 90 MiB",
      "- free disk space: 12.0 GiB of 48.0 GiB (25%)",
    ]);
  });

  it("names what is wrong", () => {
    const text = healthSummary({
      ...well,
      queue: { waiting: 7, running: 16, slots: 16, abandoned: 2 },
      chats: { known: 12, quarantined: 1, waitingRows: 40 },
      deadParts: 3,
      channels: [channel("telegram", "online"), channel("discord", "backingOff", "401:\nthe token was refused")],
      failingJobs: [
        { id: "report", failures: 2, isDisabled: false, error: { code: "AGENT_TIMEOUT", message: "no answer within 5 min" } },
        { id: "mail", failures: 10, isDisabled: true, error: undefined },
      ],
      disk: undefined,
    });
    for (const part of [
      "16 running of 16, 7 waiting, 2 that were abandoned and go on",
      "40 messages waiting, 1 quarantined",
      "could not be delivered: 3",
      "channels: 1 of 2 online",
      "channel discord: backingOff for 10 min (401: the token was refused)",
      "scheduled job report: failed 2 runs in a row: no answer within 5 min",
      "scheduled job mail: disabled after 10 runs",
    ])
      expect(text).toContain(part);
    expect(text).not.toContain("disk");
  });

  it("stays short, whatever the runtime holds", () => {
    const many = Array.from({ length: 500 }, (_, place) => place);
    const text = healthSummary({
      ...well,
      channels: many.map((place) => channel(`telegram-${place}`, "offline", "x".repeat(10_000))),
      failingJobs: many.map((place) => ({
        id: `job-${place}`,
        failures: 1,
        isDisabled: false,
        error: { code: "X", message: "y".repeat(10_000) },
      })),
    });
    expect(text.length).toBeLessThan(6_000);
    expect(text).toContain("and 490 more channels that are not online");
    expect(text).toContain("and 490 more scheduled jobs that fail");
  });
});
