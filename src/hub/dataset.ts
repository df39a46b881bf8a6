// The name of a data set, with a split and a configuration -> its files on this machine, and their rows in order.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve, sep } from "node:path";
import type { Row } from "../data/types.js";
import { fail, nearest, PhinetuneError } from "../errors.js";
import { dataExtensions, readRows } from "../formats/rows.js";
import { askCommit, askFiles, orThrow, type RepoFile } from "./api.js";
import { cachedSnapshot, isFolder, writeRef } from "./cache.js";
import { convertedLayout, isUnnamed, layoutOf, missingShards, type Splits } from "./layout.js";
import { hubNameOf, noPathFault, offlineFault, refusedFault } from "./local.js";
import type { HubName } from "./name.js";
import type { Transfer, TransferControl } from "./progress.js";
import { note, noted } from "./resolve.js";
import { type HubSettings, hubSettings } from "./settings.js";
import { fetchSnapshot } from "./snapshot.js";
import { parseSplit, rangeOf, type Slice } from "./split.js";

export interface DatasetChoice {
  /** `train[:10%]+test`; undefined for the first of `preferred` that there is, or the only split. */
  readonly split?: string | undefined;
  readonly config?: string | undefined;
  readonly preferred: readonly string[];
}

/** The splits that a data set is trained on, or held against, unless told otherwise. */
export const trainSplits: readonly string[] = ["train"];
export const testSplits: readonly string[] = ["test", "validation"];

export interface Dataset {
  /** Paths of all files that rows are taken from. */
  readonly files: readonly string[];
  /** Reads the rows anew. @throws as `readRows`; also when the split has no such rows */
  rows(): AsyncGenerator<Row>;
}

/**
 * Finds a data set: a file, a folder, or a repository of the Hub, of which the files of the split are downloaded.
 * @throws with what to do when neither path, Hub nor cache has it, or it has no such split or configuration
 */
export async function* openDataset(
  given: string,
  choice: DatasetChoice,
  { env, settings: overrides, signal }: TransferControl = {},
): Transfer<Dataset> {
  const slices =
    choice.split === undefined || choice.split === "all" ? choice.split : parseSplit(choice.split);
  const want: Wanted = { ...choice, where: given, slices };
  if (isFolder(given)) return fromFolder(resolve(given), want, { isLoose: true });
  if (statSync(given, { throwIfNoEntry: false })) {
    if (choice.config !== undefined)
      fail("usage", "--dataset-config was given, but a single file has no configurations", {
        where: given,
        fix: "leave it out",
      });
    return datasetOf(new Map([["train", [resolve(given)]]]), want);
  }
  const name = hubNameOf(given, "dataset");
  if (!name) throw new PhinetuneError(noPathFault(given, "dataset"));
  const settings = { ...hubSettings(env), ...overrides };
  const cached = cachedSnapshot(settings, name);
  if (settings.isOffline) {
    if (cached === undefined) throw new PhinetuneError(offlineFault(given, "dataset", settings));
    return fromFolder(cached, want, { isLoose: false });
  }
  const notes: string[] = [];
  const options = { signal, onWait: (text: string) => void notes.push(text) };
  const revision = await askCommit(settings, name, options);
  yield* noted(name, notes);
  if (revision.refusal) {
    const { fault, reason } = revision.refusal;
    if (cached === undefined || reason === "revision")
      throw new PhinetuneError(refusedFault(given, "dataset", fault));
    yield note(name, `${fault.what}: what the cache has is taken`);
    return fromFolder(cached, want, { isLoose: false });
  }
  const { commit, currentId } = revision.value;
  if (currentId !== name.id) yield note(name, `${name.id} is called ${currentId} now`);
  const files = orThrow(await askFiles(settings, name, commit, { ...options, isDeep: true }));
  yield* noted(name, notes);
  return yield* fetchDataset({ settings, name, commit, files, want, signal });
}

/** What is asked of a data set. */
interface Wanted extends DatasetChoice {
  /** Its name, for messages. */
  readonly where: string;
  readonly slices: readonly Slice[] | "all" | undefined;
}

interface Source {
  readonly settings: HubSettings;
  readonly name: HubName;
  readonly commit: string;
  readonly files: readonly RepoFile[];
  readonly want: Wanted;
  readonly signal: AbortSignal | undefined;
}

