/** A WhatsApp channel joined with a platform that sends it real webhooks and takes what it sends. */
import { createWhatsAppChannel, type WhatsAppChannel } from "../../src/channels/whatsapp/channel.ts";
import type { WhatsAppOptions } from "../../src/channels/whatsapp/options.ts";
import { createRecordingHost, type RecordingHost } from "../../src/testing/channel-contract.ts";
import { openWhatsAppServer, type WhatsAppServer } from "../../src/testing/whatsapp-server.ts";
import { systemClock } from "./clocks.ts";
import { mountWebhook } from "./webhook-mount.ts";

export interface WhatsAppRig {
  readonly server: WhatsAppServer;
  readonly channel: WhatsAppChannel;
  readonly host: RecordingHost;
  /** Every log line with its facts, as text. */
  readonly lines: readonly string[];
  readonly close: () => Promise<void>;
}

export async function openWhatsAppRig(options: Partial<WhatsAppOptions> = {}): Promise<WhatsAppRig> {
  const server = await openWhatsAppServer({ clock: systemClock });
  const lines: string[] = [];
  const write = (facts: object, line: string): void => void lines.push(`${line} ${JSON.stringify(facts)}`);
  const channel = createWhatsAppChannel({
    accessToken: server.accessToken,
    phoneNumberId: server.phoneNumberId,
    appSecret: server.appSecret,
    verifyToken: server.verifyToken,
    apiUrl: server.apiUrl,
    allow: ["*"],
    clock: systemClock,
    log: { debug: write, info: write, warn: write, error: write },
    ...options,
  });
  const mount = await mountWebhook(channel);
  server.sendTo(mount.url);
  return {
    server,
    channel,
    host: createRecordingHost(channel.name),
    lines,
    close: async () => {
      await channel.stop();
      await server.close();
      await mount.close();
    },
  };
}
