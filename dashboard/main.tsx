import "./styles/base.css";
import "./styles/shell.css";
import "./styles/chat.css";
import "./styles/message.css";
import { render } from "preact";
import { createApi } from "./api.ts";
import { createBrowserEdge } from "./browser-edge.ts";
import { createConversations } from "./chat/conversations.ts";
import { createSessions } from "./chat/sessions.ts";
import { App } from "./shell/app.tsx";

const edge = createBrowserEdge();
const conversations = createConversations(edge);
const sessions = createSessions({ api: createApi(edge, (...args) => window.fetch(...args)), edge, conversations });
window.addEventListener("pagehide", sessions.keepAll);

const root = document.getElementById("app");
if (root !== null) {
  root.replaceChildren();
  render(<App edge={edge} conversations={conversations} sessions={sessions} />, root);
}
