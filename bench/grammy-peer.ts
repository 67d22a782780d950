/** The peer of startup.bench.ts: an echo bot as grammY's front page has it. Nothing is stored. */
import { Bot } from "grammy";

const { BENCH_TOKEN: token = "", BENCH_API_ROOT: apiRoot = "" } = process.env;
const bot = new Bot(token, { client: { apiRoot } });
bot.on("message:text", (context) => context.reply(`You said: ${context.message.text}`));
await bot.start();
