// The files of a repository -> those that a model or an adapter is made of; never pickles, which run code when they are read.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Fault, fail } from "../errors.js";
import { SIDE_FILES } from "../formats/side_files.js";
import type { RepoFile } from "./api.js";
import { type HubName, nameText } from "./name.js";

const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";
const SHARD = /^model-\d{5}-of-(\d{5})\.safetensors$/;
const ADAPTER = ["adapter_config.json", "adapter_model.safetensors"];

const WANTED: ReadonlySet<string> = new Set(["config.json", ...SIDE_FILES]);

const PICKLE = /\.(?:bin|pt|pth|ckpt|pkl)(?:\.index\.json)?$/;

/** What a name must stand for: `config` is a model whose weights are made anew. */
export type ModelPart = "model" | "config" | "adapter";

/** What is told of a model beside it, and other programs' form of it. */
const COMPANION = /^(?:README\.md|LICENSE(?:\.\w+)?|NOTICE(?:\.\w+)?|report\.html|run\.json|[^/]+\.gguf)$/;

/** Whether a file of a run or model folder is for others: no checkpoints, logs, or pickles. */
export function isForOthers(path: string): boolean {
  const isWeight = path === SINGLE || path === INDEX || SHARD.test(path);
  return isWeight || ADAPTER.includes(path) || WANTED.has(path) || COMPANION.test(path);
}

/** The files to fetch. @throws where the repository does not hold what is asked for, with what it holds instead */
export function modelFiles(files: readonly RepoFile[], part: ModelPart, name: HubName): readonly RepoFile[] {
  const names = new Set(files.map(({ path }) => path));
  const refuse = refusal(names, part, name);
  if (refuse) fail(refuse.code, refuse.what, refuse);
  if (part === "adapter") return files.filter(({ path }) => ADAPTER.includes(path));
  const isWeight = (path: string) =>
    part === "model" && (names.has(SINGLE) ? path === SINGLE : path === INDEX || SHARD.test(path));
  return files.filter(({ path }) => WANTED.has(path) || isWeight(path));
}

/** Why files of these names are not what is asked for. */
function refusal(names: ReadonlySet<string>, part: ModelPart, name: HubName): Fault | undefined {
  const text = nameText(name);
  const pickles = [...names].filter((path) => PICKLE.test(path) && !path.includes("/"));
  const hasConfig = names.has("config.json");
  if (part === "adapter") {
    if (ADAPTER.every((path) => names.has(path))) return undefined;
    if (names.has("adapter_config.json")) return onlyPickles(text, pickles, "adapter_model.safetensors");
    return {
      code: "adapter",
      what: `${text} is no PEFT adapter: it holds no adapter_config.json`,
      fix: hasConfig ? "it is a model: give it as --model" : undefined,
    };
  }
  if (!hasConfig)
    return {
      code: "config",
      what: `${text} is no model of transformers: it holds no config.json`,
      fix: names.has("adapter_config.json")
        ? `it is an adapter: give it as --adapter, with the --model that it belongs to`
        : undefined,
    };
  if (part === "config" || names.has(SINGLE) || names.has(INDEX)) return undefined;
  return onlyPickles(text, pickles, SINGLE);
}

function onlyPickles(text: string, pickles: readonly string[], wanted: string): Fault {
  if (pickles.length === 0) return { code: "weights", what: `${text} holds no weights: no ${wanted}` };
  return {
    code: "weights",
    what: `${text} holds its weights only as pickle (${pickles.slice(0, 3).join(", ")}), which runs code when it is read`,
    fix: `look for a revision with ${wanted} (${text.split("@")[0]}@refs/pr/1, say), or convert it in Python: from_pretrained(…).save_pretrained(FOLDER, safe_serialization=True)`,
  };
}

/** Whether a snapshot holds all that is asked for, as far as that can be seen without the Hub. */
export function isCompleteModel(folder: string, part: ModelPart): boolean {
  const has = (name: string) => existsSync(join(folder, name));
  if (part === "adapter") return ADAPTER.every(has);
  if (!has("config.json")) return false;
  return part === "config" || has(SINGLE) || (has(INDEX) && shardsOf(join(folder, INDEX)).every(has));
}

/** Names of the shards in an index; one that cannot be read names none that exists. */
function shardsOf(path: string): readonly string[] {
  try {
    const { weight_map: map } = JSON.parse(readFileSync(path, "utf8")) as {
      weight_map: Record<string, string>;
    };
    return [...new Set(Object.values(map).map(String))];
  } catch {
    return ["\u2026"];
  }
}
