/** Commands by which administrators decide who may write. */
import { harmlessName } from "../access/identity.ts";
import { code, saying, type Command } from "./command.ts";

const ROLES = ["guest", "admin"] as const;

export const APPROVE: Command = {
  name: "approve",
  usage: "/approve ID [admin]",
  description: "Let somebody in, or make them an administrator",
  who: "admins",
  run: async ({ channel, argument, role, services }) => {
    const [id = "", given = "guest", ...more] = argument.split(/\s+/);
    const wanted = ROLES.find((one) => one === given);
    if (id === "" || !wanted || more.length > 0)
      return saying(
        "Write /approve and the id of who asked, such as /approve 12345. /approve 12345 admin lets them decide about others too.",
      );
    if (wanted === "admin" && role !== "owner") return saying("Only an owner makes administrators.");
    const { person, isTold } = await services.decisions.approve(channel, id, wanted);
    const who = `${person.name === undefined ? "Whoever has the id" : harmlessName(person.name)} (${code(person.id)})`;
    const what = person.role === "guest" ? "may write now" : `is ${person.role === "owner" ? "an owner" : "an administrator"} now`;
    return saying(`${who} ${what}${isTold ? " and has been told" : ""}.`);
  },
};

export const DENY: Command = {
  name: "deny",
  usage: "/deny ID",
  description: "Refuse somebody who asked, or let them in no longer",
  who: "admins",
  run: async ({ channel, argument, role, services }) => {
    if (!/^\S+$/.test(argument)) return saying("Write /deny and the id of who asked, such as /deny 12345.");
    const what = await services.decisions.deny(channel, argument, role);
    const who = code(argument);
    return saying(what === "removed" ? `${who} may no longer write.` : `${who} stays out, and I do not ask about them for a month.`);
  },
};
