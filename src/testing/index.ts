/** Tools for tests of agents, channels and stores: virtual time, seeded chance, fakes, contracts and the simulator. */
export { openDiscordServer } from "./discord-server/server.ts";
export type { DiscordServer, DiscordServerOptions } from "./discord-server/server.ts";
export { createFakeChannel, createFakePlatform } from "./fake-channel.ts";
export type { FakeOutcome, FakePlatform, FakePlatformOptions } from "./fake-channel.ts";
export { createSeededRandom } from "./seeded-random.ts";
export { openSimulation } from "./simulation.ts";
export type { Said, Simulation, SimulationSetup } from "./simulation.ts";
export { digestOf, simulate } from "./simulator/simulator.ts";
export type { SimulationOptions, SimulationResult, SimulatedStore } from "./simulator/simulator.ts";
export { openSlackServer } from "./slack-server.ts";
export type { SlackFault, SlackServer } from "./slack-server.ts";
export { openTelegramServer } from "./telegram-server.ts";
export type { TelegramServer, TelegramServerOptions } from "./telegram-server.ts";
export { openWhatsAppServer } from "./whatsapp-server.ts";
export type { WhatsAppFault, WhatsAppServer } from "./whatsapp-server.ts";
export { createVirtualClock, settle } from "./virtual-clock.ts";
export type { VirtualClock } from "./virtual-clock.ts";
