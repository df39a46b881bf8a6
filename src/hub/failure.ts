// An answer that refuses, or none at all -> what happened and what to do, in words.
// Source of the codes: huggingface_hub/utils/_http.py (hf_raise_for_status)
import type { Fault } from "../errors.js";
import { type HubName, urlPath } from "./name.js";
import type { HubSettings } from "./settings.js";

/** Why there is nothing: the first two pass by themselves. */
export type Reason =
  | "unreachable"
  | "busy"
  | "gated"
  | "missing"
  | "revision"
  | "entry"
  | "refused"
  | "malformed";

export interface Refusal {
  readonly fault: Fault;
  readonly reason: Reason;
}

/** Statuses after which the same request may succeed. */
export function isBusy(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

interface Asked {
  readonly url: string;
  readonly about: HubName;
}

const nounOf = ({ kind }: HubName) => (kind === "model" ? "model" : "data set");
const environment = "HF_TOKEN, or by hf auth login";

/** @param text the start of the body @param url where the answer came from @param seconds that the server asks to wait */
export function answerFault(
  { status, headers }: Response,
  text: string,
  settings: HubSettings,
  { about }: Asked,
  url: string,
  seconds: number | undefined,
): Refusal {
  const { endpoint, token, tokenSource } = settings;
  const { id, revision } = about;
  const said = messageOf(headers, text);
  const request = headers.get("x-request-id");
  const where = `${plainUrl(url)}${request ? ` (request ${shown(request)})` : ""}`;
  const refuse = (reason: Reason, what: string, fix: string): Refusal => ({
    reason,
    fault: { code: "hub", what, where, fix },
  });
  const page = `${endpoint}/${urlPath(about)}`;
  const isOwn = url.startsWith(`${endpoint}/`);
  switch (headers.get("x-error-code")) {
    case "GatedRepo":
      return token === undefined
        ? refuse(
            "gated",
            `the ${nounOf(about)} ${id} is gated: its owner must let you in`,
            `accept its terms at ${page}, then give a token by ${environment}`,
          )
        : refuse(
            "gated",
            `the ${nounOf(about)} ${id} is gated, and the account of the token from ${tokenSource} is not let in`,
            `accept its terms at ${page}, or wait until its owner agrees`,
          );
    case "RevisionNotFound":
      return refuse(
        "revision",
        `the ${nounOf(about)} ${id} has no revision ${JSON.stringify(revision)}`,
        `see ${page}/tree/main for its branches and tags, or leave @${revision} out`,
      );
    case "EntryNotFound":
      return refuse("entry", `the ${nounOf(about)} ${id} has no such file at ${revision}`, `see ${page}`);
  }
  if (status === 429) {
    const time = seconds === undefined ? "later" : `in ${seconds} s`;
    const more =
      token === undefined ? `; a token (by ${environment}) allows more requests than none does` : "";
    return refuse("busy", "the Hub has had too many requests from here", `try again ${time}${more}`);
  }
  if (isBusy(status))
    return refuse(
      "busy",
      `the server answered ${status} again and again${said}`,
      "try again later; what has arrived is kept",
    );
  if (!isOwn)
    return refuse(
      "refused",
      `the server that holds the files answered ${status}${said}`,
      "try again: its addresses are valid for a short time only",
    );
  if (status === 401 && token !== undefined && /invalid/i.test(said))
    return refuse(
      "refused",
      `the Hub does not know the token from ${tokenSource}`,
      `make a new one at ${endpoint}/settings/tokens, and give it by ${environment}`,
    );
  if (headers.get("x-error-code") === "RepoNotFound" || status === 401 || status === 404) {
    const login = token === undefined ? `give a token by ${environment}` : "use a token that may read it";
    return refuse(
      "missing",
      `the Hub has no ${nounOf(about)} ${id}, or it is private`,
      `check the name at ${endpoint}; if it is private, ${login}`,
    );
  }
  if (status === 403)
    return refuse(
      "refused",
      `the Hub forbids this${said}`,
      token === undefined
        ? `give a token by ${environment}`
        : `use a token with the rights for ${id}: ${endpoint}/settings/tokens`,
    );
  return refuse("refused", `the server answered ${status}${said}`, "check the name and HF_ENDPOINT");
}

/** What the server says, as the end of a sentence. */
function messageOf(headers: Headers, text: string): string {
  let said = headers.get("x-error-message") ?? "";
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    if (said === "" && typeof error === "string") said = error;
  } catch {
    // A page for browsers says nothing of use.
  }
  return said === "" ? "" : `: ${shown(said)}`;
}

/** Foreign text in one line of bounded length. */
function shown(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach a terminal
  const line = text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ").trim();
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}

/** An address without its query, which may hold a signature. */
export function plainUrl(url: string): string {
  return url.replace(/[?#].*$/s, "");
}

/** Errors of a connection that stood, or of a server that is about to come back. */
const BROKEN =
  /^(ECONNRESET|EPIPE|ETIMEDOUT|UND_ERR_SOCKET|UND_ERR_HEADERS_TIMEOUT|UND_ERR_BODY_TIMEOUT|HPE_.*)$/;

/** @returns `isBroken` where a new try may help at once */
export function unreachableFault(
  error: unknown,
  { endpoint }: HubSettings,
  { url }: Asked,
  env: NodeJS.ProcessEnv = process.env,
): { readonly fault: Fault; readonly isBroken: boolean } {
  const cause = (error as { cause?: { code?: unknown; message?: unknown } }).cause;
  const code = typeof cause?.code === "string" ? cause.code : "";
  const message = shown(String(cause?.message ?? (error as Error).message));
  const proxy = env.HTTPS_PROXY ?? env.https_proxy ?? env.HTTP_PROXY ?? env.http_proxy;
  const fix = proxy
    ? "Node takes the proxy of the environment only with NODE_USE_ENV_PROXY=1 (Node 22.21, 24.5 or later)"
    : `check the connection${url.startsWith(endpoint) ? " and HF_ENDPOINT" : ""}; what is in the cache is read with HF_HUB_OFFLINE=1`;
  return {
    isBroken: BROKEN.test(code) || /for too long/.test(message),
    fault: {
      code: "hub",
      what: `${new URL(url).host} cannot be reached: ${message}${code && !message.includes(code) ? ` (${code})` : ""}`,
      where: plainUrl(url),
      fix,
    },
  };
}
