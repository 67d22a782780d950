// Development only, and not part of the package: runs the worker from its TypeScript source.
import { register } from "tsx/esm/api";

register();
await import("./worker.ts");
