// A YAML file of options -> the options that it gives, each with its line.
import { readFile } from "node:fs/promises";
import { type Fault, failIfAny, PhinetuneError } from "../errors.js";
import { fileFault } from "../formats/file_error.js";
import { canonicalName, namesOf } from "../options/names.js";
import type { GivenOption } from "../options/resolve.js";
import type { OptionTable } from "../options/schema.js";

/**
 * Reads `lora_r: 16`, `lora-r: 16` or `loraR: 16`.
 * @param passedOver options of other commands, whose keys are left out rather than refused
 * @throws PhinetuneError when the file is no YAML map
 */
export async function readConfigFile(
  path: string,
  table: OptionTable,
  passedOver: OptionTable = {},
): Promise<readonly GivenOption[]> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw new PhinetuneError(fileFault("the configuration cannot be read", path, error), error);
  });
  const { isMap, isScalar, LineCounter, parseDocument } = await import("yaml");
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const faults: Fault[] = document.errors.map(({ message, linePos }) => ({
    code: "usage",
    what: `the configuration is not valid YAML: ${message.split(" at line")[0]!.split("\n")[0]}`,
    where: linePos ? `${path}:${linePos[0].line}` : path,
  }));
  failIfAny(faults);
  const { contents } = document;
  if (contents === null) return [];
  if (!isMap(contents))
    throw new PhinetuneError({
      code: "usage",
      what: "the configuration holds no map of options",
      where: path,
      fix: "write lines like: lora_r: 16",
    });
  const known = namesOf(table);
  const others = namesOf(passedOver);
  return contents.items.flatMap(({ key, value }) => {
    const written = String(isScalar(key) ? key.value : key);
    const name = canonicalName(written);
    if (!known.has(name) && others.has(name)) return [];
    const offset = isScalar(key) ? key.range?.[0] : undefined;
    const where = offset === undefined ? path : `${path}:${lines.linePos(offset).line}`;
    const plain: unknown =
      typeof value === "object" && value !== null && "toJS" in value && typeof value.toJS === "function"
        ? (value.toJS(document) as unknown)
        : value;
    return [{ written, value: plain, where }];
  });
}
