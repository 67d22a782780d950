import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readEnvironmentFile, withEnvironmentFile } from "../../../src/app/config/environment-file.ts";
import { ConfigError } from "../../../src/core/errors.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "satibot-env-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe(".env", () => {
  it("is nothing when it is missing or a folder", async () => {
    expect(readEnvironmentFile(dir)).toEqual({});
    await mkdir(join(dir, ".env"));
    expect(readEnvironmentFile(dir)).toEqual({});
  });

  it("gives variables, with comments, quotes and the mark that some editors put first", async () => {
    await writeFile(join(dir, ".env"), '\uFEFFFIRST=1\n# a comment\nTOKEN=12:ab_c-D # why\nQUOTED="a b"\r\nexport LAST=x\n');
    expect(readEnvironmentFile(dir)).toEqual({ FIRST: "1", TOKEN: "12:ab_c-D", QUOTED: "a b", LAST: "x" });
  });

  it("loses against the environment, also against a variable set to nothing", async () => {
    await writeFile(join(dir, ".env"), "A=file\nB=file\nC=file\n");
    expect(withEnvironmentFile({ A: "shell", B: "", C: undefined }, dir)).toEqual({ A: "shell", B: "", C: "file" });
  });

  it("is refused when it is too large to be one", async () => {
    await writeFile(join(dir, ".env"), "x".repeat(1024 * 1024 + 1));
    expect(() => readEnvironmentFile(dir)).toThrow(ConfigError);
    expect(() => readEnvironmentFile(dir)).toThrow(/larger than 1 MiB/);
  });
});
