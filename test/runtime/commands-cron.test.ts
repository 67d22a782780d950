import { beforeEach, describe, expect, it } from "vitest";
import type { ChatKey } from "../../src/core/chat-key.ts";
import { textOf } from "../../src/core/content.ts";
import { RequestError } from "../../src/core/errors.ts";
import type { CronJobInput, JobView } from "../../src/runtime/job-api.ts";
import type { CommandContext, CommandServices } from "../../src/runtime/commands/command.ts";
import { CRON } from "../../src/runtime/commands/cron.ts";
import { nextTicks, parseSchedule } from "../../src/runtime/schedule.ts";

const NOW_MS = Date.parse("2030-01-31T08:00:00Z");
const CHAT: ChatKey = "sim:room";

/** The jobs of a runtime, kept in a map. */
function openJobs() {
  const jobs = new Map<string, JobView>();
  const one = (id: string): JobView => {
    const job = jobs.get(id);
    if (job) return job;
    throw new RequestError("JOB_UNKNOWN", `no job ${id}`);
  };
  const put = (input: CronJobInput, changes: Partial<JobView> = {}): JobView => {
    const schedule = parseSchedule(input.schedule, NOW_MS);
    const view = {
      ...input,
      schedule,
      name: input.name ?? input.id,
      status: "active",
      timezone: schedule.kind === "cron" ? schedule.timezone : "UTC",
      next: nextTicks(schedule, NOW_MS, 3).map((atMs) => ({ atMs, startAtMs: atMs })),
      deliverTo: input.deliver?.chat === undefined ? [] : [input.deliver.chat as ChatKey],
      owner: input.owner as ChatKey | undefined,
      origin: input.origin ?? "library",
      ...changes,
    } as unknown as JobView;
    jobs.set(input.id, view);
    return view;
  };
  const change = (id: string, status: JobView["status"]): Promise<JobView> => {
    const changed = { ...one(id), status };
    jobs.set(id, changed);
    return Promise.resolve(changed);
  };
  const services: Pick<CommandServices, "jobs" | "jobsOf"> = {
    jobs: {
      addCronJob: async (input, options) => {
        if (options?.isNew && jobs.has(input.id)) throw new RequestError("JOB_EXISTS", `${input.id} is there`);
        return put(input);
      },
      removeCronJob: async (id) => jobs.delete(id),
      job: async (id) => one(id),
      pauseJob: (id) => change(id, "paused"),
      resumeJob: (id) => change(id, "active"),
      nextInstants: (schedule, afterMs, count) =>
        nextTicks("kind" in schedule ? schedule : parseSchedule(schedule, afterMs), afterMs, count),
    },
    jobsOf: async (chat, limit) => {
      const ids = [...jobs.values()].filter(({ owner, deliverTo }) => owner === chat || deliverTo.includes(chat)).map(({ id }) => id);
      return { ids: ids.slice(0, limit), isAll: ids.length <= limit };
    },
  };
  return { jobs, put, services };
}

let rig: ReturnType<typeof openJobs>;
let seq = 0;
beforeEach(() => {
  rig = openJobs();
  seq = 10;
});

/** What somebody of the chat is answered; the same `seq` is the same command, carried out again. */
async function told(argument: string, overrides: Partial<CommandContext> = {}): Promise<string> {
  seq += 1;
  const context = {
    chat: CHAT,
    channel: "sim",
    seq,
    sender: { id: "5" },
    role: "guest",
    argument,
    nowMs: NOW_MS,
    commands: [],
    ...overrides,
  };
  const answer = await CRON.run({ ...context, services: rig.services as CommandServices } as CommandContext);
  return textOf(answer.reply);
}

const idIn = (text: string): string => /`(\d+-[0-9a-f]{10})`/.exec(text)?.[1] ?? "none";

