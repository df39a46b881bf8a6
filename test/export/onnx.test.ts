// Models as ONNX folders -> run by onnxruntime as transformers.js runs them, and held against our own generation.
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import type { LoraConfig } from "../../src/adapters/config.js";
import { baseTensorName } from "../../src/adapters/plan.js";
import { createGenerator } from "../../src/evaluate/generate.js";
import { BLOCK, roundBlocks, roundTable, tableBlock } from "../../src/export/onnx/blocks.js";
import { type OnnxDtypeName, onnxDtypes } from "../../src/export/onnx/forms.js";
import { saveOnnxModel } from "../../src/export/onnx/model.js";
import { loadPeftAdapter } from "../../src/export/peft.js";
import { exportModel } from "../../src/export.js";
import { fromFloat32, toFloat32 } from "../../src/formats/dtype.js";
import { openSafetensors, readTensor, writeSafetensors } from "../../src/formats/safetensors.js";
import { elementCount, type Tensor } from "../../src/formats/tensor.js";
import { type ModelProto, ModelProtoSchema } from "../../src/graph/onnx_pb.js";
import { openBaseModel } from "../../src/models/base_model.js";
import { parametersOf } from "../../src/models/family.js";
import { exportOptions, randomAdapter } from "../fixtures/exports.js";
import { createTinyModel, temporaryFolder } from "../fixtures/tiny_model.js";

async function exported(values: Readonly<Record<string, unknown>>): Promise<string> {
  const output = join(temporaryFolder(), "onnx-model");
  await exportModel(exportOptions({ format: "onnx", dtype: ["fp32"], tokenizer: false, output, ...values }));
  return output;
}

const fileOf = (folder: string, dtype: OnnxDtypeName = "fp32") =>
  join(folder, "onnx", `model${onnxDtypes[dtype].suffix}.onnx`);

/** Room for blocks of 32, and several of them. */
const WIDE = { hidden_size: 64, intermediate_size: 96 };

const PROMPTS = [
  [3, 5, 7, 9, 11],
  [8, 6, 4],
];
const STEPS = 3;

/** Logits of the prompts' last tokens and of the tokens chosen after them. */
async function ourLogits(model: string, adapter?: string): Promise<readonly Float32Array[]> {
  const base = await openBaseModel(model);
  const generator = await createGenerator(base, adapter ? await loadPeftAdapter(adapter, base) : undefined);
  const all: Float32Array[] = [];
  for await (const { logits } of generator.steps(PROMPTS, { maxNewTokens: STEPS, eosTokenIds: [] }))
    all.push(logits);
  await generator.release();
  return all;
}

type Feeds = Record<string, ort.Tensor>;
const whole = (values: readonly number[], dims: readonly number[]) =>
  new ort.Tensor("int64", BigInt64Array.from(values, BigInt), dims);

