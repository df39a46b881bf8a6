// `phinetune push`: a folder -> what would be uploaded, a question, and the upload with its progress.
import { createInterface } from "node:readline/promises";
import { fail } from "../errors.js";
import type { UploadResult } from "../hub/upload.js";
import type { PushPlan, PushTarget } from "../push.js";
import { createTransferView } from "./download.js";
import type { ExitCode } from "./failure.js";
import type { Invocation } from "./invocation.js";
import { plural } from "./quantities.js";
import { type Output, printable, type Terminal } from "./terminal.js";

export async function runPush({ options, terminal }: Invocation<"push">): Promise<ExitCode> {
  const { out, log, json } = terminal;
  const { folder, repository, revision, yes } = options;
  const { checkPush, planPush } = await import("../push.js");
  const plan = await planPush(folder, { repository, revision });
  await checkPush({ repository, revision });
  showPlan(plan, folder, log);
  if (!yes && !(await confirms(terminal))) {
    log.write("nothing was uploaded\n");
    return 1;
  }
  const result = await upload(plan, options, log);
  out.write(json ? `${JSON.stringify(resultJson(plan, result))}\n` : `${resultText(result)}\n`);
  return 0;
}

/** Uploads the product of another command, which was told to. @throws with the command that tries again */
export async function pushProduct(
  folder: string,
  target: PushTarget & { readonly isPrivate?: boolean },
  log: Output,
): Promise<object> {
  try {
    const { planPush } = await import("../push.js");
    const plan = await planPush(folder, target);
    showPlan(plan, folder, log);
    const settings = { private: target.isPrivate ?? false, message: "Upload with phinetune" };
    const result = await upload(plan, settings, log);
    log.write(`${resultText(result)}\n`);
    return resultJson(plan, result);
  } catch (error) {
    log.write(`${folder} is whole; to upload it: phinetune push ${folder} ${target.repository}\n`);
    throw error;
  }
}

async function upload(
  plan: PushPlan,
  { private: isPrivate, message }: { readonly private: boolean; readonly message: string },
  log: Output,
): Promise<UploadResult> {
  const [{ push }, { finished }] = await Promise.all([import("../push.js"), import("../hub/progress.js")]);
  const { signal, show, end } = createTransferView(log);
  return finished(push(plan, { isPrivate, message, signal }), show).finally(end);
}

function showPlan({ name, files, warnings }: PushPlan, folder: string, log: Output): void {
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const branch = name.revision === "main" ? "" : `, branch ${name.revision}`;
  log.write(`${plural(files.length, "file")} of ${printable(folder)} for ${name.id}${branch}:\n`);
  const width = Math.max(...files.map(({ size }) => size.toLocaleString("en").length));
  for (const { path, size } of files)
    log.write(`  ${size.toLocaleString("en").padStart(width)}  ${printable(path)}\n`);
  log.write(`  ${total.toLocaleString("en")} bytes\n`);
  for (const warning of warnings) log.write(`${log.paint("warning:", "yellow")} ${printable(warning)}\n`);
}

/** Asks in the terminal. @throws of code `usage` where there is none */
async function confirms({ log, json }: Terminal): Promise<boolean> {
  if (json || !process.stdin.isTTY || log.width === undefined)
    fail("usage", "nothing was uploaded: there is no terminal to ask in", { fix: "give --yes" });
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await lines.question("upload? [y/N] ")).trim());
  } finally {
    lines.close();
  }
}

/** What was done, in one line. */
function resultText({ url, commit, uploaded, skipped, isNew }: UploadResult): string {
  if (commit === null) return `everything is there already: ${url}`;
  const more = skipped.length > 0 ? `, ${skipped.length} were there already` : "";
  return `${plural(uploaded.length, "file")} uploaded to ${isNew ? "the new " : ""}${url}${more}`;
}

function resultJson({ name }: Pick<PushPlan, "name">, result: UploadResult): object {
  const { url, commit, uploaded, skipped, isNew } = result;
  return { repository: name.id, revision: name.revision, url, commit, uploaded, skipped, created: isNew };
}
