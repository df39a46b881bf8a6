// The environment -> where the Hub is, where its cache lies, and who asks: read as Python's huggingface_hub reads it.
// Source: https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fail } from "../errors.js";

export interface HubSettings {
  /** `https://huggingface.co`, without a slash at the end. */
  readonly endpoint: string;
  /** Folder of `models--org--name` and `datasets--org--name`. */
  readonly cache: string;
  readonly token: string | undefined;
  /** Where the token comes from, for messages. */
  readonly tokenSource: string | undefined;
  /** Nothing is asked of the network. */
  readonly isOffline: boolean;
  /** Whether snapshots may hold links to blobs. */
  readonly mayLink: boolean;
  /** Milliseconds without a byte after which a connection counts as broken. */
  readonly idleLimit: number;
  /** Milliseconds before the first new try; each further one waits twice as long. */
  readonly firstWait: number;
}

const ENDPOINT = "https://huggingface.co";
const IDLE_LIMIT = 30_000;
const FIRST_WAIT = 1000;

/** @throws when HF_ENDPOINT is no address */
export function hubSettings(env: NodeJS.ProcessEnv = process.env): HubSettings {
  const { token, source } = findToken(env);
  const seconds = Number(env.HF_HUB_DOWNLOAD_TIMEOUT);
  return {
    endpoint: endpointOf(env),
    cache: cacheFolder(env),
    token,
    tokenSource: source,
    isOffline: isOn(env.HF_HUB_OFFLINE || env.TRANSFORMERS_OFFLINE),
    mayLink: !isOn(env.HF_HUB_DISABLE_SYMLINKS),
    idleLimit: seconds > 0 ? seconds * 1000 : IDLE_LIMIT,
    firstWait: FIRST_WAIT,
  };
}

function endpointOf({ HF_ENDPOINT: given }: NodeJS.ProcessEnv): string {
  const endpoint = (given || ENDPOINT).replace(/\/+$/, "");
  if (!/^https?:$/.test(protocolOf(endpoint)))
    fail("usage", `HF_ENDPOINT is ${JSON.stringify(given)}, which is no address of a server`, {
      fix: `write it as ${ENDPOINT}, or unset it`,
    });
  return endpoint;
}

function protocolOf(url: string): string {
  try {
    return new URL(url).protocol;
  } catch {
    return "";
  }
}

/** The hub cache, found as Python's huggingface_hub finds it. Source: https://huggingface.co/docs/huggingface_hub/guides/manage-cache */
export function cacheFolder(env: NodeJS.ProcessEnv): string {
  return expand(env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE || join(homeFolder(env), "hub"), env);
}

function homeFolder(env: NodeJS.ProcessEnv): string {
  const home = env.HF_HOME || join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "huggingface");
  return expand(home, env);
}

/** `~` and `$NAME` in a path, which Python expands. */
function expand(path: string, env: NodeJS.ProcessEnv): string {
  return path
    .replace(/^~(?=$|[\\/])/, () => homedir())
    .replace(/\$(?:\{(\w+)\}|(\w+))/g, (whole, braced, plain) => env[braced ?? plain] ?? whole);
}

/** HF_TOKEN, else what `hf auth login` wrote. */
function findToken(env: NodeJS.ProcessEnv): { token?: string; source?: string } {
  for (const name of ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]) {
    const token = clean(env[name]);
    if (token !== undefined) return { token, source: name };
  }
  const path = env.HF_TOKEN_PATH ? expand(env.HF_TOKEN_PATH, env) : join(homeFolder(env), "token");
  try {
    const token = clean(readFileSync(path, "utf8"));
    return token === undefined ? {} : { token, source: path };
  } catch {
    return {};
  }
}

/** A token is one line; whatever could end the header that it stands in is none. */
function clean(text: string | undefined): string | undefined {
  const token = text?.replace(/[\r\n]/g, "").trim();
  return token && /^[\x21-\x7e]+$/.test(token) ? token : undefined;
}

function isOn(value: string | undefined): boolean {
  return /^(1|on|yes|true)$/i.test(value ?? "");
}
