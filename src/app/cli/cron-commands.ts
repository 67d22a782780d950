import type { Command } from "commander";
import { RequestError } from "../../core/errors.ts";
import type { ScheduleInput } from "../../runtime/api.ts";
import type { Schedule } from "../../ports/store/records.ts";
import { nextTickAfter, parseSchedule } from "../../runtime/schedule.ts";
import { viewExplanation } from "./cron-views.ts";
import { explainSchedule } from "./explain.ts";
import { CommandError, EXIT } from "./io.ts";
import { scheduleOfText, zoneOf } from "../../runtime/schedule/schedule-text.ts";
import { type Tools, withJson } from "./tools.ts";

/** `satibot cron …`: jobs, their runs, and what a schedule means. */
export function addCronCommands(program: Command, tools: Tools): void {
  const cron = program.command("cron").description("look at scheduled jobs, add and change them, and explain schedules");
  addExplain(cron, tools);
}

function addExplain(cron: Command, { io, print }: Tools): void {
  withJson(cron.command("explain").description("say what a schedule means and when it comes next; needs no daemon"))
    .argument("<schedule>", '"0 9 * * MON-FRI", "@daily", "every 30m", "in 20m" or "at 2030-01-31 09:00"')
    .option("--tz <zone>", "time zone, such as Europe/Paris (default: that of this machine)")
    .action((text: string, options: { tz?: string; json?: boolean }) => {
      const nowMs = io.now();
      const said = usage(() => explained(text, options.tz, nowMs));
      print(options, { schedule: text, ...said, words: said.words ?? null }, () =>
        viewExplanation(text, said, { columns: io.columns, nowMs }),
      );
    });
}

function explained(text: string, timezone: string | undefined, nowMs: number): ReturnType<typeof explainSchedule> {
  return explainSchedule(scheduleOf(scheduleOfText(text, timezone), nowMs), zoneOf(timezone), nowMs);
}

/** As `parseSchedule`, but what never matches is an answer here and no mistake. @throws RequestError BAD_SCHEDULE */
function scheduleOf(input: ScheduleInput, nowMs: number): Schedule {
  try {
    return parseSchedule(input, nowMs);
  } catch (error) {
    if (!(error instanceof RequestError) || !("cron" in input) || input.timezone === undefined) throw error;
    const schedule: Schedule = { kind: "cron", expression: input.cron, timezone: input.timezone };
    try {
      if (nextTickAfter(schedule, nowMs) === undefined) return schedule;
    } catch {
      // Not readable at all: the refusal says why.
    }
    throw error;
  }
}

/** What the arguments got wrong is a mistake of usage. @throws CommandError 64 */
function usage<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof RequestError) throw new CommandError(EXIT.usage, error.message, { cause: error });
    throw error;
  }
}