/** The same by a file, with the inputs that transformers.js gives: shorter prompts are filled up on the left. */
async function theirLogits(path: string, more: Feeds = {}): Promise<readonly Float32Array[]> {
  const session = await ort.InferenceSession.create(path, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  const [B, T] = [PROMPTS.length, Math.max(...PROMPTS.map(({ length }) => length))];
  let cache: Feeds = {};
  for (const meta of session.inputMetadata) {
    if (!meta.isTensor || !meta.name.startsWith("past_key_values.")) continue;
    const dims = meta.shape.map((size) => (typeof size === "number" ? size : size === "batch_size" ? B : 0));
    const data = meta.type === "float16" ? new Uint16Array(0) : new Float32Array(0);
    cache[meta.name] = new ort.Tensor(meta.type as "float32", data as Float32Array, dims);
  }
  let ids = PROMPTS.flatMap((prompt) => [...new Array(T - prompt.length).fill(0), ...prompt]);
  let positions = PROMPTS.flatMap(({ length }) =>
    Array.from({ length: T }, (_, i) => (i < T - length ? 1 : i - T + length)),
  );
  const all: Float32Array[] = [];
  for (let step = 0; step < STEPS; step++) {
    const columns = step === 0 ? T : 1;
    const mask = PROMPTS.flatMap(({ length }) => [
      ...new Array(T - length).fill(0),
      ...new Array(length + step).fill(1),
    ]);
    const feeds: Feeds = {
      input_ids: whole(ids, [B, columns]),
      attention_mask: whole(mask, [B, T + step]),
      position_ids: whole(positions, [B, columns]),
      num_logits_to_keep: whole([1], []),
      ...cache,
      ...more,
    };
    const result = await session.run(
      Object.fromEntries(session.inputNames.map((name) => [name, feeds[name]!])),
    );
    const { type, dims, data } = result.logits!;
    expect(type).toBe("float32");
    const V = dims[2]!;
    expect(dims).toEqual([B, session.inputNames.includes("num_logits_to_keep") ? 1 : columns, V]);
    const last = Float32Array.from({ length: B * V }, (_, i) => {
      const row = Math.trunc(i / V);
      return (data as Float32Array)[((row + 1) * dims[1]! - 1) * V + (i % V)]!;
    });
    all.push(last);
    ids = PROMPTS.map((_, row) => argMax(last.subarray(row * V, (row + 1) * V)));
    positions = PROMPTS.map(({ length }) => length + step);
    cache = Object.fromEntries(
      Object.entries(result).flatMap(([name, value]) =>
        name.startsWith("present.") ? [[name.replace("present", "past_key_values"), given16(value)]] : [],
      ),
    );
  }
  await session.release();
  return all;
}

/**
 * A float16 result as an input. From Node 24 on its data is a Float16Array, which onnxruntime-node 1.30 cannot read;
 * it takes any object with these fields.
 */
function given16(tensor: ort.Tensor): ort.Tensor {
  if (tensor.type !== "float16") return tensor;
  const { buffer, byteOffset, byteLength } = tensor.data as Uint16Array;
  const data = new Uint16Array(buffer, byteOffset, byteLength / 2);
  return { type: "float16", dims: tensor.dims, location: "cpu", data } as unknown as ort.Tensor;
}

const argMax = (values: Float32Array) => values.reduce((best, x, i) => (x > values[best]! ? i : best), 0);

/** Largest difference of the first logits, relative to the largest logit. */
function distance(a: readonly Float32Array[], b: readonly Float32Array[], steps = 1): number {
  let [most, largest] = [0, 0];
  for (let step = 0; step < steps; step++) {
    for (const [i, value] of a[step]!.entries()) {
      most = Math.max(most, Math.abs(value - b[step]![i]!));
      largest = Math.max(largest, Math.abs(value));
    }
  }
  return most / largest;
}

const parse = (path: string): ModelProto => fromBinary(ModelProtoSchema, readFileSync(path));

describe("a model in float32 gives the logits of generation, step by step", () => {
  const cases: readonly (readonly [string, string, Partial<LoraConfig> | undefined, object])[] = [
    ["phi", "phi", undefined, {}],
    ["phi with norms of heads", "phi", undefined, { qk_layernorm: true, hidden_act: "relu" }],
    ["llama with a tied head", "llama", undefined, { tie_word_embeddings: true }],
    [
      "qwen2 with windows",
      "qwen2",
      undefined,
      { use_sliding_window: true, sliding_window: 3, max_window_layers: 1 },
    ],
    [
      "phi with all biases, rsLoRA",
      "phi",
      { r: 4, useRslora: true, bias: "all", targetModules: "all-linear" },
      {},
    ],
    [
      "llama with a tied embedding adapted",
      "llama",
      { targetModules: ["embed_tokens"] },
      { tie_word_embeddings: true },
    ],
    ["qwen2 with a head trained whole", "qwen2", { modulesToSave: ["lm_head"] }, {}],
  ];
  it.each(cases)("%s", async (_, family, config, overrides) => {
    const model = await createTinyModel(family, { overrides: overrides as Record<string, unknown> });
    const adapter = config && (await randomAdapter(model, config)).folder;
    const folder = await exported({ model, adapter });
    const [ours, theirs] = [await ourLogits(model, adapter), await theirLogits(fileOf(folder))];
    expect(distance(ours, theirs, STEPS)).toBeLessThan(1e-5);
    if (adapter) expect(distance(await ourLogits(model), theirs)).toBeGreaterThan(1e-2);
  });

  it("from a base in bfloat16, and without num_logits_to_keep", async () => {
    const model = await createTinyModel("phi", { dtype: "BF16" });
    const folder = await exported({ model, numLogitsToKeep: false });
    expect(distance(await ourLogits(model), await theirLogits(fileOf(folder)), STEPS)).toBeLessThan(1e-5);
  });
});

/** A model whose weights are what the rounded ones stand for. */
async function roundedModel(model: string, bitsAt: (path: string) => 4 | 8): Promise<string> {
  const base = await openBaseModel(model);
  const folder = join(temporaryFolder(), "rounded");
  mkdirSync(folder);
  const tensors = new Map<string, Tensor>();
  for (const module of base.modules) {
    for (const [name, shape] of parametersOf(module)) {
      // Embedding and tied head are rounded each in its own way.
      const values = toFloat32(await readTensor(base.tensors.get(baseTensorName(base, name))!));
      if (shape.length === 2 && module.kind === "linear")
        unpackBlocks(values, shape[1]!, bitsAt(module.path));
      else if (shape.length === 2) unpackTable(values, shape[1]!);
      tensors.set(name, fromFloat32(values, "F32", shape));
    }
  }
  const json = JSON.parse(readFileSync(join(model, "config.json"), "utf8"));
  writeFileSync(join(folder, "config.json"), JSON.stringify({ ...json, tie_word_embeddings: false }));
  await writeSafetensors(join(folder, "model.safetensors"), tensors);
  return folder;
}

function unpackBlocks(values: Float32Array, columns: number, bits: 4 | 8): void {
  const { numbers, zeros, scales } = roundBlocks(values, columns, bits, "float32");
  const blocks = Math.ceil(columns / BLOCK);
  const zeroBytes = Math.ceil((blocks * bits) / 8);
  const number = (bytes: Uint8Array, from: number, at: number) =>
    bits === 8 ? bytes[from + at]! : (bytes[from + (at >> 1)]! >> (4 * (at % 2))) & 15;
  for (const i of values.keys()) {
    const [row, column] = [Math.trunc(i / columns), i % columns];
    const block = Math.trunc(column / BLOCK);
    const q = number(numbers, 0, (row * blocks + block) * BLOCK + (column % BLOCK));
    values[i] = scales[row * blocks + block]! * (q - number(zeros, row * zeroBytes, block));
  }
}

function unpackTable(values: Float32Array, columns: number): void {
  const { numbers, scales } = roundTable(values, columns, "float32");
  for (const i of values.keys()) values[i] = scales[Math.trunc(i / tableBlock(columns))]! * numbers[i]!;
}

describe("a model in fewer bits", () => {
  it.each(["phi", "llama", "qwen2"])("of %s computes what its weights stand for", async (family) => {
    const tied = family === "llama";
    const model = await createTinyModel(family, { overrides: { ...WIDE, tie_word_embeddings: tied } });
    const folder = await exported({ model, dtype: ["fp16", "q8", "q4", "q4f16"] });
    const theirs = (dtype: OnnxDtypeName) => theirLogits(fileOf(folder, dtype));
    const half = distance(await ourLogits(model), await theirs("fp16"));
    expect(half).toBeLessThan(3e-3);
    expect(half).toBeGreaterThan(1e-5);
    // onnxruntime rounds the inputs of these layers to 8 bits as well.
    const [q8, mixed, q4] = [
      await ourLogits(await roundedModel(model, () => 8)),
      await ourLogits(await roundedModel(model, (path) => (path.includes(".mlp.") ? 4 : 8))),
      await ourLogits(await roundedModel(model, () => 4)),
    ];
    expect(distance(q8, await theirs("q8"))).toBeLessThan(0.1);
    expect(distance(mixed, await theirs("q4"))).toBeLessThan(0.1);
    expect(distance(mixed, await theirs("q4f16"))).toBeLessThan(0.1);
    expect(distance(mixed, q8)).toBeGreaterThan(0.1);
    const smallest = fileOf(await exported({ model, dtype: ["q4"], fourBitLayers: "all" }), "q4");
    expect(distance(q4, await theirLogits(smallest))).toBeLessThan(0.1);
    expect(distance(q4, mixed)).toBeGreaterThan(0.2);
  });

  it("keeps scores, sums and norms in float32 where the rest is float16, and makes no detour", async () => {
    const folder = await exported({ model: await createTinyModel("llama"), dtype: ["fp16"] });
    const { graph } = parse(fileOf(folder, "fp16"));
    const stored = new Map(graph!.initializer.map(({ name, dataType }) => [name, dataType]));
    expect(stored.get("model.layers.0.self_attn.q_proj.weight")).toBe(10);
    expect(stored.get("model.norm.weight")).toBe(1);
    const made = new Map(graph!.node.flatMap((node) => node.output.map((name) => [name, node] as const)));
    const isCast = (name: string, to: number) => {
      const node = made.get(name);
      return node?.opType === "Cast" && Number(node.attribute[0]!.i) === to;
    };
    for (const { opType, input } of graph!.node) {
      if (opType === "SimplifiedLayerNormalization")
        expect(made.has(input[0]!) && !isCast(input[0]!, 10), input[0]!).toBe(true);
      if (opType === "Gemm") expect(isCast(input[0]!, 1), input[0]!).toBe(false);
      // Nothing is cast there and back.
      if (opType === "Cast") expect(made.get(input[0]!)?.opType, input[0]!).not.toBe("Cast");
    }
    const kinds = (list: readonly { name: string; type?: unknown }[]) =>
      Object.fromEntries(list.map((value) => [value.name, elementType(value)]));
    expect(kinds(graph!.input)).toMatchObject({ input_ids: 7, "past_key_values.1.value": 10 });
    expect(kinds(graph!.output)).toMatchObject({ logits: 1, "present.0.key": 10 });
  });

  it("that float16 cannot hold is refused with the tensor's name, and leaves no file", async () => {
    const model = await createTinyModel("llama");
    const path = join(model, "model.safetensors");
    const { entries } = await openSafetensors(path);
    const bytes = readFileSync(path);
    bytes.writeFloatLE(1e6, entries.get("model.layers.1.mlp.up_proj.weight")!.offset);
    writeFileSync(path, bytes);
    const output = join(temporaryFolder(), "half");
    const options = exportOptions({ format: "onnx", model, dtype: "fp16", tokenizer: false, output });
    await expect(exportModel(options)).rejects.toThrow(/layers.1.mlp.up_proj.weight holds 1000000.*--dtype/);
    expect(readdirSync(join(output, "onnx"))).toEqual([]);
  });
});

function elementType({ type }: { type?: unknown }): number | undefined {
  const { value } = type as { value: { case: string; value: { elemType: number } } };
  return value.case === "tensorType" ? value.value.elemType : undefined;
}

describe("the folder", () => {
  it("has inputs, outputs and sizes as transformers.js and optimum call them", async () => {
    const session = await ort.InferenceSession.create(
      fileOf(await exported({ model: await createTinyModel("llama") })),
    );
    const shapes = Object.fromEntries(
      [...session.inputMetadata, ...session.outputMetadata].map((meta) => [
        meta.name,
        meta.isTensor ? [...meta.shape] : [],
      ]),
    );
    expect(shapes).toEqual({
      input_ids: ["batch_size", "sequence_length"],
      attention_mask: ["batch_size", "total_sequence_length"],
      position_ids: ["batch_size", "sequence_length"],
      num_logits_to_keep: [],
      logits: ["batch_size", "num_logits", 32],
      ...Object.fromEntries(
        [0, 1].flatMap((layer) =>
          ["key", "value"].flatMap((kind) => [
            [`past_key_values.${layer}.${kind}`, ["batch_size", 2, "past_sequence_length", 4]],
            [`present.${layer}.${kind}`, ["batch_size", 2, "total_sequence_length", 4]],
          ]),
        ),
      ),
    });
    await session.release();
  });

  it("has configurations, the tokenizer, and a file for each type", async () => {
    const model = await createTinyModel("llama");
    for (const name of ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"])
      writeFileSync(join(model, name), `{"of": "${name}", "eos_token": {"content": "</s>"}}`);
    const folder = await exported({ model, dtype: "q4f16,fp32,q4f16", tokenizer: true });
    expect(readdirSync(join(folder, "onnx")).sort()).toEqual(["model.onnx", "model_q4f16.onnx"]);
    expect(readdirSync(folder).sort()).toEqual([
      "chat_template.jinja",
      "config.json",
      "generation_config.json",
      "onnx",
      "tokenizer.json",
      "tokenizer_config.json",
    ]);
    const read = (name: string) => JSON.parse(readFileSync(join(folder, name), "utf8"));
    // transformers.js does not take every object as a token.
    expect(read("tokenizer_config.json")).toEqual({ of: "tokenizer_config.json", eos_token: "</s>" });
    expect(read("tokenizer.json").eos_token).toEqual({ content: "</s>" });
    const config = read("config.json");
    expect(config).toMatchObject({
      model_type: "llama",
      num_key_value_heads: 2,
      "transformers.js_config": { dtype: "q4f16", kv_cache_dtype: { q4f16: "float16" } },
    });
    expect(config["transformers.js_config"]).not.toHaveProperty("use_external_data_format");
    expect(read("generation_config.json")).toMatchObject({ eos_token_id: 2 });
  });

  it("holds the weights in files beside the model where they are too many for one", async () => {
    const model = await createTinyModel("llama");
    const base = await openBaseModel(model);
    const folder = join(temporaryFolder(), "divided");
    const limit = 6000;
    const told: number[] = [];
    await saveOnnxModel(
      folder,
      base,
      [],
      undefined,
      { dtypes: ["fp32", "q4"], fourBitLayers: "mlp", lastLogits: true, tokenizer: false, limit },
      (done, all) => told.push(done / all),
    );
    expect(told.at(-1)).toBe(1);
    const names = readdirSync(join(folder, "onnx"));
    const parts = names.filter((name) => /^model\.onnx_data/.test(name));
    expect(parts.length).toBeGreaterThan(2);
    expect(parts).toEqual(expect.arrayContaining(["model.onnx_data", "model.onnx_data_1"]));
    for (const name of parts) expect(statSync(join(folder, "onnx", name)).size).toBeLessThanOrEqual(limit);
    const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
    expect(config["transformers.js_config"].use_external_data_format).toEqual({
      "model.onnx": parts.length,
      "model_q4.onnx": names.filter((name) => /^model_q4\.onnx_data/.test(name)).length,
    });
    expect(distance(await ourLogits(model), await theirLogits(fileOf(folder)), STEPS)).toBeLessThan(1e-5);
    const whole = fileOf(await exported({ model, dtype: ["q4"] }), "q4");
    expect(await theirLogits(fileOf(folder, "q4"))).toEqual(await theirLogits(whole));
    for (const { externalData, dims } of parse(fileOf(folder)).graph!.initializer) {
      const reference = Object.fromEntries(externalData.map(({ key, value }) => [key, value]));
      if (dims.length > 0 && reference.offset) expect(Number(reference.offset) % 4096).toBe(0);
    }
  });

  it("is a new one, and has a tokenizer unless told otherwise", async () => {
    const model = await createTinyModel("phi");
    await expect(exported({ model, tokenizer: true })).rejects.toThrow(/no tokenizer.json.*--no-tokenizer/);
    await expect(exported({ model, output: model })).rejects.toThrow(/holds 2 files or folders/);
  });
});

describe("an adapter outside of the model", () => {
  const config = { r: 4, alpha: 12, targetModules: ["embed_tokens", "q_proj", "down_proj", "lm_head"] };

  it("is the base without it, and base and adapter with it, whatever the rank", async () => {
    const model = await createTinyModel("llama", { overrides: WIDE });
    const {
      folder: adapter,
      adapter: { plan },
    } = await randomAdapter(model, config);
    const folder = await exported({ model, adapter, loraInputs: "required", dtype: ["fp32", "q8"] });
    const { entries } = await openSafetensors(join(folder, "onnx", "adapter.safetensors"));
    const feeds = async (make: (name: string, shape: readonly number[]) => Promise<Float32Array>) => {
      const all: Feeds = {};
      for (const { name, shape } of plan.parameters)
        all[name] = new ort.Tensor("float32", await make(name, shape), shape);
      return all;
    };
    const real = await feeds(async (name) => {
      const { bytes } = await readTensor(entries.get(name)!);
      return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    });
    const zero = await feeds(async (_, shape) => new Float32Array(elementCount(shape)));
    const none: Feeds = Object.fromEntries(
      plan.parameters.map(({ name, shape }) => [
        name,
        new ort.Tensor(
          "float32",
          new Float32Array(0),
          shape.map((size) => (size === 4 ? 0 : size)),
        ),
      ]),
    );
    const [base, adapted] = [await ourLogits(model), await ourLogits(model, adapter)];
    const path = fileOf(folder);
    expect(distance(base, await theirLogits(path, zero), STEPS)).toBeLessThan(1e-5);
    expect(distance(base, await theirLogits(path, none), STEPS)).toBeLessThan(1e-5);
    expect(distance(adapted, await theirLogits(path, real), STEPS)).toBeLessThan(1e-5);
    expect(distance(adapted, base)).toBeGreaterThan(0.05);
    const rounded = distance(adapted, await theirLogits(fileOf(folder, "q8"), real));
    expect(rounded).toBeLessThan(distance(adapted, base) / 3);
  });

  it("may be left out where that is asked for, and its file is a FlatBuffer of the same values", async () => {
    const model = await createTinyModel("phi");
    const {
      folder: adapter,
      adapter: { plan, values },
    } = await randomAdapter(model, { r: 4, alpha: 12 });
    const folder = await exported({ model, adapter, loraInputs: "optional" });
    // onnxruntime warns of each input that has a value.
    const session = await ort.InferenceSession.create(fileOf(folder), { logSeverityLevel: 3 });
    expect(session.inputNames.filter((name) => name.includes("lora"))).toEqual([]);
    await session.release();
    expect(distance(await ourLogits(model), await theirLogits(fileOf(folder)), STEPS)).toBeLessThan(1e-5);
    const { graph } = parse(fileOf(folder));
    const inputs = new Set(graph!.input.map(({ name }) => name));
    expect(plan.parameters.every(({ name }) => inputs.has(name))).toBe(true);
    const read = readOnnxAdapter(readFileSync(join(folder, "onnx", "adapter.onnx_adapter")));
    expect(read.size).toBe(plan.parameters.length);
    for (const { name, shape } of plan.parameters) {
      const scale = name.includes("lora_B") ? 3 : 1;
      expect(read.get(name)).toEqual({ shape, values: values.get(name)!.map((x) => scale * x) });
    }
  });

  it("with trained biases is refused", async () => {
    const model = await createTinyModel("phi");
    const { folder: adapter } = await randomAdapter(model, { bias: "lora_only" });
    await expect(exported({ model, adapter, loraInputs: "required" })).rejects.toThrow(
      /8 tensors.*bias.*--lora-inputs/,
    );
  });
});

/** Reads a FlatBuffer of adapter_schema.fbs by the rules of the format. */
function readOnnxAdapter(bytes: Buffer) {
  expect(bytes.toString("latin1", 4, 8)).toBe("TORT");
  const follow = (at: number) => at + bytes.readUInt32LE(at);
  const fieldOf = (table: number, index: number) => {
    const vtable = table - bytes.readInt32LE(table);
    expect(bytes.readUInt16LE(vtable)).toBeGreaterThan(4 + 2 * index);
    return table + bytes.readUInt16LE(vtable + 4 + 2 * index);
  };
  const root = follow(0);
  expect(bytes.readInt32LE(fieldOf(root, 0))).toBe(1);
  const parameters = follow(fieldOf(root, 3));
  const all = new Map<string, { shape: readonly number[]; values: Float32Array }>();
  for (let i = 0; i < bytes.readUInt32LE(parameters); i++) {
    const table = follow(parameters + 4 + 4 * i);
    const name = follow(fieldOf(table, 0));
    const end = name + 4 + bytes.readUInt32LE(name);
    expect(bytes[end]).toBe(0);
    const dims = follow(fieldOf(table, 1));
    expect((dims + 4) % 8).toBe(0);
    const shape = Array.from({ length: bytes.readUInt32LE(dims) }, (_, k) =>
      Number(bytes.readBigInt64LE(dims + 4 + 8 * k)),
    );
    expect(bytes.readInt32LE(fieldOf(table, 2))).toBe(1);
    const data = follow(fieldOf(table, 3));
    expect((data + 4) % 8).toBe(0);
    const values = Float32Array.from({ length: bytes.readUInt32LE(data) / 4 }, (_, k) =>
      bytes.readFloatLE(data + 4 + 4 * k),
    );
    all.set(bytes.toString("utf8", name + 4, end), { shape, values });
  }
  return all;
}

it.each([
  [{ format: "onnx", outtype: "f16" }, /--outtype means nothing for --format onnx/],
  [{ format: "onnx", dtype: "q5" }, /--dtype q5 is not known.*fp32, fp16/],
  [{ format: "onnx", loraInputs: "required" }, /--lora-inputs was given without --adapter/],
  [{ format: "mlx" }, /--format mlx was given without --adapter/],
  [{ format: "gguf", output: "a.gguf", dtype: "q8" }, /--dtype means nothing for --format gguf/],
])("options %j are refused", (values, message) => {
  expect(() => exportOptions({ model: "m", output: "folder", ...values })).toThrow(message);
});
