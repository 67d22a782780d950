import type { Edge } from "../edge.ts";
import type { Session } from "./session.ts";
import { duration } from "./status.ts";

/** A short cut is not worth a word. */
const PATIENCE_MS = 1_500;

/** What is wrong with the connection, and what happens to it. */
export function Banner({ session, edge, nowMs }: { readonly session: Session; readonly edge: Edge; readonly nowMs: number }) {
  const { link } = session.state.value;
  if (link.status === "signedOut") {
    return (
      <div class="banner" role="alert" data-tone="trouble">
        <span>This browser is signed out. What is not sent stays here.</span>
        <button type="button" class="button" onClick={() => window.location.reload()}>
          Sign in
        </button>
      </div>
    );
  }
  if (link.status !== "lost") return null;
  if (!edge.isOnline()) {
    return (
      <div class="banner" role="status">
        <span>You are offline. Messages wait here and are sent when you are back.</span>
      </div>
    );
  }
  if (nowMs - link.sinceMs < PATIENCE_MS) return null;
  const seconds = Math.ceil((link.retryAtMs - nowMs) / 1_000);
  return (
    <div class="banner" role="status">
      <span>
        {link.refusal === undefined ? "satibot does not answer; is it running?" : `satibot refuses the connection: ${link.refusal}.`}{" "}
        {seconds > 0 ? `Trying again in ${duration(seconds)}.` : "Trying again…"}
      </span>
      <button type="button" class="button" onClick={session.reconnect}>
        Try now
      </button>
    </div>
  );
}
