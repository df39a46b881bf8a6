// Environment -> the folder that holds what can be made again.
import { homedir } from "node:os";
import { join } from "node:path";

/** PHINETUNE_CACHE, or a folder in the system's place for such folders. */
export function userCacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.PHINETUNE_CACHE) return env.PHINETUNE_CACHE;
  if (process.platform === "win32" && env.LOCALAPPDATA) return join(env.LOCALAPPDATA, "phinetune");
  if (process.platform === "darwin") return join(homedir(), "Library", "Caches", "phinetune");
  return join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "phinetune");
}
