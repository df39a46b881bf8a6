// `phinetune serve` through the real program -> it listens, answers, and leaves when it is asked to.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, it } from "vitest";
import { BINARY, ROOT, runBinary, START } from "../fixtures/binary.js";

const words = ["serve", "--model", START.model, "--port", "0", "--json"];

it("listens to this machine, answers, and ends with 0 at SIGTERM", async () => {
  const child = spawn(process.execPath, [BINARY, ...words], { cwd: ROOT });
  const [line] = (await once(child.stdout.setEncoding("utf8"), "data")) as [string];
  const { url, models } = JSON.parse(line) as { url: string; models: readonly string[] };
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/v1$/);
  expect(models).toEqual([START.model]);
  const response = await fetch(`${url}/completions`, {
    method: "POST",
    body: JSON.stringify({ prompt: "Once", max_tokens: 3, temperature: 0 }),
  });
  expect(response.status).toBe(200);

  const port = new URL(url).port;
  const second = await runBinary([...words.slice(0, 3), "--port", port]);
  expect(second.code).toBe(2);
  expect(second.stderr).toMatch(/cannot listen.*choose another --port/);

  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([0, null]);
});
