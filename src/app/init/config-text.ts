/** What the questions of `satibot init` come to. */
export interface Answers {
  /** Undefined: no Telegram for now. */
  readonly telegram: TelegramAnswers | undefined;
  /** Undefined: the default. */
  readonly port: number | undefined;
}

export interface TelegramAnswers {
  readonly token: string;
  /** Undefined: whoever sends the one-time code first. */
  readonly allow: readonly string[] | undefined;
  /** Undefined: Telegram's own. */
  readonly apiRoot: string | undefined;
}

/** The variable that holds the token: in `.env`, never in the configuration. */
export const TOKEN_VARIABLE = "TELEGRAM_BOT_TOKEN";

/**
 * The text of a `satibot.config.yaml` with every setting there is: what was answered stands in the open, the rest shows its default behind
 * a `#`. Taking any one `#` away leaves a file that can be loaded; no secret is in it.
 */
export function configText({ telegram, port }: Answers): string {
  return `# satibot, written by \`satibot init\`. A setting behind a # shows its default: take the # away to change it, then let
# \`npx satibot config check\` look at it. \${NAME} is taken from the environment, or from the file .env beside this one.
# Variables named in brackets win over this file.
# Durations are "250ms", "30s", "5m", "24h", "7d" or milliseconds.

# Where conversations, waiting messages and timers are kept (SATIBOT_STORE); memory: forgets them when satibot ends.
#store: sqlite:./data/satibot.db

channels:
  # The prompt of \`satibot start\` on a terminal; on when there is one.
  #terminal: true
  # The page that satibot serves.
  #web: true
${telegram === undefined ? TELEGRAM_LATER : telegramText(telegram)}  # Discord, WhatsApp, Slack and others are set up as docs/channels describes.

# What happens to a message that comes while its chat is being answered: it waits for its turn.
overlap:
  #policy: queue

# Programs that may write into a chat, by POST /hooks/deploy with this token. {{field.of.the.body}} and {{body}} are filled in.
hooks:
  #deploy: { token: a-long-random-text, chat: "api:deploy", template: "Deployed: {{body}}" }

# Work at fixed times. The schedule is cron: "0 9 * * *" with a time zone, every: 30m, or at: "2030-12-24T18:00:00Z".
cron:
  #- id: daily_report
  #  name: Daily report
  #  message: Write the report
  #  schedule: { cron: "0 9 * * *", timezone: Europe/Paris }
  #  # Who gets the answer, and when: always, failure, nonEmpty (not an empty answer, nor the one that silence: names) or answer.
  #  deliver: { chat: "telegram:123456789", when: always }
  #  # Its conversation: the job's own (job), or that of the chat which gets the answer (chat).
  #  session: job
  #  # Instants that passed while satibot was away: skip, once, or all of the newest missedMax. One found later than grace never runs.
  #  missed: once
  #  missedMax: 10
  #  #grace: 2h
  #  # An instant that comes while the last run is still under way: skip, queue or replace.
  #  overlap: skip
  #  # Attempts of one run, and how long one may take; what is left out follows limits.
  #  retry: { attempts: 5, backoff: 30s }
  #  timeout: 5m
  #  # Starts are spread by up to so much: by the id, always the same (stagger), or by chance (jitter).
  #  stagger: 0s
  #  jitter: 0s
  #  # When it is over.
  #  #until: 2030-12-24T18:00:00Z
  #  #maxRuns: 100
  #  # After so many failures in a row it is disabled and its chats are told; 0 never.
  #  disableAfter: 10

# satibot looks around by itself and asks the agent what HEARTBEAT.md says; when nothing needs attention, nobody is told anything.
heartbeat:
  # How often, and in which part of the day.
  #every: 30m
  #activeHours: { from: "08:00", to: "22:00", timezone: Europe/Paris }
  # What to look after; empty or comments only, no agent is asked.
  #file: HEARTBEAT.md
  # Who is told when there is something to say.
  #deliver: { chat: "telegram:123456789" }
  # Entries of earlier heartbeats that the agent gets, and the longest that one may take.
  #history: 20
  #timeout: 2m
  # Asked while satibot works, by a service that raises the alarm when it hears nothing.
  #pingUrl: https://ping.example.org/uuid
  #pingEvery: 1m

limits:
  # Turns running at once, over all chats.
  #concurrentTurns: 16
  # Messages waiting in one chat before a further one is refused.
  #inboxPerChat: 100
  # Longest attempt of a turn, and how many attempts are counted before the person is told that it failed.
  #turnTimeout: 5m
  #maxAttempts: 5
  # Idle time before a chat leaves memory.
  #idleTimeout: 10m
  # Time that running turns get to finish when satibot is stopped.
  #drainTimeout: 25s
  # Age at which a reply that could not be sent is given up.
  #outboxMaxAge: 24h
  # Jobs of one chat, and how many missed runs of jobs are begun in a second.
  #jobsPerChat: 50
  #catchUpPerSecond: 10
  # How long things are kept: the event log, ids of messages already taken, messages that are done with, conversations, runs of jobs.
  #eventRetention: 7d
  #dedupeRetention: 8d
  #inboxRetention: 7d
  #historyRetention: 365d
  #runRetention: 90d

# The page, the API and \`satibot status\` come in here.
http:
  # Address and port to listen on (SATIBOT_HOST, SATIBOT_PORT). Any address but this machine's own 127.0.0.1 needs a token.
  #host: 127.0.0.1
  ${port === undefined ? "#port: 7330" : `port: ${port}`}
  # Asked of every caller; put it into .env as SATIBOT_TOKEN=…
  #token: \${SATIBOT_TOKEN}
  # Names under which a reverse proxy asks.
  #allowedHosts: [bot.example.org]

# This file is read again at SIGHUP and by \`satibot config reload\`; here also whenever it changes.
reload:
  #watch: false

log:
  # debug, info, warn or error (SATIBOT_LOG_LEVEL).
  # At the prompt of a terminal: warn.
  #level: info
`;
}

