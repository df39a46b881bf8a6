// The real program and a server like the Hub -> names in place of folders, downloads that Ctrl-C stops, and the cache in between.
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ROOT, runBinary, START } from "../fixtures/binary.js";
import { type Files, type HubServer, startHub } from "../fixtures/hub_server.js";
import { temporaryFolder } from "../fixtures/tiny_model.js";

const files: Files = Object.fromEntries(
  readdirSync(join(ROOT, START.model)).map((name) => [name, readFileSync(join(ROOT, START.model, name))]),
);
const rows = readFileSync(join(ROOT, START.dataset), "utf8").trim().split("\n");
const split = (from: number, to: number) => `${rows.slice(from, to).join("\n")}\n`;

let hub: HubServer;
let home: string;
beforeAll(async () => {
  hub = await startHub();
  hub.add("model", "org/start", files);
  hub.add("dataset", "org/rows", { "train.jsonl": split(0, 20), "test.jsonl": split(20, 26) });
});
afterAll(() => hub.close());
beforeEach(() => {
  home = temporaryFolder();
});
afterEach(() => {
  hub.disturb = undefined;
  rmSync(home, { recursive: true, force: true });
});
const environment = () => ({ HF_ENDPOINT: hub.url, HF_HOME: home, HF_HUB_OFFLINE: "0" });

describe("names of the Hub", () => {
  it("serve a whole training: model, rows, another split to evaluate on; the adapter names its base", async () => {
    const output = join(home, "run");
    const { code, stdout, stderr } = await runBinary(
      [
        ...["train", "--model", "org/start@main", "--dataset", "org/rows", "--dataset-split", "train[:50%]"],
        ...[
          "--dataset-test-split",
          "test[:3]",
          "--max-steps",
          "1",
          "--max-new-tokens",
          "2",
          "--sample-rows",
          "0",
        ],
        ...["--output-dir", output, "--push-to-hub", "me/poet", "--json"],
      ],
      { env: { ...environment(), HF_TOKEN: hub.token } },
    );
    expect(stderr).toMatch(/^downloaded org\/start: 276 kB, 5 files$/m);
    expect([code, JSON.parse(stdout).started]).toEqual([
      0,
      expect.objectContaining({ train_rows: 10, eval_rows: 3 }),
    ]);
    const config = JSON.parse(readFileSync(join(output, "adapter_config.json"), "utf8"));
    expect([config.base_model_name_or_path, config.revision]).toEqual(["org/start", "main"]);
    expect(JSON.parse(stdout).pushed).toMatchObject({ repository: "me/poet", created: true, skipped: [] });
    // What was uploaded comes back; without the network, the cache serves.
    const words = ["generate", "--model", "org/start", "--adapter", "me/poet", "--prompt", "The"];
    words.push("--max-new-tokens", "2");
    const online = await runBinary(words, { env: environment() });
    expect([online.code, online.stderr]).toEqual([0, expect.stringContaining("me/poet")]);
    const offline = await runBinary(words, { env: { ...environment(), HF_HUB_OFFLINE: "1" } });
    expect(offline).toEqual({ code: 0, stdout: online.stdout, stderr: "" });
  });

  it("leave a download that Ctrl-C stops where it is, and the next command goes on there", async () => {
    hub.disturb = ({ server }) => (server === "cdn" ? { speed: 30_000 } : undefined);
    const words = ["data", "--model", "org/start", "--dataset", "org/rows", "--rows", "1", "--json"];
    const blobs = join(home, "hub/models--org--start/blobs");
    let polling: NodeJS.Timeout | undefined;
    const stopped = await runBinary(words, {
      env: environment(),
      onStderr: (child) => {
        polling ??= setInterval(() => {
          if (existsSync(blobs) && readdirSync(blobs).some((name) => name.endsWith(".incomplete"))) {
            clearInterval(polling);
            setTimeout(() => child.kill("SIGINT"), 300);
          }
        }, 20);
      },
    });
    expect(stopped.stderr).toMatch(
      /error: the transfer of org\/start was stopped · .*goes on where it stopped/,
    );
    expect(stopped.code).toBe(130);
    hub.disturb = undefined;
    hub.requests.length = 0;
    const again = await runBinary(words, { env: environment() });
    expect([again.code, JSON.parse(again.stdout).statistics.rows]).toEqual([0, 20]);
    expect(hub.requests.find(({ server }) => server === "cdn")?.headers.range).toMatch(/^bytes=[1-9]\d*-$/);
  });

  it("are written to only after a yes", async () => {
    const env = { ...environment(), HF_TOKEN: hub.token };
    const words = ["push", START.model, "me/start"];
    const asked = await runBinary(words, { env });
    expect([asked.code, asked.stdout]).toEqual([2, ""]);
    expect(asked.stderr).toMatch(/^6 files of test\/fixtures\/start\/model for me\/start:$/m);
    expect(asked.stderr).toMatch(/^ +271,000 {2}model\.safetensors$/m);
    expect(asked.stderr).toMatch(/no terminal to ask in · give --yes/);
    expect(hub.repos.some(({ id }) => id === "me/start")).toBe(false);
    const { code, stdout } = await runBinary([...words, "--private", "--yes"], { env });
    expect([code, stdout]).toEqual([0, `6 files uploaded to the new ${hub.url}/me/start\n`]);
    expect(hub.repos.find(({ id }) => id === "me/start")?.isPrivate).toBe(true);
    const without = await runBinary(words, { env: environment() });
    expect([without.code, without.stderr]).toEqual([1, expect.stringContaining("without a token")]);
  });
});
