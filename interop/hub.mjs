// A work folder -> the tests' server that behaves as the Hub, and the surroundings of commands that talk to it.
import { execFile, execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { root } from "./models.mjs";

const run = promisify(execFile);
const python = process.env.PYTHON ?? "python3";

/** The tests' server is TypeScript, which Node 20 does not run: it is compiled into the folder. */
export async function startLocalHub(work) {
  execFileSync(
    process.execPath,
    [
      join(root, "node_modules/typescript/bin/tsc"),
      ...["--ignoreConfig", "--outDir", work, "--module", "nodenext", "--target", "es2022", "--types", "node"],
      ...["--skipLibCheck", join(root, "test/fixtures/hub_server.ts")],
    ],
    { cwd: root, stdio: "inherit" },
  );
  writeFileSync(join(work, "package.json"), '{"type":"module"}');
  const { startHub } = await import(pathToFileURL(join(work, "hub_server.js")).href);
  return startHub();
}

/** @param home folder of everything that is kept about the Hub */
export const environment = (hub, home, more = {}) => ({
  PATH: process.env.PATH,
  HOME: home,
  HF_HOME: home,
  HF_ENDPOINT: hub.url,
  HF_HUB_DISABLE_TELEMETRY: "1",
  HF_HUB_DISABLE_XET: "1",
  ...more,
});

/** Runs Python; what it prints last is JSON. */
export async function inPython(env, args) {
  const { stdout } = await run(python, args, { env, maxBuffer: 1 << 26 });
  return JSON.parse(stdout.trim().split("\n").at(-1));
}

/** Runs a command of phinetune. */
export async function phinetune(env, ...args) {
  const { stdout } = await run(process.execPath, [join(root, "dist/cli/main.js"), ...args], { env, maxBuffer: 1 << 26 });
  return stdout;
}