const TELEGRAM_LATER = `  # A bot of Telegram: get a token from @BotFather and put it into .env as ${TOKEN_VARIABLE}=…
  #telegram:
  #  token: \${${TOKEN_VARIABLE}}
  #  # Who may write: ids, @usernames, or "*" for everyone. Without it, whoever sends the code that satibot shows when it starts.
  #  allow: ["123456789", "@ann"]
`;

function telegramText({ allow, apiRoot }: TelegramAnswers): string {
  const who = '# Who may write: ids, @usernames, or "*" for everyone.';
  return `  # A second bot is telegram-2.
  telegram:
    # From @BotFather; the token itself stands in .env.
    token: \${${TOKEN_VARIABLE}}
${
  allow === undefined
    ? `    ${who} Without it, whoever sends the code that satibot shows when it starts.
    #allow: ["123456789", "@ann"]`
    : `    ${who} Without it, whoever sends a one-time code first.
    allow: ${yamlList(allow)}`
}
    # Your own Bot API server, if you run one.
    ${apiRoot === undefined ? "#apiRoot: https://api.telegram.org" : `apiRoot: ${JSON.stringify(apiRoot.replaceAll("${", () => "$${"))}`}
    # Who lets others in, beside the owner, and how much one person and one chat may write.
    #admins: ["123456789"]
    #rate: { perUser: 20/1m, perChat: 60/1m }
    # What is answered in groups: what is said to the bot (mention) or everything (all), by id and * for the others.
    #groups: { "*": mention, "-1001234567890": all }
    # Where Telegram reaches this daemon, if it is to call instead of being asked. The secret only where somebody else sets the webhook.
    #webhookUrl: https://bot.example.org
    #secretToken: a-long-random-text
`;
}

function yamlList(entries: readonly string[]): string {
  return `[${entries.map((entry) => JSON.stringify(entry)).join(", ")}]`;
}
