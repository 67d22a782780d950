/** Says of what should be a section and is none what a section is. */
export const mapping = {
  error: (issue: { code?: string }) => (issue.code === "invalid_type" ? "must be a section with keys and values" : undefined),
};
