export { createMemoryStore, type MemoryOptions, type MemoryStore } from "./memory/store.ts";
