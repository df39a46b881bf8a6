// The paths of a data set and what its README.md says of them -> its splits, as Python's datasets finds them.
// Source: https://github.com/huggingface/datasets/blob/main/src/datasets/data_files.py, https://huggingface.co/docs/hub/datasets-manual-configuration
import { type Fault, fail, failIfAny, nearest } from "../errors.js";
import { isRecord } from "./api.js";
import { globPattern } from "./glob.js";

/** Paths of the files of each split, in the order in which they are read. */
export type Splits = ReadonlyMap<string, readonly string[]>;

/** One entry of `configs` in the front matter. */
interface Configuration {
  readonly name: string;
  readonly isDefault: boolean;
  readonly folder: string;
  /** Undefined where names of files and folders tell. */
  readonly patterns: ReadonlyMap<string, readonly string[]> | undefined;
}

const KEYWORDS = {
  train: ["train", "training"],
  validation: ["validation", "valid", "dev", "val"],
  test: ["test", "testing", "eval", "evaluation"],
} as const;

const BETWEEN = "[-._ 0-9]";
const inFolders = (word: string) => [
  `**/${word}/**`,
  `**/${word}${BETWEEN}*/**`,
  `**/*${BETWEEN}${word}/**`,
  `**/*${BETWEEN}${word}${BETWEEN}*/**`,
];
const inNames = (word: string) => [`**/${word}${BETWEEN}*`, `**/*${BETWEEN}${word}${BETWEEN}*`];

const SHARDED = /^data\/([^/]*)-\d{5}-of-\d{5}[^/]*\.[^/]*$/;
const IGNORED = new Set([
  "README.md",
  "config.json",
  "dataset_info.json",
  "dataset_infos.json",
  "dataset_dict.json",
]);

/** Data in forms that are not read; named so that a fault can tell what there is. */
const OTHER_DATA = /\.(?:gz|zip|zst|bz2|xz|tar|tgz|arrow|lance|h5|txt|xml|orc|avro|webdataset)$/i;

export interface LayoutOptions {
  /** Name of the data set, for messages. */
  readonly where: string;
  /** The configuration that is asked for. */
  readonly config?: string | undefined;
  /** Extensions that are read, with their dots. */
  readonly readable: readonly string[];
}

/**
 * Finds the splits. Files that cannot be read are left out; a split of nothing else is empty.
 * @param paths with forward slashes @param metadata the front matter of README.md
 */
export function layoutOf(
  paths: readonly string[],
  metadata: unknown,
  { where, config, readable }: LayoutOptions,
): Splits {
  const extension = (path: string) => /\.[^./]+$/.exec(path)?.[0].toLowerCase() ?? "";
  const files = paths.filter((path) => readable.includes(extension(path)) || OTHER_DATA.test(path)).sort();
  const chosen = chooseConfiguration(readConfigurations(metadata, where), config, where);
  const folder = chosen?.folder ?? "";
  const inside = files
    .filter((path) => path.startsWith(folder))
    .map((path) => path.slice(folder.length))
    .filter((path) => !IGNORED.has(path.split("/").at(-1)!));
  const patterns = chosen?.patterns ?? defaultPatterns(inside);
  const found = [...patterns].map(([split, of]) => [split, matching(inside, of)] as const);
  const kind = commonKind(found.flatMap(([, matched]) => matched).map(extension), readable);
  return new Map(
    found.map(([split, matched]) => [
      split,
      matched.filter((path) => kindOf(extension(path)) === kind).map((path) => `${folder}${path}`),
    ]),
  );
}

/** Files that one reader of Python's takes together. */
const kindOf = (extension: string) => (/^\.(?:json|jsonl|ndjson)$/.test(extension) ? ".json" : extension);

/** The kind of most files; where two are level, Parquet. */
function commonKind(extensions: readonly string[], readable: readonly string[]): string | undefined {
  const counts = new Map<string, number>();
  for (const extension of extensions) {
    if (!readable.includes(extension)) continue;
    counts.set(kindOf(extension), (counts.get(kindOf(extension)) ?? 0) + 1);
  }
  const rank = ([kind, count]: readonly [string, number]) => count + (kind === ".parquet" ? 0.5 : 0);
  return [...counts].sort((a, b) => rank(b) - rank(a))[0]?.[0];
}

