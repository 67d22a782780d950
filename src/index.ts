/** satibot: an always-on chat-agent runtime. */
export { createEventLoop } from "./app/event-loop.ts";
export type { EventLoopOptions, OverlapOptions } from "./app/event-loop.ts";
export { createGateway } from "./app/gateway.ts";
export type { Gateway, GatewayOptions } from "./app/gateway.ts";
export type { LimitOptions } from "./app/limit-options.ts";
export type {
  AccessOptions,
  ChatSdkGatewayOptions,
  DiscordGatewayOptions,
  GroupMode,
  GroupOptions,
  NamedChannels,
  TelegramGatewayOptions,
  WhatsAppGatewayOptions,
} from "./app/channels/options.ts";
export type { HookOptions, NamedHooks } from "./http/hooks.ts";
export { createEchoAgent } from "./agents/echo.ts";
export type { EchoOptions } from "./agents/echo.ts";
export type { Agent, AgentContext, Tools, Turn, TurnMessage } from "./ports/agent.ts";
export type {
  Channel,
  ChannelAccess,
  ChannelAccount,
  ChannelHost,
  ChannelReport,
  CommandInfo,
  DeliverRequest,
  InboundMessage,
  Rate,
} from "./ports/channel.ts";
export type { Clock } from "./ports/clock.ts";
export type { Log } from "./ports/log.ts";
export type { Random } from "./ports/random.ts";
export type { Store } from "./ports/store/store.ts";
export type { CronJobInput, ScheduleInput } from "./runtime/job-api.ts";
export type {
  AccessControl,
  AddMessageOptions,
  AddMessageResult,
  ChatDetail,
  ChatSummary,
  EventLoop,
  PairedPerson,
  PairingCode,
  PairingControl,
  PairingStatus,
  OutboxControl,
  OutboxStatus,
  Role,
  StreamEvent,
  SystemStatus,
  Why,
} from "./runtime/api.ts";
export type { Content } from "./core/content.ts";
export type { Limits } from "./core/limits.ts";
export { AmbiguousError, ConfigError, InvariantError, RequestError, RuntimeError, TerminalError, TransientError } from "./core/errors.ts";
export type { ErrorCode } from "./core/errors.ts";
