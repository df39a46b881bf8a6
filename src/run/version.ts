// package.json -> the version of phinetune.
import { readFileSync } from "node:fs";

/** The version of phinetune, from the package that this file belongs to. */
export function ownVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
