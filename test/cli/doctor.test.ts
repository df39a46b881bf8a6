// `phinetune doctor` -> what it finds here, and what it says of worse machines.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { examineMachine, memoryCheck, nodeCheck } from "../../src/doctor.js";
import { runBinary } from "../fixtures/binary.js";
import { temporaryFolder } from "../fixtures/tiny_model.js";

describe("doctor", () => {
  it("finds this machine well enough to run the tests", async () => {
    const { code, stdout } = await runBinary(["doctor"]);
    expect(code).toBe(0);
    for (const name of [
      "phinetune",
      "node",
      "onnxruntime",
      "arithmetic",
      "processor",
      "memory",
      "disk",
      "cache",
    ])
      expect(stdout).toMatch(new RegExp(`^(?:ok|!) +${name} `, "m"));
    const { checks } = JSON.parse((await runBinary(["doctor", "--json"])).stdout);
    expect(checks.find(({ name }: { name: string }) => name === "arithmetic")).toMatchObject({
      verdict: "fine",
      value: expect.stringMatching(/^[1-9]\d* GFLOP\/s/),
    });
  });

  it("lists what the cache holds", async () => {
    const cache = temporaryFolder();
    mkdirSync(join(cache, "models--org--a-model", "snapshots"), { recursive: true });
    mkdirSync(join(cache, "models--org--broken"));
    mkdirSync(join(cache, "datasets--org--rows", "snapshots"), { recursive: true });
    const checks = await examineMachine({ HF_HUB_CACHE: cache });
    expect(checks.at(-1)!.value).toBe("1 model (org/a-model), 1 data set (org/rows)");
    const missing = await examineMachine({ HF_HUB_CACHE: join(cache, "not", "there") });
    expect(missing.at(-1)!.value).toBe("no models, no data sets");
  });

  it("says what to do where Node is too old or memory is short", () => {
    expect(nodeCheck("18.19.1")).toMatchObject({ verdict: "fault", fix: expect.stringContaining("Node 20") });
    expect(memoryCheck({ total: 8e9, available: 1e9 })).toMatchObject({
      verdict: "warning",
      value: "8.0 GB, 1.0 GB free",
    });
  });
});