/** Paths that match a pattern, those of the first pattern first, each once. */
function matching(paths: readonly string[], patterns: readonly string[]): readonly string[] {
  const found = new Set<string>();
  for (const pattern of patterns) {
    const regex = globPattern(pattern);
    for (const path of paths) if (regex.test(path) && !isUnrequested(path, pattern)) found.add(path);
  }
  return [...found];
}

/** Hidden files and folders, and folders like __pycache__, are only taken where the pattern names them. */
function isUnrequested(path: string, pattern: string): boolean {
  const count = (parts: readonly string[], start: RegExp) => parts.filter((part) => start.test(part)).length;
  const [ofPath, ofPattern] = [path.split("/"), pattern.replace(/^(?:\.\/)+/, "").split("/")];
  return (
    count(ofPath, /^\../) !== count(ofPattern, /^\../) ||
    count(ofPath.slice(0, -1), /^__/) !== count(ofPattern.slice(0, -1), /^__/)
  );
}

/** What names of files and folders say: `data/test-00000-of-00001.parquet`, then folders, then names, and else all is one split. */
function defaultPatterns(paths: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const sharded = new Set(paths.flatMap((path) => SHARDED.exec(path)?.[1] ?? []));
  const isKnown = (split: string) => Object.hasOwn(KEYWORDS, split);
  if (sharded.size > 0) {
    const known = Object.keys(KEYWORDS).filter((split) => sharded.has(split));
    const others = [...sharded].filter((split) => !isKnown(split)).sort();
    const digits = "[0-9]".repeat(5);
    return new Map(
      [...known, ...others].map((split) => [
        split,
        [`data/${split.replace(/[*?[\]]/g, "?")}-${digits}-of-${digits}*.*`],
      ]),
    );
  }
  for (const patternsOf of [inFolders, inNames]) {
    const found = Object.entries(KEYWORDS)
      .map(([split, words]) => [split, words.flatMap(patternsOf)] as const)
      .filter(([, patterns]) => matching(paths, patterns).length > 0);
    if (found.length > 0) return new Map(found);
  }
  return new Map([["train", ["**"]]]);
}

/** Whether the names of the files tell nothing of splits, so that all of them are one. */
export function isUnnamed(splits: Splits): boolean {
  const [[split, files] = ["", []]] = [...splits];
  return splits.size === 1 && split === "train" && !files.some((path) => /train/i.test(path));
}

/** `configs` of the front matter. @throws with every entry that cannot be read */
function readConfigurations(metadata: unknown, where: string): readonly Configuration[] {
  const listed = isRecord(metadata) ? metadata.configs : undefined;
  if (listed === undefined || listed === null) return [];
  const faults: Fault[] = [];
  const refuse = (what: string) => void faults.push({ code: "data", what, where: `${where}, README.md` });
  const configurations: Configuration[] = [];
  if (!Array.isArray(listed)) refuse("configs must be a list");
  else
    for (const [i, entry] of (listed as readonly unknown[]).entries()) {
      if (
        !isRecord(entry) ||
        (typeof entry.config_name !== "string" && typeof entry.config_name !== "number")
      )
        refuse(`entry ${i + 1} of configs has no config_name`);
      else {
        const name = String(entry.config_name);
        const folder = typeof entry.data_dir === "string" ? entry.data_dir.replace(/^\.?\/+|\/+$/g, "") : "";
        const patterns =
          entry.data_files === undefined || entry.data_files === null
            ? undefined
            : readPatterns(entry.data_files, (what) => refuse(`configuration ${name}: ${what}`));
        configurations.push({
          name,
          isDefault: name === "default" || entry.default === true,
          folder: folder === "" ? "" : `${folder}/`,
          patterns,
        });
      }
    }
  failIfAny(faults);
  return configurations;
}

