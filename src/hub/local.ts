// A name that a user gave -> whether it is a path, and what to say where nothing is there.
import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Fault, nearest } from "../errors.js";
import { dataExtensions } from "../formats/rows.js";
import { isFolder } from "./cache.js";
import { type HubName, parseHubName, type RepoKind } from "./name.js";
import type { HubSettings } from "./settings.js";

/** The repository that a text may name; undefined where only a path can be meant. */
export function hubNameOf(text: string, kind: RepoKind): HubName | undefined {
  const isDataFile = dataExtensions.some((extension) => text.toLowerCase().endsWith(extension));
  return /^[.~/\\]/.test(text) || isDataFile ? undefined : parseHubName(text, kind);
}

/** The path that may have been meant. */
function nearPath(name: string): string | undefined {
  const parent = resolve(name, "..");
  if (!isFolder(parent)) return undefined;
  const near = nearest(resolve(name).slice(parent.length + 1), readdirSync(parent));
  return near === undefined ? undefined : `did you mean ${join(parent, near)}?`;
}

const nounOf = { model: "model", adapter: "adapter", dataset: "data set" } as const;
export type Noun = keyof typeof nounOf;

/** Nothing is there, and the name is none that the Hub could know. */
export function noPathFault(name: string, noun: Noun): Fault {
  const fix =
    noun === "dataset"
      ? "give the path of a file or folder, or a name of the Hub: org/name"
      : "give the path of a folder, or a name of the Hub: org/name";
  return {
    code: "file",
    what: `there is no ${nounOf[noun]} ${JSON.stringify(name)}: it is no path, and not of the form of a name of the Hub`,
    fix: nearPath(name) ?? fix,
  };
}

/** Nothing is there, nor in the cache, and the network must not be asked. */
export function offlineFault(name: string, noun: Noun, { cache }: HubSettings): Fault {
  return {
    code: "file",
    what: `there is no ${nounOf[noun]} ${JSON.stringify(name)}: neither a path nor whole in ${cache}, and HF_HUB_OFFLINE is set`,
    fix: nearPath(name) ?? "unset HF_HUB_OFFLINE to download it",
  };
}

/** What the Hub says, with the path that may have been meant. */
export function refusedFault(name: string, noun: Noun, fault: Fault): Fault {
  return {
    ...fault,
    what: `${JSON.stringify(name)} is no path of ${noun === "adapter" ? "an" : "a"} ${nounOf[noun]} here, and ${fault.what}`,
    fix: nearPath(name) ?? fault.fix,
  };
}
