/** What platforms say of parts after they took them. The word may come before the platform's own answer to the send is stored. */
import type { ChannelHost } from "../ports/channel.ts";
import { pause, type Kernel } from "./kernel.ts";

/** Time in which the answer to a send is stored, lazy commits included. */
const EARLY_MS = 1_000;

export function createReceipts(kernel: Kernel): ChannelHost["receive"] {
  const { outbox } = kernel.store;
  return async (receipts) => {
    const rows = receipts.map(({ chat, platformId, status, atMs, error }) => ({ chat, platformId, receipt: { status, atMs }, error }));
    const early = await outbox.receive(rows);
    if (early.length === 0) return;
    await pause(kernel, EARLY_MS);
    await outbox.receive(rows.filter((_, place) => early.includes(place)));
  };
}
