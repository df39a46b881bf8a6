// The options of `phinetune serve`.
import type { OptionSchema } from "./resolve.js";
import { model, storage, storageRules, threads } from "./shared.js";

const serveTable = {
  ...model,
  adapter: {
    type: "words",
    section: "Model and data",
    placeholder: "DIRS",
    help: "PEFT adapters, folders or names on the Hub; each is a model of its own, under the name of its folder or as name=DIR",
  },
  ...storage,
  maxNewTokens: {
    type: "integer",
    default: 512,
    min: 1,
    section: "Generation",
    help: "longest answer in tokens, whatever a request asks for",
  },
  host: {
    type: "text",
    default: "127.0.0.1",
    section: "Machine",
    help: "address to listen on; 0.0.0.0 lets other machines in",
  },
  port: {
    type: "integer",
    default: 8080,
    min: 0,
    max: 65535,
    section: "Machine",
    help: "port to listen on; 0 takes a free one",
  },
  apiKey: {
    type: "text",
    section: "Machine",
    placeholder: "KEY",
    defaultText: "$PHINETUNE_API_KEY, else everyone is let in",
    help: "what clients must send as their API key",
  },
  maxConcurrent: {
    type: "integer",
    default: 4,
    min: 1,
    section: "Machine",
    advanced: true,
    help: "answers that are generated at the same time",
  },
  maxWaiting: {
    type: "integer",
    default: 64,
    min: 0,
    section: "Machine",
    advanced: true,
    help: "requests that may wait for their turn; more are sent away with 429",
  },
  maxRequestBytes: {
    type: "integer",
    default: 1_000_000,
    min: 1,
    section: "Machine",
    advanced: true,
    help: "largest request",
  },
  timeout: {
    type: "number",
    default: 600,
    above: 0,
    max: 86_400,
    section: "Machine",
    advanced: true,
    help: "seconds after which an answer is given up",
  },
  ...threads,
} as const;

export const serveSchema: OptionSchema<typeof serveTable> = { table: serveTable, rules: [...storageRules] };
