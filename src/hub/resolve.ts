// The name of a model or data set -> a local folder or file: a path as it is, or a snapshot in the cache of Python's huggingface_hub.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { fail, nearest } from "../errors.js";

/** `org/name`, with a revision if wanted: `org/name@main`. */
const HUB_NAME = /^([\w.-]+)\/([\w.-]+?)(?:@([\w./-]+))?$/;

/** The hub cache, found as Python's huggingface_hub finds it. Source: https://huggingface.co/docs/huggingface_hub/guides/manage-cache */
export function cacheFolder(env: NodeJS.ProcessEnv): string {
  if (env.HF_HUB_CACHE) return env.HF_HUB_CACHE;
  return join(env.HF_HOME ?? join(env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "huggingface"), "hub");
}

/** Names of the models or data sets of which the cache has a snapshot. */
export function cachedNames(kind: "models" | "datasets", env: NodeJS.ProcessEnv): readonly string[] {
  const folder = cacheFolder(env);
  if (!isFolder(folder)) return [];
  return readdirSync(folder)
    .filter((entry) => entry.startsWith(`${kind}--`) && isFolder(join(folder, entry, "snapshots")))
    .map((entry) => entry.slice(kind.length + 2).replaceAll("--", "/"))
    .sort();
}

/** The folder of a cached snapshot, if there is one. */
function cachedSnapshot(
  kind: "models" | "datasets",
  name: string,
  env: NodeJS.ProcessEnv,
): string | undefined {
  const match = HUB_NAME.exec(name);
  if (!match) return undefined;
  const [, org, repository, revision = "main"] = match;
  const folder = join(cacheFolder(env), `${kind}--${org}--${repository}`);
  const ref = join(folder, "refs", revision);
  const commit = existsSync(ref) ? readFileSync(ref, "utf8").trim() : revision;
  const snapshot = join(folder, "snapshots", commit);
  return existsSync(snapshot) ? snapshot : undefined;
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** The folder of a model. @throws with what to do when neither path nor cache has it. */
export function resolveModel(name: string, env: NodeJS.ProcessEnv = process.env): string {
  if (isFolder(name)) return resolve(name);
  const snapshot = cachedSnapshot("models", name, env);
  if (snapshot) return snapshot;
  return notFound("model", name, env, `hf download ${name}`);
}

/** The file of a data set, or the folder that holds it. @throws with what to do when neither path nor cache has it. */
export function resolveDataset(name: string, env: NodeJS.ProcessEnv = process.env): string {
  if (existsSync(name)) return resolve(name);
  const snapshot = cachedSnapshot("datasets", name, env);
  if (snapshot) return isFolder(join(snapshot, "data")) ? join(snapshot, "data") : snapshot;
  return notFound("data set", name, env, `hf download --repo-type dataset ${name}`);
}

function notFound(kind: string, name: string, env: NodeJS.ProcessEnv, command: string): never {
  const parent = resolve(name, "..");
  const near = isFolder(parent)
    ? nearest(resolve(name).slice(parent.length + 1), readdirSync(parent))
    : undefined;
  const hint = near ? `did you mean ${join(parent, near)}?` : undefined;
  const download = HUB_NAME.test(name) ? `download it first, for example with: ${command}` : undefined;
  return fail(
    "file",
    `there is no ${kind} ${JSON.stringify(name)}: neither a path nor a snapshot in ${cacheFolder(env)}`,
    {
      fix: hint ?? download ?? "give the path of a local folder",
    },
  );
}
