// The folder of a run, an adapter or a model -> a repository of the Hub: what is for others, with a card, and without the places of this machine.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, isAbsolute, join, win32 } from "node:path";
import { fail, PhinetuneError } from "./errors.js";
import { readJsonObject } from "./formats/json_file.js";
import { isFolder } from "./hub/cache.js";
import { hubNameOf, noPathFault } from "./hub/local.js";
import { isCompleteModel, isForOthers } from "./hub/model_files.js";
import { type HubName, parseHubName } from "./hub/name.js";
import type { Transfer, TransferControl } from "./hub/progress.js";
import { checkToken, type UploadFile, type UploadResult, uploadFiles } from "./hub/upload.js";
import { addressedTo, plainCard } from "./run/model_card.js";

/** What would be uploaded, and where to. */
export interface PushPlan {
  readonly name: HubName;
  readonly files: readonly UploadFile[];
  readonly warnings: readonly string[];
}

export interface PushTarget {
  /** `org/name` */
  readonly repository: string;
  /** Branch, which is made from main where it does not exist. */
  readonly revision?: string | undefined;
  /** The model that the folder was made from, where it does not tell itself. */
  readonly base?: string | undefined;
}

/** The repository that is meant. @throws of code `usage` */
export function pushName({ repository, revision = "main" }: PushTarget): HubName {
  const name = parseHubName(`${repository}@${revision}`, "model");
  if (!name?.id.includes("/") || repository.includes("@"))
    return fail("usage", `${JSON.stringify(repository)} is no name of a repository on the Hub`, {
      fix: "write org/name, where org is your account or an organisation",
    });
  return name;
}

/** Chooses the files. @throws where the folder holds neither an adapter nor a model */
export async function planPush(folder: string, target: PushTarget): Promise<PushPlan> {
  const name = pushName(target);
  if (!isFolder(folder)) {
    const isName = hubNameOf(folder, "model") !== undefined;
    const fault = noPathFault(folder, "model");
    throw new PhinetuneError({
      ...fault,
      what: `there is no folder ${JSON.stringify(folder)}`,
      fix: isName ? "give the folder of a run, an adapter or a model" : fault.fix,
    });
  }
  const isAdapter = isCompleteModel(folder, "adapter");
  if (
    !isAdapter &&
    !isCompleteModel(folder, "model") &&
    !readdirSync(folder).some((path) => path.endsWith(".gguf"))
  )
    fail("file", "the folder holds neither an adapter nor a model", {
      where: folder,
      fix: "give the folder of a run that has ended, an adapter (adapter_config.json, adapter_model.safetensors) or a model (config.json, model.safetensors)",
    });
  const paths = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => !entry.isDirectory() && isForOthers(entry.name))
    .map((entry) => entry.name)
    .sort();
  const places = await placesIn(folder);
  const files = paths.map((path) => fileOf(folder, path, places, name.id));
  const base = isAdapter ? await baseOf(folder) : target.base;
  if (!paths.includes("README.md")) {
    const bytes = Buffer.from(plainCard(basename(name.id), base, isAdapter));
    files.push({ path: "README.md", size: bytes.length, content: { bytes }, isFallback: true });
  }
  const warnings =
    isAdapter && (base === undefined || places.includes(base))
      ? [
          `the base model is the local folder ${base ?? "of an unknown name"}: others need its name on the Hub as base_model_name_or_path of adapter_config.json`,
        ]
      : [];
  return { name, files, warnings };
}

/** Uploads what was planned. */
export function push(
  { name, files }: PushPlan,
  options: TransferControl & { readonly isPrivate: boolean; readonly message: string },
): Transfer<UploadResult> {
  return uploadFiles(name, files, options);
}

/** Refuses what could not be uploaded in the end, before a long work. */
export async function checkPush(target: PushTarget, control: TransferControl = {}): Promise<void> {
  await checkToken(pushName(target), control);
}

const TEXT = /\.(?:md|json|html|txt)$/;
/** Those that a run writes; a tokenizer is as it is. */
const TELLS_PLACES = new Set(["README.md", "run.json", "report.html", "adapter_config.json"]);

/** Texts of a run without the folders of this machine; all else as it is. */
function fileOf(folder: string, path: string, places: readonly string[], repository: string): UploadFile {
  const source = join(folder, path);
  if (TEXT.test(path) && TELLS_PLACES.has(path)) {
    const text = readFileSync(source, "utf8");
    let shared = path === "README.md" ? addressedTo(text, repository) : text;
    for (const place of places)
      for (const written of [place, JSON.stringify(place).slice(1, -1)])
        shared = shared.replaceAll(written, () => lastPart(place));
    if (shared !== text) {
      const bytes = Buffer.from(shared);
      return { path, size: bytes.length, content: { bytes } };
    }
  }
  return { path, size: statSync(source).size, content: { source } };
}

/** Of a path in the cache of the Hub, the repository and the commit are kept. */
const IN_CACHE = /(?:models|datasets)--[^\\/]+[\\/]snapshots[\\/].*$/;

const lastPart = (place: string) =>
  IN_CACHE.exec(place)?.[0] ?? place.split(/[\\/]/).findLast((part) => part !== "") ?? "";

/** The absolute paths that a run tells of, longest first. */
async function placesIn(folder: string): Promise<readonly string[]> {
  const found = new Set<string>();
  const collect = (value: unknown): void => {
    if (typeof value === "string") {
      // A root alone would be found in everything.
      if (
        (isAbsolute(value) || win32.isAbsolute(value)) &&
        lastPart(value) !== "" &&
        !/^[\\/][^\\/]*$/.test(value)
      )
        found.add(value);
    } else if (typeof value === "object" && value !== null)
      for (const [key, inner] of Object.entries(value)) {
        collect(key);
        collect(inner);
      }
  };
  for (const name of ["run.json", "adapter_config.json"])
    if (existsSync(join(folder, name))) collect(await readJsonObject(join(folder, name), name));
  return [...found].sort((a, b) => b.length - a.length);
}

async function baseOf(folder: string): Promise<string | undefined> {
  const config = await readJsonObject(join(folder, "adapter_config.json"), "the adapter's configuration");
  const { base_model_name_or_path: base } = config;
  return typeof base === "string" && base !== "" ? base : undefined;
}
