/**
 * Loaded before the daemon (`node --import`): its system clock is off by CLOCK_OFF_MS, and steps by CLOCK_STEP_MS once the file
 * CLOCK_STEP_FILE exists. Timers and the monotonic clock go on as they are, as on a real machine.
 */
import { existsSync } from "node:fs";

const { CLOCK_OFF_MS = "0", CLOCK_STEP_MS = "0", CLOCK_STEP_FILE = "" } = process.env;
const RealDate = Date;
let hasStepped = false;

function now() {
  hasStepped ||= CLOCK_STEP_FILE !== "" && existsSync(CLOCK_STEP_FILE);
  return RealDate.now() + Number(CLOCK_OFF_MS) + (hasStepped ? Number(CLOCK_STEP_MS) : 0);
}

globalThis.Date = class extends RealDate {
  constructor(...given) {
    if (given.length === 0) super(now());
    else super(...given);
  }
  static now() {
    return now();
  }
};
