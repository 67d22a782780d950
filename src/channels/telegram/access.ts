import { ConfigError } from "../../core/errors.ts";

const ENTRY = /^(\*|-?\d{1,20}|@[A-Za-z0-9_]{1,64})$/;

/**
 * The allow list as it is written here: user ids, chat ids, `@usernames` of either (any case), or `*`.
 * @throws ConfigError CONFIG_INVALID naming the entry that is none of these
 */
export function checkAllow(allow: readonly string[] | undefined): readonly string[] | undefined {
  return allow?.map((entry, index) => {
    const text = String(entry).trim().toLowerCase();
    if (ENTRY.test(text)) return text;
    throw new ConfigError(
      "CONFIG_INVALID",
      `telegram allow[${index}] is ${JSON.stringify(text)}; write a numeric user or chat id, "@username" or "*"`,
      { path: `allow[${index}]` },
    );
  });
}
