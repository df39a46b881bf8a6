// A model in NF4: which layers, and loss and gradients against those of a float32 model with the weights that NF4 stands for.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { planAdapter } from "../../src/adapters/attach.js";
import { defaultLoraConfig } from "../../src/adapters/config.js";
import { initialValues } from "../../src/adapters/initial.js";
import { openSafetensors, writeSafetensors } from "../../src/formats/safetensors.js";
import { f32Tensor, type Tensor, type TensorEntry } from "../../src/formats/tensor.js";
import { DYNAMIC_MAP, NF4_CODE } from "../../src/graph/ops/nf4.js";
import { type BaseModel, openBaseModel } from "../../src/models/base_model.js";
import { nestedNf4Form, plainNf4Form } from "../../src/quantize/nf4_form.js";
import { inStorage } from "../../src/quantize/storage.js";
import { buildTrainingGraph } from "../../src/train/objective.js";
import { compareGradients, drawB, errorOn, finish } from "../fixtures/gradient_error.js";
import { tinyBatch } from "../fixtures/tiny_batch.js";
import { createTinyModel } from "../fixtures/tiny_model.js";

beforeAll(() => {
  process.env.PHINETUNE_CACHE = mkdtempSync(join(tmpdir(), "phinetune-cache-"));
});

const in4Bit = async (base: BaseModel, bnb4bitUseDoubleQuant = true) =>
  (await finish(inStorage(base, { loadIn4bit: true, bnb4bitUseDoubleQuant }))).result;

/** What a weight's NF4 form stands for, by its definition. */
async function meaning(entry: TensorEntry, isNested: boolean): Promise<Float32Array> {
  const nested = isNested ? await nestedNf4Form.make(entry) : undefined;
  const { packed, absmax } = nested ?? (await plainNf4Form.make(entry));
  const [bytes, factors] = [packed as Uint8Array, absmax as Uint8Array | Float32Array];
  const factorOf = (block: number) => {
    if (!nested) return factors[block]!;
    const scale = (nested.nested_absmax as Float32Array)[block >> 8]!;
    const offset = (nested.nested_offset as Float32Array)[0]!;
    return Math.fround(Math.fround(DYNAMIC_MAP[factors[block]!]! * scale) + offset);
  };
  const [out, size] = entry.shape as readonly [number, number];
  return Float32Array.from({ length: out * size }, (_, i) => {
    const byte = bytes[i >> 1]!;
    return Math.fround(NF4_CODE[i % 2 === 0 ? byte >> 4 : byte & 15]!) * factorOf(Math.trunc(i / 64));
  });
}

/** The same model in float32, whose weights are what their NF4 forms stand for. */
async function withMeanings(base: BaseModel, isNested: boolean): Promise<BaseModel> {
  const rounded = new Map<string, Tensor>();
  for (const { kind, path } of base.modules) {
    const name = `${path}.weight`;
    const entry = base.tensors.get(name);
    if (kind !== "linear" || path === "lm_head" || !entry) continue;
    rounded.set(name, f32Tensor(entry.shape, await meaning(entry, isNested)));
  }
  const file = join(mkdtempSync(join(tmpdir(), "phinetune-nf4-")), "model.safetensors");
  await writeSafetensors(file, rounded);
  return { ...base, tensors: new Map([...base.tensors, ...(await openSafetensors(file)).entries]) };
}

describe("loss and gradients", () => {
  it.each([
    ["phi", "F32", true],
    ["phi", "BF16", false],
    ["llama", "F16", true],
    ["qwen2", "F32", true],
  ] as const)(
    "of a %s in %s are those of the weights that NF4 stands for",
    async (family, dtype, isNested) => {
      const base = await openBaseModel(await createTinyModel(family, { dtype }));
      const config = { ...defaultLoraConfig, targetModules: "all-linear", bias: "all" } as const;
      const plan = planAdapter(base, config);
      const values = await initialValues(base, plan, 1);
      drawB({ plan, values }, 0.3);
      const found = await compareGradients(
        await withMeanings(base, isNested),
        await in4Bit(base, isNested),
        { plan, values },
        [tinyBatch([9, 5]), tinyBatch([20, 3])],
      );
      expect(found.loss).toBeLessThan(1e-6);
      expect(found.gradients).toBeLessThan(2e-5);
      // The weights are others than those in the files.
      expect(
        (await compareGradients(base, await in4Bit(base, isNested), { plan, values }, [tinyBatch([9, 5])]))
          .loss,
      ).toBeGreaterThan(1e-5);
    },
  );

  it("are near the exact ones where weights are trained ones", async () => {
    const found = await errorOn("assets/tiny-phi", "assets/instructions/train.jsonl", 2, {
      loadIn4bit: true,
    });
    expect(found.gradients).toBeLessThan(0.5);
    expect(found.loss).toBeLessThan(0.05);
  });
});

describe("what is in 4 bits", () => {
  const layersOf = (graph: ReturnType<typeof buildTrainingGraph>, op: string) =>
    new Set(graph.steps.flatMap(({ node }) => (node.op!.name === op ? [node.label.split("/")[0]!] : [])));

  it("is every frozen linear layer but the head, which transformers leaves as it is too", async () => {
    const base = await in4Bit(await openBaseModel(await createTinyModel("phi")));
    const plan = planAdapter(base, { ...defaultLoraConfig, targetModules: ["q_proj", "fc2"], bias: "all" });
    const graph = buildTrainingGraph(base, plan, { chunks: { count: 1, rows: 256 } });
    const linear = base.modules.flatMap(({ kind, path }) =>
      kind === "linear" && path !== "lm_head" ? [path] : [],
    );
    expect([...layersOf(graph, "nf4Linear")].sort()).toEqual([...linear].sort());
    expect(layersOf(graph, "gemm")).toContain("lm_head");
  });

  it("is no module that is trained whole", async () => {
    const base = await in4Bit(await openBaseModel(await createTinyModel("llama")));
    const plan = planAdapter(base, { ...defaultLoraConfig, modulesToSave: ["down_proj"] });
    const layers = [...layersOf(buildTrainingGraph(base, plan), "nf4Linear")];
    expect(layers.some((path) => path.endsWith("down_proj"))).toBe(false);
    expect(layers.some((path) => path.endsWith("up_proj"))).toBe(true);
  });

  it("is dequantised once for each gradient, and nowhere for a weight below which nothing is trained", async () => {
    const base = await in4Bit(await openBaseModel(await createTinyModel("llama")));
    const plan = planAdapter(base, {
      ...defaultLoraConfig,
      targetModules: ["v_proj"],
      layersToTransform: [1],
    });
    const graph = buildTrainingGraph(base, plan);
    const paths = graph.steps.flatMap(({ node }) => (node.op!.name === "dequantizeNf4" ? [node.label] : []));
    expect(new Set(paths).size).toBe(paths.length);
    expect(paths.length).toBeGreaterThan(0);
    expect(paths.filter((path) => path.includes("layers.0."))).toEqual([]);
  });

  it("needs weights", async () => {
    const base = await openBaseModel(await createTinyModel("phi"), { fromScratch: true });
    await expect(in4Bit(base)).rejects.toThrow("--load-in-4bit");
  });
});
