import type { ChatKey } from "../../src/core/chat-key.ts";
import { textContent, textOf } from "../../src/core/content.ts";
import type { Agent } from "../../src/ports/agent.ts";
import type { Channel, ChannelAccess, ChannelAccount } from "../../src/ports/channel.ts";
import type { Store } from "../../src/ports/store/store.ts";
import type { PairingCode } from "../../src/runtime/api.ts";
import { createFakeChannel, createFakePlatform, type FakePlatform } from "../../src/testing/fake-channel.ts";
import { createMemoryStore, type MemoryStore } from "../../src/stores/memory/store.ts";
import { openRuntime, type RigOptions } from "./rig.ts";

export const ACCOUNT: ChannelAccount = { name: "@the_bot", startUrl: "https://t.example/the_bot?start=" };
export const HOUR_MS = 3_600_000;

export interface GateOptions {
  readonly access?: ChannelAccess;
  readonly store?: MemoryStore;
  readonly platform?: FakePlatform;
  readonly agent?: Agent;
  readonly limits?: RigOptions["limits"];
  /** What the runtime sees of the store. */
  readonly behind?: (store: MemoryStore) => Store;
}

interface WriteOptions {
  readonly name?: string;
  readonly update?: string;
  readonly group?: string;
  /** Beside the id and the @name. */
  readonly identities?: readonly string[];
  readonly questionId?: string;
}

/** A runtime whose fake platform is behind an allow list; `write` posts a private message, or one to a group, and lets it settle. */
export async function openGate({ access, behind, ...options }: GateOptions = {}) {
  const store = options.store ?? createMemoryStore();
  const platform = options.platform ?? createFakePlatform();
  const codes: PairingCode[] = [];
  const rig = await openRuntime({
    ...options,
    store,
    platform,
    alter: (parts) => ({
      ...parts,
      store: behind?.(store) ?? store,
      tellCode: (code) => void codes.push(code),
      channels: [withAccess(createFakeChannel({ clock: parts.clock, platform, name: "sim" }), access)],
    }),
  });
  let updates = 0;
  const post = (text: string, id: string, { name, update, group, identities = [], questionId }: WriteOptions = {}): void => {
    updates += 1;
    const chat: ChatKey = `sim:${group ?? id}`;
    platform.post({
      chat,
      address: chat.slice(4),
      externalId: update ?? `u${updates}`,
      content: textContent(text),
      sender: name === undefined ? { id } : { id, name },
      identities: [id, ...(name === undefined ? [] : [`@${name.toLowerCase()}`]), ...(group === undefined ? [] : [group]), ...identities],
      ...(group === undefined ? { isPrivate: true } : {}),
      ...(questionId === undefined ? {} : { questionId }),
    });
  };
  const write = async (text: string, id: string, what?: WriteOptions): Promise<void> => {
    post(text, id, what);
    await rig.clock.advance(1_000);
  };
  /** Texts that a chat got, in order. */
  const heard = (chat: string): readonly string[] =>
    platform
      .taken()
      .filter((part) => part.chat === `sim:${chat}`)
      .map((part) => textOf(part.content));
  await rig.clock.advance(10);
  return { ...rig, store, platform, codes, post, write, heard };
}

function withAccess(channel: Channel, access: ChannelAccess | undefined): Channel {
  return {
    ...channel,
    ...(access ? { access } : {}),
    start: (host) =>
      channel.start({
        ...host,
        report: (report) => host.report(report.type === "connection.opened" ? { ...report, account: ACCOUNT } : report),
      }),
  };
}
