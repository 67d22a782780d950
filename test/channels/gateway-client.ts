import { randomBytes } from "node:crypto";
import { get } from "node:http";
import type { Socket } from "node:net";

export interface Payload {
  readonly op: number;
  readonly s?: number;
  readonly t?: string;
  readonly d: Record<string, unknown>;
}

/** A gateway client by hand, frame by frame, so that it can also do what a library would not. */
export interface GatewayClient {
  readonly received: readonly Payload[];
  readonly pongs: readonly string[];
  /** The code of the server's close frame; 1006 without one. */
  readonly closed: Promise<number>;
  readonly until: (condition: (payload: Payload) => boolean) => Promise<Payload>;
  readonly untilPong: (text: string) => Promise<void>;
  readonly send: (payload: unknown) => void;
  readonly frame: (opcode: number, text: string, options?: { readonly isFinal?: boolean; readonly isMasked?: boolean }) => void;
  readonly close: (code: number) => void;
  readonly terminate: () => void;
}

function encode(opcode: number, payload: Buffer, isFinal: boolean, isMasked: boolean): Buffer {
  const mask = isMasked ? randomBytes(4) : Buffer.alloc(0);
  const long = payload.length > 125;
  const head = Buffer.from([(isFinal ? 0x80 : 0) | opcode, (isMasked ? 0x80 : 0) | (long ? 126 : payload.length)]);
  const size = Buffer.alloc(long ? 2 : 0);
  if (long) size.writeUInt16BE(payload.length);
  const body = Buffer.from(payload.map((byte, at) => byte ^ (mask[at % 4] ?? 0)));
  return Buffer.concat([head, size, mask, body]);
}

/** The first whole frame of a server: never masked. */
function decode(bytes: Buffer): { readonly opcode: number; readonly payload: Buffer; readonly size: number } | undefined {
  const [first = 0, second = 0] = bytes;
  const at = second === 127 ? 10 : second === 126 ? 4 : 2;
  if (bytes.length < at) return undefined;
  const length = second === 127 ? Number(bytes.readBigUInt64BE(2)) : second === 126 ? bytes.readUInt16BE(2) : second;
  if (bytes.length < at + length) return undefined;
  return { opcode: first & 0x0f, payload: bytes.subarray(at, at + length), size: at + length };
}

function upgrade(url: string): Promise<{ readonly socket: Socket; readonly head: Buffer }> {
  const headers = {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": randomBytes(16).toString("base64"),
  };
  return new Promise((resolve, reject) => {
    get(url, { headers })
      .on("upgrade", (_, socket, head) => resolve({ socket, head }))
      .on("error", reject);
  });
}

/** Opens a connection to `http://…`. */
export async function connectGateway(url: string): Promise<GatewayClient> {
  const { socket, head } = await upgrade(url);
  const received: Payload[] = [];
  const pongs: string[] = [];
  const waiters = new Set<() => void>();
  let unread: Buffer = head;
  let code = 1_006;
  const read = (chunk: Buffer): void => {
    unread = Buffer.concat([unread, chunk]);
    for (let frame = decode(unread); frame; frame = decode(unread)) {
      unread = unread.subarray(frame.size);
      const { opcode, payload } = frame;
      if (opcode === 1) received.push(JSON.parse(payload.toString("utf8")) as Payload);
      if (opcode === 10) pongs.push(payload.toString("utf8"));
      if (opcode === 8) {
        code = payload.readUInt16BE(0);
        socket.write(encode(8, payload.subarray(0, 2), true, true));
      }
    }
    for (const look of waiters) look();
  };
  const closed = new Promise<number>((resolve) => socket.on("close", () => resolve(code)));
  socket.on("error", () => undefined);
  socket.on("data", read);
  const wait = <T>(find: () => T | undefined): Promise<T> =>
    new Promise((resolve) => {
      const look = (): void => {
        const found = find();
        if (found === undefined) return;
        waiters.delete(look);
        resolve(found);
      };
      waiters.add(look);
      look();
    });
  const frame: GatewayClient["frame"] = (opcode, text, { isFinal = true, isMasked = true } = {}) => {
    socket.write(encode(opcode, Buffer.from(text), isFinal, isMasked));
  };
  read(Buffer.alloc(0));
  return {
    received,
    pongs,
    closed,
    until: (condition) => wait(() => received.find(condition)),
    untilPong: async (text) => {
      await wait(() => (pongs.includes(text) ? true : undefined));
    },
    send: (payload) => frame(1, typeof payload === "string" ? payload : JSON.stringify(payload)),
    frame,
    close: (closeCode) => {
      const payload = Buffer.alloc(2);
      payload.writeUInt16BE(closeCode);
      socket.write(encode(8, payload, true, true));
    },
    terminate: () => socket.destroy(),
  };
}
