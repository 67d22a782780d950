import type { IncomingMessage, ServerResponse } from "node:http";
import { refuse, type Answer, type Payload } from "./answer.ts";
import type { TelegramFault } from "./faults.ts";

const BODY_BYTES_MAX = 1024 * 1024;

/** The query and the JSON body of a call, as one. */
export async function readPayload(request: IncomingMessage): Promise<Payload> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new Error("body too large");
    chunks.push(chunk);
  }
  const url = new URL(request.url ?? "/", "http://127.0.0.1");
  const body: unknown = bytes > 0 ? JSON.parse(Buffer.concat(chunks).toString("utf8")) : {};
  return { ...Object.fromEntries(url.searchParams), ...(body as Payload) };
}

/** Does nothing once the response has ended. */
export function writeAnswer(response: ServerResponse, { status, body }: Answer): void {
  if (response.writableEnded || response.destroyed) return;
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

/** Carries out a fault on the connection of a call. */
export function writeFault(request: IncomingMessage, response: ServerResponse, fault: TelegramFault): void {
  switch (fault.kind) {
    case "error": {
      const { status, description = `scripted ${status}`, retryAfterS, migrateTo } = fault;
      const parameters = {
        ...(retryAfterS === undefined ? {} : { retry_after: retryAfterS }),
        ...(migrateTo === undefined ? {} : { migrate_to_chat_id: migrateTo }),
      };
      writeAnswer(response, refuse(status, description, Object.keys(parameters).length > 0 ? parameters : undefined));
      return;
    }
    case "html":
      response.writeHead(fault.status, { "content-type": "text/html" }).end("<html>gateway</html>");
      return;
    case "noOk":
      writeAnswer(response, { status: fault.status, body: { message: "not supported" } });
      return;
    case "cut":
    case "takenThenCut":
      request.socket.destroy();
      return;
    case "takenThenSilent":
  }
}
