// Nothing -> the environment of a test run: a folder of its own for temporary files and the user's cache, gone when the run ends.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export function testEnvironment(): Record<string, string> {
  const folder = mkdtempSync(join(tmpdir(), "phinetune-tests-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const cache = join(folder, "cache");
  mkdirSync(cache);
  // What `os.tmpdir` looks at, here and in the programs that tests start.
  return { TMPDIR: folder, TEMP: folder, TMP: folder, PHINETUNE_CACHE: cache };
}