describe("/cron add", () => {
  it.each([
    ["every 30m | drink water", "every 30 min: `drink water`, next 2030-01-31 08:30, 2030-01-31 09:00, 2030-01-31 09:30 (UTC)"],
    ["in 20m | call mum", "once: `call mum`, next 2030-01-31 08:20 (UTC)"],
    [
      "0 9 * * * Europe/Paris | standup",
      "`0 9 * * *`: `standup`, next 2030-02-01 09:00, 2030-02-02 09:00, 2030-02-03 09:00 (Europe/Paris)",
    ],
    ["@daily UTC | a | b", "`@daily`: `a | b`, next 2030-02-01 00:00, 2030-02-02 00:00, 2030-02-03 00:00 (UTC)"],
    ["at 2030-03-01 09:00 Asia/Tokyo | renew", "once: `renew`, next 2030-03-01 00:00 (UTC)"],
    ["0 9 * * MON-FRI UTC|no spaces", "`0 9 * * MON-FRI`: `no spaces`, next 2030-01-31 09:00, 2030-02-01 09:00, 2030-02-04 09:00 (UTC)"],
  ])("understands %s", async (argument, line) => {
    const answer = await told(`add ${argument}`);
    const id = idIn(answer);
    expect(answer).toBe(`Added \`${id}\` ${line}\n/cron remove ${id} removes it.`);
    expect(rig.jobs.get(id)).toMatchObject({ origin: "chat", owner: CHAT, deliverTo: [CHAT] });
  });

  it.each(["add", "add every 30m", "add every 30m |", "add | words"])("explains itself to: %s", async (argument) => {
    const answer = await told(argument).catch((error: unknown) => (error instanceof RequestError ? error.code : "odd"));
    expect(answer).toMatch(/^Write the schedule, a bar and the message|BAD_SCHEDULE/);
    expect(rig.jobs.size).toBe(0);
  });

  it.each([
    "often | hi",
    "every banana | hi",
    "61 * * * * | hi",
    "* * * | hi",
    "at tomorrow | hi",
    "0 9 * * * Mars/Olympus | hi",
    "every 0s | hi",
  ])("refuses %s by name", async (argument) => {
    await expect(told(`add ${argument}`)).rejects.toMatchObject({ code: expect.stringMatching(/^BAD_(SCHEDULE|DURATION)$/) });
    expect(rig.jobs.size).toBe(0);
  });

  it.each(["every 10s | hi", "*/10 * * * * * UTC | hi", "59,0 0 9 * * * UTC | hi"])("refuses %s, which is too often", async (argument) => {
    expect(await told(`add ${argument}`)).toMatch(/^That is too often/);
    expect(rig.jobs.size).toBe(0);
  });

  it.each(["at 2020-01-01T09:00:00Z | hi", "0 9 30 2 * UTC | hi"])("refuses %s, which never comes", async (argument) => {
    const answer = await told(`add ${argument}`).catch((error: unknown) => (error instanceof RequestError ? error.message : "odd"));
    expect(answer).toMatch(/never|passed/);
    expect(rig.jobs.size).toBe(0);
  });

  it("refuses a message that is too long", async () => {
    expect(await told(`add every 1h | ${"x".repeat(2_001)}`)).toContain("more than 2000 characters");
    expect(rig.jobs.size).toBe(0);
  });

  it("adds one job when it is carried out again after a crash, and finds that one", async () => {
    const first = await told("add every 1h | hi", { seq: 7 });
    const again = await told("add every 1h | hi", { seq: 7, nowMs: NOW_MS + 1_000 });
    expect(again).toBe(first);
    const once = await told("add in 5m | hi", { seq: 9 });
    expect(await told("add in 5m | hi", { seq: 9, nowMs: NOW_MS + 3_600_000 })).toBe(once);
    rig.jobs.delete(idIn(once));
    expect(rig.jobs.size).toBe(1);
    await told("add every 1h | hi", { seq: 8 });
    await told("add every 1h | hi", { seq: 7, chat: "sim:other" });
    expect(rig.jobs.size).toBe(3);
  });

  it("does not take a job of somebody else's name for its own", async () => {
    const id = idIn(await told("add every 1h | hi", { seq: 7 }));
    rig.jobs.clear();
    rig.put({ id, message: "not yours", schedule: { every: "1h" }, owner: "sim:elsewhere" });
    await expect(told("add every 1h | hi", { seq: 7 })).rejects.toMatchObject({ code: "JOB_EXISTS" });
  });
});

