/** Texts with holes for what a webhook brings: `Deployed {{service.name}} by {{user}}`. */
import { ConfigError, RequestError } from "../core/errors.ts";

/** Longest text that fills one hole, in UTF-16 units; what is longer is cut and ends in `…`. */
export const HOLE_UNITS_MAX = 16_000;

const TEMPLATE_UNITS_MAX = 16_000;
const HOLE = /\{\{([^{}]*)\}\}/g;
const PATH = /^[\p{L}\p{N}_$-]+(?:\.[\p{L}\p{N}_$-]+)*$/u;
// oxlint-disable-next-line no-control-regex -- control characters are what is taken out
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/**
 * Fills the holes of a template from a body: `{{body}}` with all of it, `{{a.b.0}}` with a field of its JSON. What is filled in is text and
 * nothing else: it is not read for holes again and holds no control characters but line ends and tabs. A field that is absent leaves nothing.
 * @throws RequestError BAD_REQUEST for a body that is not JSON where a field is asked of it
 */
export type FillTemplate = (body: string) => string;

/** @throws ConfigError CONFIG_INVALID for a hole that names no field */
export function parseTemplate(template: string): FillTemplate {
  const refuse = (why: string): never => {
    throw new ConfigError("CONFIG_INVALID", why, { path: "template" });
  };
  if (template.trim() === "") refuse('is empty; write a text such as "Deployed: {{body}}", or leave it out for the body as it is');
  if (template.length > TEMPLATE_UNITS_MAX) refuse(`is longer than ${TEMPLATE_UNITS_MAX} characters; shorten it`);
  // Texts at even places, names of fields between them.
  const pieces = template.split(HOLE).map((piece, place) => (place % 2 === 1 ? piece.trim() : piece));
  const names = pieces.filter((_, place) => place % 2 === 1);
  for (const name of names) {
    if (!PATH.test(name)) refuse(`has {{${name.slice(0, 40)}}}, which names no field; write one such as {{repository.name}}, or {{body}}`);
  }
  const isJsonNeeded = names.some((name) => name !== "body");
  return (body) => {
    const value = isJsonNeeded ? parsed(body) : undefined;
    return pieces.map((piece, place) => (place % 2 === 0 ? piece : plain(piece === "body" ? body : shown(fieldOf(value, piece))))).join("");
  };
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new RequestError("BAD_REQUEST", "the body is not JSON, and this hook takes fields out of it; send a JSON object", {
      path: "body",
      cause,
    });
  }
}

function fieldOf(value: unknown, path: string): unknown {
  let here = value;
  for (const step of path.split(".")) {
    if (typeof here !== "object" || here === null || !Object.hasOwn(here, step)) return undefined;
    here = (here as Readonly<Record<string, unknown>>)[step];
  }
  return here;
}

function shown(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function plain(text: string): string {
  const clean = text.toWellFormed().replaceAll("\r\n", "\n").replace(CONTROL, "");
  return clean.length <= HOLE_UNITS_MAX ? clean : `${clean.slice(0, HOLE_UNITS_MAX - 1).toWellFormed()}…`;
}
