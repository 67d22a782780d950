import { describe, expect, it } from "vitest";
import { INSTRUCTIONS_MAX, instructionsOf } from "../../../src/runtime/heartbeat/instructions.ts";

describe("the text of HEARTBEAT.md", () => {
  it.each([
    ["nothing", ""],
    ["blank lines", "\n  \n\t\r\n"],
    ["headings", "# Heartbeat\n\n## Tasks ##\n#\n"],
    ["comments", "<!-- nothing yet -->\n<!--\nwrite\nhere\n-->"],
    ["a comment that is never closed", "# Tasks\n<!-- later: look at the mail"],
    ["empty items and boxes", "- \n* [ ]\n+ [x]\n1.\n2) [ ]\n[ ]"],
    ["rules and empty fences", "---\n* * *\n___\n```\n```\n"],
    ["a byte order mark", "\ufeff# Heartbeat\n"],
  ])("asks for nothing with %s alone", (_, file) => {
    expect(instructionsOf(file)).toBeUndefined();
  });

  it.each([
    ["- look at the mail"],
    ["# Tasks\n- [ ] water the plants"],
    ["Look!"],
    ["#hashtag is no heading"],
    ["<!-- note --> check the disk"],
    ["```sh\ndf -h\n```"],
    ["1. first"],
  ])("is an instruction: %s", (file) => {
    expect(instructionsOf(file)).toBeDefined();
  });

  it("goes to the agent as it is, without comments and gaps", () => {
    expect(instructionsOf("\ufeff# Tasks\r\n<!-- a note\nto me -->\r\n\r\n\r\n- look at the mail  \r\n")).toBe(
      "# Tasks\n\n- look at the mail",
    );
  });

  it("is bounded, and says where it was cut", () => {
    const text = instructionsOf("🙂".repeat(INSTRUCTIONS_MAX))!;
    expect(text.length).toBeLessThan(INSTRUCTIONS_MAX + 100);
    expect(text).toContain("it was cut here");
    expect(text.isWellFormed()).toBe(true);
  });
});
