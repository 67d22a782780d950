#!/usr/bin/env node
// Nothing is imported before the version of Node is known: an older one must say so in one line instead of failing to parse.
// So this file itself holds to the syntax of ES2020, which Node 14 can read.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(
    `satibot: needs Node 20.19 or newer, and this is ${process.versions.node}; install a newer one from https://nodejs.org\n`,
  );
  process.exit(1);
}

// A reader that has seen enough (`| head`) is no failure, nor is a terminal that has gone; a daemon goes on without one.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE" && error.code !== "EIO") throw error;
    if (process.argv[2] !== "start") process.exit(0);
  });
}

void main();

async function main(): Promise<void> {
  const { runCli } = await import("./cli/program.ts");
  const { createAccess } = await import("./cli/access.ts");
  const { readVersion } = await import("./version.ts");
  const { withEnvironmentFile } = await import("./config/environment-file.ts");
  let env: Readonly<Record<string, string | undefined>> | undefined;
  const exitCode = await runCli(process.argv.slice(2), {
    version: readVersion(),
    access: createAccess(),
    startDaemon: async (config, options) => (await import("./daemon.ts")).startDaemon(config, options),
    io: {
      out: (text) => void process.stdout.write(`${text}\n`),
      err: (text) => void process.stderr.write(`${text}\n`),
      columns: process.stdout.isTTY ? process.stdout.columns : undefined,
      // Read by the first command that looks at it: --version works beside a broken .env.
      get env() {
        // Spelled out: `??=` would be a syntax error in the Node versions that this file has to turn away.
        env = env ?? withEnvironmentFile(process.env, process.cwd());
        return env;
      },
      cwd: process.cwd(),
      now: () => Date.now(),
    },
  });
  // Written out before the end, also into a pipe; and nothing that is left open keeps the process.
  process.stdout.write("", () => process.stderr.write("", () => process.exit(exitCode)));
}

export {};