describe("/cron", () => {
  it("lists the jobs that the chat owns and those that are delivered to it", async () => {
    expect(await told("")).toContain("This chat has no jobs.");
    await told("add every 1h | mine");
    rig.put({ id: "report", message: "the `report`", schedule: { every: "24h" }, deliver: { chat: CHAT } }, { status: "paused" });
    rig.put({ id: "elsewhere", message: "secret", schedule: { every: "1h" }, deliver: { chat: "sim:boss" }, owner: "sim:boss" });
    const lines = (await told("list")).split("\n");
    expect(lines).toHaveLength(2);
    expect(lines[0]).toContain("every 1 h: `mine`, next 2030-01-31 09:00");
    expect(lines[1]).toBe("`report` every 24 h: `the 'report'`, paused");
  });

  it("shows twenty, and says that there are more", async () => {
    for (let count = 0; count < 25; count += 1) await told("add every 1h | hi");
    const lines = (await told("")).split("\n");
    expect([lines.length, lines.at(-1)]).toEqual([21, "… and more; `satibot cron list` shows all"]);
  });

  it("leaves out a job that is removed while it looks", async () => {
    const { jobsOf } = rig.services;
    rig.services = { ...rig.services, jobsOf: async (chat, limit) => ({ ...(await jobsOf(chat, limit)), ids: ["gone"] }) };
    expect(await told("")).toContain("This chat has no jobs.");
  });

  it("says what it knows to a word that it does not know", async () => {
    expect(await told("destroy everything")).toMatch(/^`destroy` is nothing that \/cron knows\.[\s\S]*\/cron remove ID/);
  });
});

describe("/cron remove, pause and resume", () => {
  it("are for who added the job, and for administrators", async () => {
    const id = idIn(await told("add every 1h | hi"));
    for (const word of ["remove", "pause", "resume"]) {
      expect(await told(`${word} ${id}`, { sender: { id: "6" } })).toBe(`Only an administrator, or who added it, may change \`${id}\`.`);
      expect(await told(`${word} ${id}`, { sender: undefined })).toContain("Only an administrator");
    }
    expect(await told(`pause ${id}`)).toBe(`Paused \`${id}\`: \`hi\`. /cron resume ${id} lets it go on.`);
    expect(rig.jobs.get(id)?.status).toBe("paused");
    expect(await told(`resume \`${id}\``, { sender: { id: "6" }, role: "admin" })).toMatch(/^Resumed .*, next/);
    expect(await told(`remove ${id}`)).toBe(`Removed \`${id}\`: \`hi\`.`);
    expect(rig.jobs.size).toBe(0);
  });

  it("reach no job of another chat, not even for an administrator", async () => {
    rig.put({ id: "boss", message: "secret", schedule: { every: "1h" }, deliver: { chat: "sim:boss" }, owner: "sim:boss" });
    for (const id of ["boss", "nothing"])
      expect(await told(`remove ${id}`, { role: "owner" })).toBe(`This chat has no job \`${id}\` (any more); /cron lists those it has.`);
    expect(rig.jobs.size).toBe(1);
  });

  it("keep no guest's hands on a job of the configuration, nor an administrator's off it but for removal", async () => {
    rig.put({ id: "report", message: "report", schedule: { every: "24h" }, deliver: { chat: CHAT }, origin: "config" });
    expect(await told("pause report")).toContain("Only an administrator");
    expect(await told("remove report", { role: "admin" })).toContain("is in the configuration: remove it there, or /cron pause report");
    expect(await told("pause report", { role: "admin" })).toMatch(/^Paused/);
  });

  it("cannot be claimed by an id that looks like one of the chat's own", async () => {
    const id = idIn(await told("add every 1h | hi", { sender: { id: "9" } }));
    rig.put({
      ...rig.jobs.get(id)!,
      schedule: { every: "1h" },
      id: `11-${id.split("-")[1]}`,
      owner: CHAT,
      origin: "chat",
      deliver: { chat: CHAT },
    });
    expect(await told(`remove 11-${id.split("-")[1]}`, { sender: { id: "5" } })).toContain("Only an administrator");
  });

  it.each(["remove", "pause two words", "resume"])("ask %s for one id", async (argument) => {
    expect(await told(argument)).toBe("Write the id of the job behind it, as /cron shows it.");
  });
});
