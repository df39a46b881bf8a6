// package.json -> the version of phinetune.
import { readFileSync } from "node:fs";

/** The version of phinetune, from the package that this file belongs to, however deep it was compiled into. */
export function ownVersion(): string {
  for (let folder = new URL("..", import.meta.url); ; folder = new URL("..", folder)) {
    try {
      const json = JSON.parse(readFileSync(new URL("package.json", folder), "utf8")) as Record<
        string,
        string
      >;
      if (json.name === "phinetune") return json.version!;
    } catch (error) {
      if (folder.pathname === "/") throw error;
    }
  }
}
