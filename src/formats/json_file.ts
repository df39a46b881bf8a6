// A JSON file -> the object in it, with errors that name the file.
import { readFile } from "node:fs/promises";
import { fail } from "../errors.js";
import { parseJson } from "./json.js";

/** A configuration file larger than this is not one. */
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * Reads a file that must hold one JSON object.
 * @param what what the file is, for messages: "the model's configuration"
 */
export async function readJsonObject(path: string, what: string): Promise<Readonly<Record<string, unknown>>> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) =>
    fail(
      "file",
      `${what} cannot be read: ${error.code === "ENOENT" ? "there is no such file" : error.message}`,
      { where: path, cause: error },
    ),
  );
  if (bytes.length > MAX_BYTES)
    fail("file", `${what} has ${bytes.length} bytes; at most ${MAX_BYTES} are expected`, { where: path });
  let value: unknown;
  try {
    value = parseJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    fail("format", `${what} is not valid JSON: ${(error as Error).message}`, { where: path, cause: error });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    fail(
      "format",
      `${what} holds ${Array.isArray(value) ? "a list" : JSON.stringify(value)}; it must be a JSON object`,
      { where: path },
    );
  }
  return value as Record<string, unknown>;
}