async function* fetchDataset(source: Source): Transfer<Dataset> {
  const { settings, name, commit, files, want, signal } = source;
  const card = files.filter(({ path }) => path === "README.md");
  const folder = yield* onlyNotes(fetchSnapshot(settings, name, commit, card, signal));
  const metadata = card.length > 0 ? await frontMatter(join(folder, "README.md"), want.where) : undefined;
  const paths = files.map(({ path }) => path);
  const isReadable = (path: string) =>
    dataExtensions.some((extension) => path.toLowerCase().endsWith(extension));
  if (!paths.some(isReadable)) return yield* fetchConverted(source, paths);
  const splits = layoutOf(paths, metadata, { ...want, readable: dataExtensions });
  if ([...splits.values()].every((found) => found.length === 0)) return yield* fetchConverted(source, paths);
  const chosen = chooseSplits(splits, want);
  const needed = new Set(chosen.flatMap(({ split }) => splits.get(split)!));
  yield* fetchSnapshot(
    settings,
    name,
    commit,
    files.filter(({ path }) => needed.has(path)),
    signal,
  );
  await writeRef(settings, name, commit);
  return datasetOf(inFolder(folder, splits), want);
}

/** A transfer so small that only what goes wrong is told. */
async function* onlyNotes<Result>(transfer: Transfer<Result>): Transfer<Result> {
  for (;;) {
    const { done, value } = await transfer.next();
    if (done) return value;
    if (value.note !== undefined) yield value;
  }
}

/** The branch on which the Hub keeps a conversion of each data set to Parquet. */
const CONVERTED = "refs/convert/parquet";

/** What the Hub has converted, where a repository holds nothing that can be read. */
async function* fetchConverted(
  { settings, name, want, signal }: Source,
  paths: readonly string[],
): Transfer<Dataset> {
  if (name.revision !== "main") failUnreadable(want.where, paths);
  const converted = { ...name, revision: CONVERTED };
  const revision = await askCommit(settings, converted, { signal });
  if (revision.refusal) failUnreadable(want.where, paths);
  const { commit } = revision.value;
  const files = orThrow(await askFiles(settings, converted, commit, { signal, isDeep: true }));
  const configurations = convertedLayout(files.map(({ path }) => path));
  const names = [...configurations.keys()];
  const config = want.config ?? (names.includes("default") || names.length !== 1 ? "default" : names[0]!);
  const splits = configurations.get(config);
  if (names.length === 0) failUnreadable(want.where, paths);
  if (!splits)
    fail("usage", `the data set has the configurations ${names.slice(0, 20).join(", ")}`, {
      where: want.where,
      fix: `give --dataset-config ${nearest(config, names) ?? names[0]}, say`,
    });
  const needed = new Set(chooseSplits(splits, want).flatMap(({ split }) => splits.get(split)!));
  const folder = yield* fetchSnapshot(
    settings,
    converted,
    commit,
    files.filter(({ path }) => needed.has(path)),
    signal,
  );
  await writeRef(settings, converted, commit);
  return datasetOf(inFolder(folder, splits), want);
}

function failUnreadable(where: string, paths: readonly string[]): never {
  const shown = paths.filter((path) => !/^\.|README\.md$/.test(path)).slice(0, 8);
  return fail("data", `the data set holds no file that is read (${dataExtensions.join(", ")})`, {
    where,
    fix: `it holds ${shown.join(", ") || "nothing"}; convert it, for example with Python's datasets: load_dataset(…).to_json(FILE)`,
  });
}

/** A folder of this machine. @param isLoose files that nobody laid out as a data set: several that are not Parquet are not taken for one */
async function fromFolder(
  folder: string,
  want: Wanted,
  { isLoose }: { readonly isLoose: boolean },
): Promise<Dataset> {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => !isFolder(join(folder, path)))
    .map((path) => path.split(sep).join("/"));
  const metadata = paths.includes("README.md")
    ? await frontMatter(join(folder, "README.md"), want.where)
    : undefined;
  const splits = layoutOf(paths, metadata, { ...want, readable: dataExtensions });
  const found = [...splits.values()].flat();
  if (found.length === 0)
    fail("data", `the folder holds no data file (${dataExtensions.join(", ")})`, { where: folder });
  if (isLoose && found.length > 1 && isUnnamed(splits) && !found.every((path) => path.endsWith(".parquet")))
    fail("data", `the folder holds ${found.length} data files: ${found.slice(0, 20).join(", ")}`, {
      where: folder,
      fix: "name one of them",
    });
  return datasetOf(inFolder(folder, splits), want);
}

