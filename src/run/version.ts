// The place of this file -> the root of phinetune's package, and its version.
import { readFileSync } from "node:fs";

/** The folder of phinetune's package.json, however deep this file was compiled into it; ends with a slash. */
export function packageRoot(): URL {
  for (let folder = new URL("..", import.meta.url); ; folder = new URL("..", folder)) {
    try {
      if (readPackage(folder).name === "phinetune") return folder;
    } catch (error) {
      if (folder.href === new URL("..", folder).href) throw error;
    }
  }
}

/** The version of phinetune. */
export function ownVersion(): string {
  return readPackage(packageRoot()).version!;
}

function readPackage(folder: URL): Readonly<Record<string, string>> {
  return JSON.parse(readFileSync(new URL("package.json", folder), "utf8")) as Record<string, string>;
}
