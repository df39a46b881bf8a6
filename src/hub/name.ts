// `org/name@revision` -> its parts, and the names of folders and addresses made of them; what could lead elsewhere is no name.

export type RepoKind = "model" | "dataset";

/** A repository of the Hub at a revision. */
export interface HubName {
  readonly kind: RepoKind;
  /** `org/name`, or a name without an organisation, as old ones are (`gpt2`). */
  readonly id: string;
  /** Branch, tag or commit. */
  readonly revision: string;
}

const DEFAULT_REVISION = "main";

/** Source: huggingface_hub/utils/_validators.py (REPO_ID_REGEX) */
const REPO_ID = /^(?:[\w-](?:[\w.-]*[\w-])?\/[\w-](?:[\w.-]*[\w-])?|[\w-]+)$/;
const COMMIT = /^[0-9a-f]{40}$/;

export const isCommit = (revision: string): boolean => COMMIT.test(revision);

/** The parts of a name; undefined where a text has not the form of one. */
export function parseHubName(text: string, kind: RepoKind): HubName | undefined {
  const at = text.indexOf("@");
  const id = at < 0 ? text : text.slice(0, at);
  const revision = at < 0 ? DEFAULT_REVISION : text.slice(at + 1);
  const isId =
    id.length <= 96 && REPO_ID.test(id) && !id.includes("--") && !id.includes("..") && !id.endsWith(".git");
  return isId && isRevision(revision) ? { kind, id, revision } : undefined;
}

/** The revision becomes a path below `refs/` in the cache, so it follows git's rules for names. */
function isRevision(text: string): boolean {
  return text.length <= 255 && /^[\w./+-]+$/.test(text) && isSafePath(text) && !/\.lock$/.test(text);
}

/** `org/name`, with `@revision` where that is not main. */
export function nameText({ id, revision }: HubName): string {
  return revision === DEFAULT_REVISION ? id : `${id}@${revision}`;
}

/** `org/name@revision` in two parts, as PEFT keeps them; a path stays as it is. */
export function withoutRevision(text: string): { readonly id: string; readonly revision: string | null } {
  const name = text.includes("@") ? parseHubName(text, "model") : undefined;
  return name ? { id: name.id, revision: name.revision } : { id: text, revision: null };
}

/** `models--org--name` */
export function folderName({ kind, id }: HubName): string {
  return `${kind}s--${id.replace("/", "--")}`;
}

/** `org/name`, or `datasets/org/name`: what stands after the endpoint in addresses of files. */
export function urlPath({ kind, id }: HubName): string {
  return kind === "model" ? id : `${kind}s/${id}`;
}

/** `models/org/name`: what stands after `/api/`. */
export function apiPath({ kind, id }: HubName): string {
  return `${kind}s/${id}`;
}

/** Whether a path with forward slashes names something below a folder, on every system. */
export function isSafePath(path: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what no name may hold
  if (path === "" || path.length > 1024 || /[\u0000-\u001f\u007f\\]/.test(path)) return false;
  if (/^[a-zA-Z]:/.test(path)) return false;
  return path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}