function inFolder(folder: string, splits: Splits): Splits {
  return new Map(
    [...splits].map(([split, paths]) => [split, paths.map((path) => join(folder, ...path.split("/")))]),
  );
}

const MAX_CARD = 4 * 1024 * 1024;

/** The YAML between the two lines `---` at the start of a README.md; undefined where there is none. */
async function frontMatter(path: string, where: string): Promise<unknown> {
  if (statSync(path).size > MAX_CARD) return undefined;
  const text = /^\uFEFF?\s*---[ \t]*\r?\n([\s\S]*?)\r?\n---[ \t]*(?:\r?\n|$)/.exec(
    readFileSync(path, "utf8"),
  );
  if (!text) return undefined;
  const { parseDocument } = await import("yaml");
  const document = parseDocument(text[1]!, { prettyErrors: true, logLevel: "silent" });
  const [error] = document.errors;
  if (error)
    fail("data", `the front matter of README.md is no YAML: ${error.message.split("\n")[0]}`, {
      where,
      fix: "name a data file of it instead",
    });
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    return fail("data", `the front matter of README.md cannot be read: ${(cause as Error).message}`, {
      where,
      cause,
    });
  }
}

/** The slices to read, of splits that exist. */
function chooseSplits(splits: Splits, { slices, preferred, where }: Wanted): readonly Slice[] {
  const names = [...splits].filter(([, files]) => files.length > 0).map(([name]) => name);
  const whole = (split: string): Slice => ({
    split,
    from: undefined,
    to: undefined,
    unit: "rows",
    rounding: "closest",
  });
  if (slices === "all") return names.map(whole);
  if (slices === undefined) {
    const split = names.length === 1 ? names[0] : preferred.find((name) => names.includes(name));
    if (split !== undefined) return [whole(split)];
    return fail("usage", `the data set has the splits ${names.join(", ")}`, {
      where,
      fix: `give --dataset-split ${names[0]}, say`,
    });
  }
  for (const { split } of slices) {
    if (names.includes(split)) continue;
    const near = nearest(split, names);
    fail("usage", `the data set has no split ${JSON.stringify(split)}, but ${names.join(", ") || "none"}`, {
      where,
      fix: near === undefined ? undefined : `did you mean ${near}?`,
    });
  }
  return slices;
}

function datasetOf(splits: Splits, want: Wanted): Dataset {
  const slices = chooseSplits(splits, want);
  const files = [...new Set(slices.flatMap(({ split }) => splits.get(split)!))];
  const missing = missingShards(files);
  if (missing.length > 0)
    fail("data", `files of the data set are missing (${missing.length}): ${missing.slice(0, 5).join(", ")}`, {
      where: want.where,
      fix: "download or copy it again",
    });
  return { files, rows: () => rowsOf(slices, splits, want) };
}

async function* rowsOf(slices: readonly Slice[], splits: Splits, want: Wanted): AsyncGenerator<Row> {
  const kept = new Map<string, readonly Row[]>();
  let count = 0;
  for (const slice of slices) {
    const { split, from = 0, to = Number.POSITIVE_INFINITY, unit } = slice;
    const files = splits.get(split)!;
    if (unit === "rows" && from >= 0 && to >= 0) {
      let row = 0;
      if (to > 0)
        for await (const item of readAll(files)) {
          if (row >= from) {
            count++;
            yield item;
          }
          if (++row >= to) break;
        }
      continue;
    }
    // Percents and bounds from the end need the number of rows first.
    const all = kept.get(split) ?? (await listed(readAll(files)));
    kept.set(split, all);
    const [first, end] = rangeOf(slice, all.length);
    for (const item of all.slice(first, end)) {
      count++;
      yield item;
    }
  }
  if (count === 0 && want.split !== undefined)
    fail("usage", `--dataset-split ${want.split} takes no rows`, { where: want.where, fix: "take more" });
}

async function listed<Item>(items: AsyncIterable<Item>): Promise<readonly Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function* readAll(files: readonly string[]): AsyncGenerator<Row> {
  for (const file of files) yield* readRows(file);
}
