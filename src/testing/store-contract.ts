/**
 * The laws of the Store port, for any implementation, one file per module of the port. Every law runs on a store of its own; instants
 * are given, so nothing waits, except for a lazy settle, which a store may group with later writes.
 */
import { describe } from "vitest";
import { chatLaws } from "./store-contract/chats.ts";
import { commandLaws } from "./store-contract/commands.ts";
import { draftLaws } from "./store-contract/drafts.ts";
import { eventLaws } from "./store-contract/events.ts";
import { inboxLaws } from "./store-contract/inbox.ts";
import { jobMoveLaws } from "./store-contract/job-moves.ts";
import { jobLaws } from "./store-contract/jobs.ts";
import { runLaws } from "./store-contract/runs.ts";
import type { LawRig, On } from "./store-contract/law.ts";
import { outboxLaws } from "./store-contract/outbox.ts";
import { ownershipLaws } from "./store-contract/ownership.ts";
import { platformLaws } from "./store-contract/platforms.ts";
import { sweepLaws } from "./store-contract/sweep.ts";
import { turnFailureLaws } from "./store-contract/turn-failures.ts";
import { turnLaws } from "./store-contract/turns.ts";

/** What a store's tests supply: a store on no rows, and ways to see it from outside. */
export interface StoreRig extends LawRig {
  /** Stops every handle that the rig gave out and removes its rows. */
  readonly close: () => Promise<void>;
}

/** Declares the suite; call it at the top of a test file. */
export function storeContract(name: string, open: () => Promise<StoreRig>): void {
  const on: On = (law) => async (context) => {
    const rig = await open();
    try {
      await law(rig, context);
    } finally {
      await rig.close();
    }
  };
  describe(`store contract: ${name}`, () => {
    inboxLaws(on);
    chatLaws(on);
    commandLaws(on);
    turnLaws(on);
    turnFailureLaws(on);
    outboxLaws(on);
    draftLaws(on);
    platformLaws(on);
    jobLaws(on);
    jobMoveLaws(on);
    runLaws(on);
    eventLaws(on);
    sweepLaws(on);
    ownershipLaws(on);
  });
}
