/** Priority class of a turn: people before cron before heartbeat. */
export type TurnClass = "interactive" | "cron" | "heartbeat";

export const TURN_CLASSES = ["interactive", "cron", "heartbeat"] as const satisfies readonly TurnClass[];
