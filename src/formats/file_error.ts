// An error of the file system -> what happened and what to do, in words.
import type { Fault } from "../errors.js";

const EXPLANATIONS: Readonly<Record<string, readonly [what: string, fix?: string]>> = {
  ENOENT: ["there is no such file or folder", "check the path"],
  EACCES: ["permission is denied", "check who may read and write there"],
  EPERM: ["permission is denied", "check who may read and write there"],
  EROFS: ["the file system is read-only", "choose another place"],
  ENOSPC: ["the disk is full", "free some space or choose another disk"],
  EDQUOT: ["the disk quota is used up", "free some space or choose another disk"],
  EFBIG: ["the file would be larger than the system allows", "choose another disk or raise the limit"],
  EISDIR: ["it is a folder, not a file", "give the path of a file"],
  ENOTDIR: ["a part of the path is a file, not a folder", "check the path"],
  EMFILE: ["too many files are open", "raise the limit of open files (ulimit -n)"],
  ENAMETOOLONG: ["the name is too long", "choose a shorter name"],
};

/**
 * The fault for an error thrown by node:fs.
 * @param what what failed: "the file cannot be written"
 */
export function fileFault(what: string, path: string, error: unknown): Fault {
  const { code, message } = error as NodeJS.ErrnoException;
  const [reason, fix] = EXPLANATIONS[code ?? ""] ?? [message];
  return { code: "file", what: `${what}: ${reason}`, where: path, fix };
}
