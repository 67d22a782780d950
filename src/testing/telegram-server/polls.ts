import type { Clock } from "../../ports/clock.ts";
import { refuse, succeed, type Answer, type Payload } from "./answer.ts";
import type { TelegramFault } from "./faults.ts";
import { kindsOf, type Updates } from "./updates.ts";

/** The connection that a poll came over. */
export interface PollConnection {
  readonly isGone: () => boolean;
  readonly onClose: (closed: () => void) => void;
  readonly answer: (answer: Answer) => void;
  readonly spoil: (fault: TelegramFault) => void;
}

interface HeldPoll {
  readonly isGone: () => boolean;
  readonly end: (answer: Answer) => void;
  readonly wake: () => void;
  readonly spoil: (fault: TelegramFault) => void;
}

export interface Polls {
  readonly poll: (payload: Payload, connection: PollConnection) => void;
  /** Something was pushed. */
  readonly wake: () => void;
  /** Ends the held poll. */
  readonly end: (answer: Answer) => void;
  /** Spoils the held poll; false without one. */
  readonly spoil: (fault: TelegramFault) => boolean;
  readonly held: () => number;
  readonly overlaps: () => number;
}

const OTHER_POLL = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";

/** Long polls: one is held at a time, and a second ends the first with 409. */
export function createPolls(clock: Clock, updates: Updates, changed: () => void): Polls {
  let held: HeldPoll | undefined;
  let overlapCount = 0;

  const hold = (payload: Payload, connection: PollConnection, timeoutMs: number): void => {
    const offer = () => updates.offer(kindsOf(payload.allowed_updates), Number(payload.limit) || Number.POSITIVE_INFINITY);
    const leave = (): void => {
      cancel();
      if (held === mine) held = undefined;
    };
    const mine: HeldPoll = {
      isGone: connection.isGone,
      end: (answer) => {
        leave();
        connection.answer(answer);
      },
      wake: () => {
        const offered = offer();
        if (offered.length > 0) mine.end(succeed(offered));
      },
      spoil: (fault) => {
        leave();
        connection.spoil(fault);
      },
    };
    const cancel = clock.setTimer(timeoutMs, () => mine.end(succeed(offer())));
    connection.onClose(() => {
      leave();
      changed();
    });
    held = mine;
  };

  return {
    poll: (payload, connection) => {
      if (held && !held.isGone()) {
        overlapCount += 1;
        held.end(refuse(409, OTHER_POLL));
      }
      if (payload.offset !== undefined) updates.confirm(Number(payload.offset));
      const offered = updates.offer(kindsOf(payload.allowed_updates), Number(payload.limit) || Number.POSITIVE_INFINITY);
      const timeoutMs = Number(payload.timeout ?? 0) * 1_000;
      if (offered.length > 0 || timeoutMs <= 0) connection.answer(succeed(offered));
      else hold(payload, connection, timeoutMs);
    },
    wake: () => held?.wake(),
    end: (answer) => held?.end(answer),
    spoil: (fault) => {
      const isHeld = held !== undefined;
      held?.spoil(fault);
      return isHeld;
    },
    held: () => (held ? 1 : 0),
    overlaps: () => overlapCount,
  };
}
