import type { Command } from "commander";
import { EXIT } from "./io.ts";
import { type Tools, withJson } from "./tools.ts";

/** `satibot migrate`: takes over a SatiBot home. Exits with 0, or 1 when there was nothing to take; 78 when there is no such home. */
export function addMigrate(program: Command, { io, print }: Tools, ended: (exitCode: number) => void): void {
  withJson(program.command("migrate").description("take over a SatiBot: its settings, cron jobs and conversations"))
    .option("--from <dir>", "its home (default: ~/.bots)")
    .option("--dry-run", "say what would be taken, and touch nothing")
    .action(async (options: { from?: string; dryRun?: boolean; json?: boolean }) => {
      const [{ migrate }, { hasTaken, viewReport }] = await Promise.all([import("../migrate/migrate.ts"), import("../migrate/report.ts")]);
      const report = await migrate({ from: options.from, dryRun: options.dryRun === true, cwd: io.cwd, env: io.env, nowMs: io.now() });
      print(options, report, () => viewReport(report, io.columns));
      if (hasTaken(report)) return;
      io.err(`satibot: there was nothing to take in ${report.home}`);
      ended(EXIT.failed);
    });
}