/** `data_files`: a pattern, a list of patterns, a table of splits, or a list of `{ split, path }`. */
function readPatterns(
  value: unknown,
  refuse: (what: string) => void,
): ReadonlyMap<string, readonly string[]> {
  const listOf = (paths: unknown): readonly string[] => {
    const list: readonly unknown[] = Array.isArray(paths) ? paths : [paths];
    return list.flatMap((path) => {
      if (typeof path !== "string") refuse(`${JSON.stringify(path)} is no path of data_files`);
      else if (/^[a-z]+:\/\//i.test(path)) refuse(`${path} lies outside of the data set`);
      else if (path.split("/").includes("..")) refuse(`${path} leads out of the data set`);
      else return [path.replace(/^\/+/, "")];
      return [];
    });
  };
  const hasSplits = Array.isArray(value) && value.some((entry) => isRecord(entry));
  if (!hasSplits && !isRecord(value)) return new Map([["train", listOf(value)]]);
  const pairs = hasSplits
    ? (value as readonly unknown[]).map((entry) =>
        isRecord(entry) ? ([entry.split, entry.path] as const) : ([undefined, entry] as const),
      )
    : Object.entries(value as Readonly<Record<string, unknown>>);
  const patterns = new Map<string, readonly string[]>();
  for (const [split, paths] of pairs) {
    if (typeof split !== "string" && typeof split !== "number")
      refuse("an entry of data_files names no split");
    else if (patterns.has(String(split))) refuse(`data_files names the split ${split} twice`);
    else patterns.set(String(split), listOf(paths));
  }
  return patterns;
}

function chooseConfiguration(
  all: readonly Configuration[],
  wanted: string | undefined,
  where: string,
): Configuration | undefined {
  const names = all.map(({ name }) => name);
  const listed = `${names.slice(0, 20).join(", ")}${names.length > 20 ? `, … (${names.length})` : ""}`;
  if (wanted === undefined) {
    if (all.length <= 1) return all[0];
    const marked = all.find(({ isDefault }) => isDefault);
    return (
      marked ??
      fail("usage", `the data set has ${all.length} configurations, and none is the default: ${listed}`, {
        where,
        fix: `give --dataset-config ${names[0]}, say`,
      })
    );
  }
  const found = all.find(({ name }) => name === wanted);
  if (found) return found;
  if (all.length === 0) {
    if (wanted === "default") return undefined;
    return fail("usage", `the data set has no configurations, so none is ${JSON.stringify(wanted)}`, {
      where,
      fix: "leave --dataset-config out",
    });
  }
  const near = nearest(wanted, names);
  return fail("usage", `the data set has no configuration ${JSON.stringify(wanted)}, but ${listed}`, {
    where,
    fix: near === undefined ? undefined : `did you mean ${near}?`,
  });
}

/** The splits of one configuration in the Hub's own conversion to Parquet: `default/train/0000.parquet`. Cut ones are left out. */
export function convertedLayout(paths: readonly string[]): ReadonlyMap<string, Splits> {
  const configurations = new Map<string, Map<string, string[]>>();
  for (const path of [...paths].sort()) {
    const match = /^([^/]+)\/([^/]+)\/\d{4,}\.parquet$/.exec(path);
    if (!match || match[2]!.startsWith("partial-")) continue;
    const splits = configurations.get(match[1]!) ?? new Map<string, string[]>();
    splits.set(match[2]!, [...(splits.get(match[2]!) ?? []), path]);
    configurations.set(match[1]!, splits);
  }
  return configurations;
}

/** Shards whose names tell of more than are there: `train-00001-of-00003.parquet`. */
export function missingShards(paths: readonly string[]): readonly string[] {
  const sets = new Map<string, { readonly of: number; readonly seen: Set<number> }>();
  for (const path of paths) {
    const match = /^(.*)-(\d{5})-of-(\d{5})/.exec(path);
    if (!match) continue;
    const set = sets.get(match[1]!) ?? { of: Number(match[3]), seen: new Set<number>() };
    set.seen.add(Number(match[2]));
    sets.set(match[1]!, set);
  }
  return [...sets].flatMap(([name, { of, seen }]) =>
    of <= seen.size || of > 10_000
      ? []
      : Array.from({ length: of }, (_, i) => i)
          .filter((i) => !seen.has(i))
          .map((i) => `${name}-${String(i).padStart(5, "0")}`),
  );
}
