/**
 * Who may call: the Host and Origin rules, which keep other web sites out of a server on loopback, and the token.
 *
 *   Host    a name or address of this machine, or listed: a page that rebinds its own name to 127.0.0.1 shows its own name here
 *   Origin  absent (not a browser), the page itself, or listed: any other page is foreign, one on another local port included
 *   token   `Authorization: Bearer`, or the cookie that `/?token=` gave a browser; the cookie holds a value derived from the token
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { RequestError } from "../core/errors.ts";

/** Sent with every answer. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
};

const COOKIE = "satibot_token";
const COOKIE_AGE_S = 30 * 24 * 60 * 60;
const LOOPBACK_NAMES: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"]);
const WILDCARDS: ReadonlySet<string> = new Set(["0.0.0.0", "[::]"]);

/** True for a host to listen on that only this machine reaches. */
export function isLoopbackHost(host: string): boolean {
  return host === "localhost" || host === "::1" || host === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(host);
}

interface Authority {
  /** Canonical: lower case, IPv6 in brackets. */
  readonly name: string;
  readonly port: number | undefined;
}

/** `name`, `name:port` or `[v6]:port`; undefined for anything else. */
function parseAuthority(text: string): Authority | undefined {
  const match = /^([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(\d{1,5}))?$/i.exec(text);
  const name = match?.[1];
  if (match === null || name === undefined || !URL.canParse(`http://${name}`)) return undefined;
  return { name: new URL(`http://${name}`).hostname, port: match[2] === undefined ? undefined : Number(match[2]) };
}

/** An IP address or name as it would stand in a Host header. */
function nameOf(host: string): string | undefined {
  const bare = host.replace(/^\[|\]$/g, "").replace(/^::ffff:(?=\d+\.)/i, "");
  return parseAuthority(bare.includes(":") ? `[${bare}]` : bare)?.name;
}

/** The facts of a request that the Host and Origin rules look at. */
export interface Caller {
  /** Every Host header that was sent. */
  readonly hosts: readonly string[];
  readonly origin: string | undefined;
  /** Address of this machine that the connection came in on. */
  readonly localAddress: string | undefined;
}

/** Where the server listens. */
export interface Bound {
  readonly host: string;
  readonly port: number;
}

export interface HostRules {
  /** @throws RequestError FORBIDDEN for a Host that is not ours or an Origin that is foreign */
  readonly check: (caller: Caller, bound: Bound | undefined) => void;
}

/** @param options.allowedHosts - names let in beside those of this machine, `name` for any port or `name:port` */
export function createHostRules(options: { readonly host: string; readonly allowedHosts: readonly string[] }): HostRules {
  const listed = options.allowedHosts.flatMap((entry) => parseAuthority(entry.trim()) ?? []);
  const isListed = ({ name, port }: Authority): boolean =>
    listed.some((entry) => entry.name === name && (entry.port === undefined || entry.port === port));
  const configured = nameOf(options.host);

  const isOwn = (name: string, caller: Caller, bound: Bound | undefined): boolean => {
    if (LOOPBACK_NAMES.has(name) || name === configured) return true;
    const address = bound && nameOf(bound.host);
    if (address !== undefined && WILDCARDS.has(address)) return caller.localAddress !== undefined && nameOf(caller.localAddress) === name;
    return address === name;
  };
  const isForeign = (origin: string, host: Authority, caller: Caller, bound: Bound | undefined): boolean => {
    const match = /^(https?):\/\/(.+)$/i.exec(origin);
    const parsed = match?.[2] === undefined ? undefined : parseAuthority(match[2]);
    if (match === null || parsed === undefined) return true;
    const usual = match[1]?.toLowerCase() === "https" ? 443 : 80;
    const from = { name: parsed.name, port: parsed.port ?? usual };
    if (from.name === host.name && from.port === (host.port ?? usual)) return false;
    if (isOwn(from.name, caller, bound) && from.port === bound?.port) return false;
    return !isListed(from);
  };
  return {
    check: (caller, bound) => {
      const host = caller.hosts.length === 1 && caller.hosts[0] !== undefined ? parseAuthority(caller.hosts[0]) : undefined;
      if (host === undefined || !(isOwn(host.name, caller, bound) || isListed(host))) {
        const named = host === undefined ? "of this request" : JSON.stringify(host.name);
        throw new RequestError(
          "FORBIDDEN",
          `the Host header ${named} is not an address of this server; add it to http.allowedHosts if it is yours`,
          {
            path: "header.host",
          },
        );
      }
      if (caller.origin !== undefined && isForeign(caller.origin, host, caller, bound)) {
        throw new RequestError(
          "FORBIDDEN",
          "pages of another origin may not call this server; add its host to http.allowedHosts if it is yours",
          {
            path: "header.origin",
          },
        );
      }
    },
  };
}

export interface TokenRules {
  /** @throws RequestError UNAUTHORIZED when a token is set and neither header nor cookie carries it */
  readonly check: (headers: { readonly authorization: string | undefined; readonly cookie: string | undefined }) => void;
  /** The Set-Cookie value for whoever knows the token; undefined when no token is set. @throws RequestError UNAUTHORIZED for a wrong one */
  readonly login: (given: string) => string | undefined;
}

/** Compares in constant time, over hashes. An absent or empty token lets everybody in. */
export function createTokenRules(token: string | undefined): TokenRules {
  if (token === undefined || token === "") return { check: () => undefined, login: () => undefined };
  const tokenHash = sha256(token);
  const session = createHmac("sha256", token).update("satibot browser session").digest("base64url");
  const sessionHash = sha256(session);
  const refuse = (why: string): never => {
    throw new RequestError(
      "UNAUTHORIZED",
      `${why}; send "Authorization: Bearer <http.token>", or open /?token=<http.token> in the browser`,
    );
  };
  return {
    check: ({ authorization, cookie }) => {
      if (authorization !== undefined) {
        const given = /^bearer +(\S.*)$/i.exec(authorization.trim())?.[1];
        if (given !== undefined && timingSafeEqual(sha256(given), tokenHash)) return;
        refuse("the token is wrong");
      }
      const kept = cookieOf(cookie);
      if (kept === undefined) refuse("a token is needed");
      else if (!timingSafeEqual(sha256(kept), sessionHash)) refuse("the session of this browser is over");
    },
    login: (given) => {
      // A "+" of a token pasted into an address arrives as a space.
      const isRight = [given, given.replaceAll(" ", "+")].some((guess) => timingSafeEqual(sha256(guess), tokenHash));
      if (!isRight) refuse("the token is wrong");
      return `${COOKIE}=${session}; Path=/; Max-Age=${COOKIE_AGE_S}; HttpOnly; SameSite=Strict`;
    },
  };
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function cookieOf(header: string | undefined): string | undefined {
  for (const pair of header?.split(";") ?? []) {
    const [name, value] = pair.trim().split("=", 2);
    if (name === COOKIE && value !== undefined) return value;
  }
  return undefined;
}
