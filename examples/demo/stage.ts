/** What a run leaves on the screen while it lasts: a frame ten times a second on a terminal, a line a second anywhere else. */
import type { Meter } from "./meter.ts";
import type { Person } from "./cast.ts";
import { personIn, type Play } from "./play.ts";
import type { Screen, Span } from "./screen.ts";
import { replyLine, talkLine, viewFrame, viewLine, type Frame } from "./view.ts";

const FRAME_MS = 100;
const LINE_MS = 1_000;
/** Lines and commands kept for the view. */
const KEPT_MAX = 50;

export interface Stage {
  readonly talk: Frame["talk"];
  readonly commands: NonNullable<Frame["commands"]>;
  readonly said: (person: Person, text: string) => void;
  readonly delivered: (chat: string, text: string, latencyMs: number | undefined) => void;
  readonly command: (command: string, result: string) => void;
  /** Ends the drawing and clears it away. */
  readonly close: () => void;
}

/** @param frame - asked for each time something is drawn */
export function openStage(screen: Screen, play: Play, meter: Meter, frame: (stage: Stage) => Frame): Stage {
  const talk: (readonly Span[])[] = [];
  const commands: { command: string; result: string }[] = [];
  const add = <T>(list: T[], item: T): void => {
    list.push(item);
    if (list.length > KEPT_MAX) list.shift();
  };
  const draw = (): void =>
    meter.aside(() => {
      const now = frame(stage);
      if (screen.isLive) screen.draw(viewFrame(now, screen.columns(), screen.rows()));
      else screen.print(viewLine(now));
    });
  const timer = setInterval(draw, screen.isLive ? FRAME_MS : LINE_MS);
  const stage: Stage = {
    talk,
    commands,
    said: ({ platform, name }, text) => add(talk, talkLine(platform, name, text)),
    delivered: (chat, text, latencyMs) => {
      const person = personIn(play, chat);
      if (person) add(talk, replyLine(person.platform, person.name, text, latencyMs));
    },
    command: (command, result) => {
      add(commands, { command, result });
      if (!screen.isLive) screen.print(`$ ${command}: ${result}`);
    },
    close: () => {
      clearInterval(timer);
      screen.clear();
    },
  };
  if (screen.isLive) draw();
  return stage;
}
