// A data file (JSON, JSON Lines, CSV, TSV, Parquet) -> its rows, and every fault found in it.
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import type { Row } from "../data/types.js";
import { type Fault, fail, failIfAny, nearest, PhinetuneError } from "../errors.js";
import { readCsvRows } from "./csv.js";
import { fileFault } from "./file_error.js";
import { readJsonLines, readJsonRows } from "./json_rows.js";
import { readParquetRows } from "./parquet.js";

/** A reader yields rows and faults in the order of the file; a fault after which it cannot go on is its last. */
type RowReader = (path: string) => AsyncGenerator<Row | Fault>;

const READERS: Readonly<Record<string, RowReader>> = {
  ".json": readJsonRows,
  ".jsonl": readJsonLines,
  ".ndjson": readJsonLines,
  ".csv": (path) => readCsvRows(path, ","),
  ".tsv": (path) => readCsvRows(path, "\t"),
  ".parquet": readParquetRows,
};

/** Endings of the names of files that are read, with their dots. */
export const dataExtensions: readonly string[] = Object.keys(READERS);

const SUPPORTED = dataExtensions.join(", ");

/** More faults than this say nothing new: reading ends. */
const MAX_FAULTS = 1000;

export interface ReadRowsOptions {
  /** Is told each fault when it is found; nothing is thrown at the end then, and reading has no limit of faults. */
  readonly onFault?: ((fault: Fault) => void) | undefined;
}

/**
 * The rows of a data file, in order. Values are as the file has them: strings in CSV; in Parquet, integers are
 * numbers where they are exact and else decimal strings, and dates are ISO strings.
 * @param path a file, or a folder that holds exactly one data file
 * @throws PhinetuneError at once when the file cannot be read; after the last row, one error with all faults of
 * the file, so that whoever reads to the end has either all of it or an error. A file without rows is a fault.
 */
export async function* readRows(path: string, { onFault }: ReadRowsOptions = {}): AsyncGenerator<Row> {
  const file = await findDataFile(path);
  const faults: Fault[] = [];
  const report = onFault ?? ((fault: Fault) => void faults.push(fault));
  let isEmpty = true;
  try {
    for await (const item of readerOf(file)(file)) {
      isEmpty = false;
      if ("fields" in item) yield item;
      else report(item);
      if (faults.length === MAX_FAULTS) {
        report({ code: "data", what: `reading ended after ${MAX_FAULTS} faults`, where: file });
        break;
      }
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw new PhinetuneError(fileFault("the data file cannot be read", file, error), error);
  }
  if (isEmpty) report({ code: "data", what: "the file holds no rows", where: file });
  failIfAny(faults);
}

function readerOf(file: string): RowReader {
  const extension = extname(file).toLowerCase();
  const reader = READERS[extension];
  if (reader) return reader;
  const isPacked = [".gz", ".zip", ".zst", ".bz2", ".xz"].includes(extension);
  return fail("data", `files of kind "${extension}" are not read; supported are ${SUPPORTED}`, {
    where: file,
    fix: isPacked ? "unpack the file" : undefined,
  });
}

async function findDataFile(path: string): Promise<string> {
  const stats = await stat(path).catch(async (error: NodeJS.ErrnoException) => {
    const fault = fileFault("the data file cannot be read", path, error);
    const fix = error.code === "ENOENT" ? await suggestName(path) : fault.fix;
    throw new PhinetuneError({ ...fault, fix }, error);
  });
  if (!stats.isDirectory()) return path;
  const names = (await dataFilesIn(path)).sort();
  const [name] = names;
  if (name !== undefined && names.length === 1) return join(path, name);
  return fail(
    "data",
    names.length === 0
      ? `the folder holds no data file (${SUPPORTED})`
      : `the folder holds ${names.length} data files: ${names.slice(0, 20).join(", ")}${names.length > 20 ? ", …" : ""}`,
    { where: path, fix: names.length === 0 ? undefined : "name one of them" },
  );
}

async function dataFilesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => Object.hasOwn(READERS, extname(name).toLowerCase()));
}

/** What may have been meant by the name of a file that does not exist. */
async function suggestName(path: string): Promise<string | undefined> {
  const folder = dirname(path);
  const names = await dataFilesIn(folder);
  const near = nearest(basename(path), names);
  if (near !== undefined) return `did you mean ${join(folder, near)}?`;
  return names.length > 0 ? `${folder} holds ${names.slice(0, 20).sort().join(", ")}` : "check the path";
}
