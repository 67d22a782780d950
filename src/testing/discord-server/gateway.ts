/**
 * The gateway of the fake Discord: sessions that outlive their connection, with a numbered log of events to resume from.
 *
 *   HELLO ─▶ IDENTIFY ─▶ READY, GUILD_CREATE … events        RESUME ─▶ missed events, RESUMED        op 9 when there is nothing to resume
 * @see https://discord.com/developers/docs/events/gateway
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Clock } from "../../ports/clock.ts";
import { acceptWebSocket } from "./websocket.ts";
import type { WebSocketPeer } from "./websocket.ts";
import type { Json, World } from "./world.ts";

/** @see https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway */
const OP = { dispatch: 0, heartbeat: 1, identify: 2, resume: 6, reconnect: 7, invalidSession: 9, hello: 10, heartbeatAck: 11 } as const;
const CLOSE = {
  unknownOpcode: 4001,
  decode: 4002,
  notAuthenticated: 4003,
  authenticationFailed: 4004,
  alreadyAuthenticated: 4005,
} as const;
const CLOSE_IDENTIFY = { invalidShard: 4010, invalidIntents: 4013, disallowedIntents: 4014 } as const;

/** @see https://discord.com/developers/docs/events/gateway#gateway-intents */
export const INTENT = {
  guilds: 1,
  guildMembers: 2,
  guildPresences: 256,
  guildMessages: 512,
  directMessages: 4_096,
  messageContent: 32_768,
} as const;
const PRIVILEGED = INTENT.guildMembers | INTENT.guildPresences | INTENT.messageContent;
const INTENTS_MAX = 0x3_ff_ff_ff;
/** Most events kept for a resume. */
const EVENTS_MAX = 200_000;

interface Session {
  readonly id: string;
  readonly intents: number;
  seq: number;
  readonly events: { readonly s: number; readonly t: string; readonly d: Json }[];
  peer: WebSocketPeer | undefined;
}

interface Connection {
  readonly peer: WebSocketPeer;
  session: Session | undefined;
}

export interface GatewayCounts {
  readonly connections: number;
  readonly identifies: number;
  readonly resumes: number;
  readonly heartbeats: number;
}

export interface FakeGateway {
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** An event for every session whose intents cover it; `visible` may change it by what the session may see. */
  readonly dispatch: (t: string, intent: number, visible: (intents: number) => Json) => void;
  /** Connections that are open now. */
  readonly open: () => number;
  /** How often each has happened. */
  readonly counts: () => GatewayCounts;
  readonly lastIdentify: () => Json | undefined;
  /** Cuts every connection; the sessions stay. */
  readonly cut: () => void;
  readonly closeAll: (code: number) => void;
  /** Op 7 to every connection. */
  readonly askReconnect: () => void;
  /** Op 9 to every connection; without `canResume` the sessions end. */
  readonly invalidate: (canResume: boolean) => void;
  /** Sessions end, so that a RESUME is answered with op 9. */
  readonly forgetSessions: () => void;
  readonly setAcks: (isOn: boolean) => void;
  /** Every connection goes deaf and dumb. */
  readonly freeze: () => void;
  /** The next logins are closed with this code. */
  readonly refuseLogins: (code: number | undefined) => void;
  readonly setAllowedIntents: (isMessageContentAllowed: boolean) => void;
}

export interface FakeGatewayOptions {
  readonly clock: Clock;
  readonly world: World;
  readonly token: string;
  readonly heartbeatMs: number;
  readonly origin: () => string;
  readonly changed: () => void;
}

/** The server as GUILD_CREATE shows it. */
function guildJson(world: World): Json {
  const places = world.places().filter((place) => place.guildId === world.guildId && place.state !== "gone");
  return {
    id: world.guildId,
    name: "Test server",
    owner_id: "1",
    unavailable: false,
    large: false,
    member_count: 2,
    joined_at: "2026-01-01T00:00:00.000Z",
    roles: [
      { id: world.guildId, name: "@everyone", permissions: "0", position: 0 },
      { id: world.bot.roleId, name: world.bot.username, permissions: "0", position: 1, managed: true, tags: { bot_id: world.bot.id } },
    ],
    emojis: [],
    members: [],
    presences: [],
    voice_states: [],
    channels: places.filter(({ type }) => type === 0).map(world.placeJson),
    threads: places.filter(({ type }) => type === 11).map(world.placeJson),
  };
}

