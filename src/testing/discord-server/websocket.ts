/**
 * The server's side of one WebSocket over a socket that node:http has upgraded: text messages, ping, close, and nothing else.
 * Strict: what RFC 6455 forbids a client ends the connection with 1002.
 * @see https://www.rfc-editor.org/rfc/rfc6455
 */
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

export interface WebSocketPeer {
  readonly send: (text: string) => void;
  /** Sends a close frame and ends the connection once the client has answered it, or has gone. */
  readonly close: (code: number, reason?: string) => void;
  /** Cuts the connection, without a word. */
  readonly destroy: () => void;
  /** From now on nothing is read or answered any more, not even a close: a peer behind a dead network. */
  readonly freeze: () => void;
  readonly isOpen: () => boolean;
}

export interface WebSocketListener {
  readonly onText: (text: string) => void;
  /** Once, when the connection is over. `code`: what the client sent, 1006 when it sent none. */
  readonly onClose: (code: number) => void;
}

const HANDSHAKE_KEY = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const OPCODE = { continuation: 0, text: 1, close: 8, ping: 9, pong: 10 } as const;
/** Largest message that a client may send; a gateway takes 4,096 bytes. */
const MESSAGE_BYTES_MAX = 64 * 1024;
const PROTOCOL_ERROR = 1_002;
const TOO_BIG = 1_009;
const ABNORMAL = 1_006;

interface Frame {
  readonly isFinal: boolean;
  readonly opcode: number;
  readonly payload: Buffer;
  /** Bytes that it took. */
  readonly size: number;
}

/** The first whole frame, undefined when more bytes are needed, or the close code of what is wrong. */
function readFrame(bytes: Buffer): Frame | number | undefined {
  if (bytes.length < 2) return undefined;
  const [first = 0, second = 0] = bytes;
  if ((first & 0x70) !== 0 || (second & 0x80) === 0) return PROTOCOL_ERROR;
  const short = second & 0x7f;
  if (short === 127) return TOO_BIG;
  const maskAt = short === 126 ? 4 : 2;
  if (bytes.length < maskAt + 4) return undefined;
  const length = short === 126 ? bytes.readUInt16BE(2) : short;
  if (length > MESSAGE_BYTES_MAX) return TOO_BIG;
  const bodyAt = maskAt + 4;
  if (bytes.length < bodyAt + length) return undefined;
  const payload = Buffer.from(bytes.subarray(bodyAt, bodyAt + length));
  for (let at = 0; at < length; at += 1) payload[at] = (payload[at] ?? 0) ^ (bytes[maskAt + (at % 4)] ?? 0);
  return { isFinal: (first & 0x80) !== 0, opcode: first & 0x0f, payload, size: bodyAt + length };
}

function frameOf(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = 0x80 | opcode;
  if (length < 126) head[1] = length;
  else if (length < 65_536) {
    head[1] = 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, payload]);
}

/** Answers the upgrade request and speaks for the server from then on; undefined when it is no WebSocket request. */
export function acceptWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  listener: WebSocketListener,
): WebSocketPeer | undefined {
  const key = request.headers["sec-websocket-key"];
  if (key === undefined || request.headers["sec-websocket-version"] !== "13") {
    socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
    return undefined;
  }
  const accept = createHash("sha1").update(key).update(HANDSHAKE_KEY).digest("base64");
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  let unread = Buffer.alloc(0);
  let fragments: Buffer[] = [];
  let isOpen = true;
  let isFrozen = false;
  let isClosing = false;
  let closeCode = ABNORMAL;

  const write = (opcode: number, payload: Buffer): void => {
    if (isOpen && !isFrozen) socket.write(frameOf(opcode, payload));
  };
  const close = (code: number, reason = ""): void => {
    if (isClosing) return;
    isClosing = true;
    const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
    payload.writeUInt16BE(code, 0);
    payload.write(reason, 2);
    write(OPCODE.close, payload);
  };
  const take = ({ isFinal, opcode, payload }: Frame): void => {
    if (opcode === OPCODE.close) {
      closeCode = payload.length >= 2 ? payload.readUInt16BE(0) : 1_005;
      if (!isClosing) write(OPCODE.close, payload.subarray(0, 2));
      isClosing = true;
      socket.end();
    } else if (opcode === OPCODE.ping) write(OPCODE.pong, payload);
    else if (opcode === OPCODE.text || opcode === OPCODE.continuation) {
      fragments.push(payload);
      if (!isFinal) return;
      const whole = Buffer.concat(fragments);
      fragments = [];
      if (!isClosing) listener.onText(whole.toString("utf8"));
    } else if (opcode !== OPCODE.pong) close(PROTOCOL_ERROR);
  };
  const read = (chunk: Buffer): void => {
    if (isFrozen) return;
    unread = Buffer.concat([unread, chunk]);
    for (let frame = readFrame(unread); frame !== undefined; frame = readFrame(unread)) {
      if (typeof frame === "number") {
        close(frame);
        socket.end();
        return;
      }
      unread = unread.subarray(frame.size);
      take(frame);
    }
  };
  if (head.length > 0) socket.unshift(head);
  socket.on("data", read);
  socket.on("end", () => socket.end());
  // What matters about an error is the close that follows it.
  socket.on("error", () => undefined);
  socket.on("close", () => {
    if (!isOpen) return;
    isOpen = false;
    listener.onClose(closeCode);
  });
  return {
    send: (text) => write(OPCODE.text, Buffer.from(text, "utf8")),
    close,
    destroy: () => void socket.destroy(),
    freeze: () => {
      isFrozen = true;
    },
    isOpen: () => isOpen,
  };
}