export function createFakeGateway({ clock, world, token, heartbeatMs, origin, changed }: FakeGatewayOptions): FakeGateway {
  const sessions = new Map<string, Session>();
  const connections = new Set<Connection>();
  const counts = { connections: 0, identifies: 0, resumes: 0, heartbeats: 0 };
  let lastIdentify: Json | undefined;
  let isAcking = true;
  let loginCode: number | undefined;
  let isContentAllowed = true;

  const emit = (session: Session, t: string, d: Json): void => {
    session.seq += 1;
    session.events.push({ s: session.seq, t, d });
    if (session.events.length > EVENTS_MAX) session.events.shift();
    session.peer?.send(JSON.stringify({ op: OP.dispatch, s: session.seq, t, d }));
  };

  const identify = (connection: Connection, d: Json): void => {
    counts.identifies += 1;
    lastIdentify = d;
    const { peer } = connection;
    const [shard, shardCount] = Array.isArray(d.shard) ? (d.shard as number[]) : [0, 1];
    const intents = d.intents;
    if (d.token !== token) peer.close(CLOSE.authenticationFailed, "Authentication failed.");
    else if (loginCode !== undefined) peer.close(loginCode);
    else if (typeof d.properties !== "object" || d.properties === null) peer.close(CLOSE.decode, "Error while decoding payload.");
    else if (shard !== 0 || shardCount !== 1) peer.close(CLOSE_IDENTIFY.invalidShard, "Invalid shard.");
    else if (typeof intents !== "number" || !Number.isInteger(intents) || intents < 0 || intents > INTENTS_MAX)
      peer.close(CLOSE_IDENTIFY.invalidIntents, "Invalid intent(s).");
    else if ((intents & PRIVILEGED & ~(isContentAllowed ? INTENT.messageContent : 0)) !== 0)
      peer.close(CLOSE_IDENTIFY.disallowedIntents, "Disallowed intent(s).");
    else {
      const session: Session = { id: world.nextId(), intents, seq: 0, events: [], peer };
      sessions.set(session.id, session);
      connection.session = session;
      emit(session, "READY", {
        v: 10,
        user: world.botJson(),
        guilds: [{ id: world.guildId, unavailable: true }],
        session_id: session.id,
        resume_gateway_url: origin().replace(/^http/, "ws"),
        shard: [0, 1],
        application: { id: world.bot.applicationId, flags: 0 },
        private_channels: [],
      });
      if ((intents & INTENT.guilds) !== 0) emit(session, "GUILD_CREATE", guildJson(world));
    }
  };

  const resume = (connection: Connection, d: Json): void => {
    counts.resumes += 1;
    const { peer } = connection;
    if (d.token !== token) {
      peer.close(CLOSE.authenticationFailed, "Authentication failed.");
      return;
    }
    const session = sessions.get(String(d.session_id));
    const seq = Number(d.seq);
    const oldest = session?.events[0]?.s ?? 1;
    if (!session || !Number.isInteger(seq) || seq > session.seq || seq + 1 < oldest) {
      peer.send(JSON.stringify({ op: OP.invalidSession, d: false }));
      return;
    }
    session.peer = peer;
    connection.session = session;
    for (const event of session.events) if (event.s > seq) peer.send(JSON.stringify({ op: OP.dispatch, ...event }));
    emit(session, "RESUMED", {});
  };

  const receive = (connection: Connection, text: string): void => {
    const { peer } = connection;
    let payload: Json;
    try {
      payload = JSON.parse(text) as Json;
    } catch {
      peer.close(CLOSE.decode, "Error while decoding payload.");
      return;
    }
    const isLogin = payload.op === OP.identify || payload.op === OP.resume;
    if (isLogin && connection.session) peer.close(CLOSE.alreadyAuthenticated, "Already authenticated.");
    else if (payload.op === OP.identify) identify(connection, (payload.d ?? {}) as Json);
    else if (payload.op === OP.resume) resume(connection, (payload.d ?? {}) as Json);
    else if (payload.op === OP.heartbeat) {
      counts.heartbeats += 1;
      if (isAcking) peer.send(JSON.stringify({ op: OP.heartbeatAck }));
    } else if (!connection.session) peer.close(CLOSE.notAuthenticated, "Not authenticated.");
    else peer.close(CLOSE.unknownOpcode, "Unknown opcode.");
    changed();
  };

  const end = (connection: Connection, code: number): void => {
    connections.delete(connection);
    const { session } = connection;
    if (session?.peer === connection.peer) session.peer = undefined;
    // A client that says 1000 or 1001 logs out: nothing is kept to resume from.
    if (session && (code === 1_000 || code === 1_001)) sessions.delete(session.id);
    changed();
  };

  const each = (act: (peer: WebSocketPeer, connection: Connection) => void): void => {
    for (const connection of connections) act(connection.peer, connection);
  };

  return {
    upgrade: (request, socket, head) => {
      // The listener is called only after the peer exists: reading begins with a later event.
      const listeners = { onText: (text: string) => receive(connection, text), onClose: (code: number) => end(connection, code) };
      const peer = acceptWebSocket(request, socket, head, listeners);
      if (!peer) return;
      const connection: Connection = { peer, session: undefined };
      connections.add(connection);
      counts.connections += 1;
      clock.soon(() => peer.send(JSON.stringify({ op: OP.hello, d: { heartbeat_interval: heartbeatMs } })));
      changed();
    },
    dispatch: (t, intent, visible) => {
      for (const session of sessions.values())
        if ((session.intents & intent) !== 0 || intent === 0) emit(session, t, visible(session.intents));
    },
    open: () => connections.size,
    counts: () => ({ ...counts }),
    lastIdentify: () => lastIdentify,
    cut: () => each((peer) => peer.destroy()),
    closeAll: (code) => each((peer) => peer.close(code)),
    askReconnect: () => each((peer) => peer.send(JSON.stringify({ op: OP.reconnect, d: null }))),
    invalidate: (canResume) =>
      each((peer, connection) => {
        const { session } = connection;
        connection.session = undefined;
        if (session) session.peer = undefined;
        if (session && !canResume) sessions.delete(session.id);
        peer.send(JSON.stringify({ op: OP.invalidSession, d: canResume }));
      }),
    forgetSessions: () => sessions.clear(),
    setAcks: (isOn) => {
      isAcking = isOn;
    },
    freeze: () => each((peer) => peer.freeze()),
    refuseLogins: (code) => {
      loginCode = code;
    },
    setAllowedIntents: (isMessageContentAllowed) => {
      isContentAllowed = isMessageContentAllowed;
    },
  };
}
