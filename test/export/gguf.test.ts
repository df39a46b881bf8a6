// Models and adapters as GGUF files -> head, tensors and refusals, read back by a small reader.
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { LoraConfig } from "../../src/adapters/config.js";
import { encodeTensor, storedType } from "../../src/export/gguf/encode.js";
import { interleaveHalves } from "../../src/export/gguf/families.js";
import { scoresOf } from "../../src/export/gguf/scores.js";
import { text, writeGguf } from "../../src/export/gguf/writer.js";
import { exportModel } from "../../src/export.js";
import { toFloat32 } from "../../src/formats/dtype.js";
import { openSafetensors, readTensor } from "../../src/formats/safetensors.js";
import { elementCount } from "../../src/formats/tensor.js";
import { createRandom } from "../../src/random.js";
import { exportOptions, randomAdapter } from "../fixtures/exports.js";
import { createTinyModel, temporaryFolder } from "../fixtures/tiny_model.js";

interface Read {
  readonly keys: Readonly<Record<string, unknown>>;
  /** Sizes as in safetensors, and where the bytes begin. */
  readonly tensors: ReadonlyMap<
    string,
    { readonly shape: readonly number[]; readonly type: number; readonly at: number }
  >;
  readonly bytes: Buffer;
}

/** Reads what our writer writes. */
function readGguf(path: string): Read {
  const bytes = readFileSync(path);
  let at = 0;
  /** Goes on by some bytes. @returns where they begin */
  const take = (length: number) => {
    at += length;
    return at - length;
  };
  const u32 = () => bytes.readUInt32LE(take(4));
  const u64 = () => Number(bytes.readBigUInt64LE(take(8)));
  const string = () => {
    const length = u64();
    at += length;
    return bytes.toString("utf8", at - length, at);
  };
  const value = (type: number): unknown => {
    if (type === 4) return u32();
    if (type === 5) return bytes.readInt32LE(take(4));
    if (type === 6) return bytes.readFloatLE(take(4));
    if (type === 7) return bytes[take(1)] === 1;
    if (type === 8) return string();
    const [kind, length] = [u32(), u64()];
    return Array.from({ length }, () => value(kind));
  };
  expect(bytes.toString("latin1", 0, 4)).toBe("GGUF");
  at = 4;
  expect(u32()).toBe(3);
  const [count, keyCount] = [u64(), u64()];
  const keys: Record<string, unknown> = {};
  for (let i = 0; i < keyCount; i++) {
    const key = string();
    keys[key] = value(u32());
  }
  const heads = Array.from({ length: count }, () => {
    const name = string();
    const shape = Array.from({ length: u32() }, u64).reverse();
    return { name, shape, type: u32(), offset: u64() };
  });
  const start = Math.ceil(at / 32) * 32;
  for (const { offset } of heads) expect(offset % 32).toBe(0);
  expect(bytes.length % 32).toBe(0);
  const tensors = new Map(
    heads.map(({ name, shape, type, offset }) => [name, { shape, type, at: start + offset }]),
  );
  return { keys, tensors, bytes };
}

function floats({ tensors, bytes }: Read, name: string): Float32Array {
  const { shape, at, type } = tensors.get(name)!;
  expect(type, name).toBe(0);
  return Float32Array.from({ length: elementCount(shape) }, (_, i) => bytes.readFloatLE(at + 4 * i));
}

async function exported(values: Readonly<Record<string, unknown>>): Promise<Read> {
  const output = join(temporaryFolder(), "out.gguf");
  await exportModel(exportOptions({ output, outtype: "f32", tokenizer: false, ...values }));
  return readGguf(output);
}

const stored = async (model: string, name: string) => {
  const { entries } = await openSafetensors(join(model, "model.safetensors"));
  return toFloat32(await readTensor(entries.get(name)!));
};

describe("a model", () => {
  it("of phi has its settings and every tensor, bit by bit", async () => {
    const model = await createTinyModel("phi");
    const read = await exported({ model });
    expect(read.keys).toMatchObject({
      "general.architecture": "phi2",
      "general.file_type": 0,
      "phi2.block_count": 2,
      "phi2.rope.dimension_count": 2,
      "phi2.feed_forward_length": 24,
      "tokenizer.ggml.model": "none",
    });
    const { entries } = await openSafetensors(join(model, "model.safetensors"));
    expect(read.tensors.size).toBe(entries.size);
    for (const [ours, theirs] of [
      ["blk.1.attn_k.weight", "model.layers.1.self_attn.k_proj.weight"],
      ["blk.0.ffn_up.bias", "model.layers.0.mlp.fc1.bias"],
      ["token_embd.weight", "model.embed_tokens.weight"],
      ["output.bias", "lm_head.bias"],
    ] as const) {
      expect(read.tensors.get(ours)!.shape).toEqual(entries.get(theirs)!.shape);
      expect(floats(read, ours), ours).toEqual(await stored(model, theirs));
    }
  });

  it("of llama has the rows of q and k in pairs, no tied head, and llama3's frequencies", async () => {
    const rope_scaling = {
      rope_type: "llama3",
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 16,
    };
    const model = await createTinyModel("llama", { overrides: { tie_word_embeddings: true, rope_scaling } });
    const read = await exported({ model });
    expect(read.tensors.has("output.weight")).toBe(false);
    const q = await stored(model, "model.layers.0.self_attn.q_proj.weight");
    // Head 1 of 4 rows: 4, 6, 5, 7.
    const rows = [4, 6, 5, 7].flatMap((row) => [...q.subarray(row * 16, (row + 1) * 16)]);
    expect([...floats(read, "blk.0.attn_q.weight").subarray(64, 128)]).toEqual(rows);
    expect(floats(read, "blk.0.attn_v.weight")).toEqual(
      await stored(model, "model.layers.0.self_attn.v_proj.weight"),
    );
    expect([...floats(read, "rope_freqs.weight")].at(-1)).toBe(8);
  });

  it("has a merged adapter in it", async () => {
    const model = await createTinyModel("qwen2");
    const { folder } = await randomAdapter(model, { targetModules: ["v_proj"] });
    const [plain, merged] = [await exported({ model }), await exported({ model, adapter: folder })];
    expect(floats(merged, "blk.0.attn_q.weight")).toEqual(floats(plain, "blk.0.attn_q.weight"));
    expect(floats(merged, "blk.0.attn_v.weight")).not.toEqual(floats(plain, "blk.0.attn_v.weight"));
  });

  it("has 16-bit matrices beside 32-bit vectors", async () => {
    const read = await exported({ model: await createTinyModel("phi"), outtype: "q8_0" });
    // Rows of 16 fill no block of 32.
    expect(read.tensors.get("blk.0.attn_q.weight")!.type).toBe(1);
    expect(read.tensors.get("blk.0.attn_q.bias")!.type).toBe(0);
  });

  it("that llama.cpp computes otherwise is refused, and nothing is written", async () => {
    const model = await createTinyModel("qwen2", {
      overrides: { use_sliding_window: true, sliding_window: 8, max_window_layers: 0 },
    });
    await expect(exported({ model })).rejects.toThrow(/does not compute sliding windows/);
    const phi = await createTinyModel("phi", { overrides: { qk_layernorm: true, hidden_act: "relu" } });
    await expect(exported({ model: phi })).rejects.toThrow(/qk_layernorm[\s\S]*activation relu/);
  });
});

describe("an adapter", () => {
  it("has llama.cpp's scale for every module folded in, and q's rows in pairs", async () => {
    const model = await createTinyModel("llama");
    const { folder, adapter } = await randomAdapter(model, {
      r: 4,
      alpha: 8,
      targetModules: ["q_proj", "v_proj", "embed_tokens"],
      useRslora: true,
      rankPattern: { v_proj: 2 },
      alphaPattern: { q_proj: 12 },
    });
    const { plan, values } = adapter;
    const read = await exported({ model, adapter: folder, what: "adapter" });
    expect(read.keys).toMatchObject({
      "general.architecture": "llama",
      "general.type": "adapter",
      "adapter.type": "lora",
      "adapter.lora.alpha": 8,
    });
    expect(read.tensors.get("blk.0.attn_v.weight.lora_a")!.shape).toEqual([2, 16]);
    for (const [name, path, heads] of [
      ["blk.1.attn_q", "model.layers.1.self_attn.q_proj", 4],
      ["blk.0.attn_v", "model.layers.0.self_attn.v_proj", undefined],
    ] as const) {
      const { scale, r } = plan.targets.get(path)!;
      const b = values.get(`${path}.lora_B.weight`)!;
      const turned = heads ? interleaveHalves(b, heads, r) : b;
      const found = floats(read, `${name}.weight.lora_b`);
      for (const [i, value] of turned.entries()) expect(found[i]! * (8 / r)).toBeCloseTo(scale * value, 5);
      expect(floats(read, `${name}.weight.lora_a`)).toEqual(values.get(`${path}.lora_A.weight`));
    }
    const a = values.get("model.embed_tokens.lora_embedding_A")!;
    expect(read.tensors.get("token_embd.weight.lora_a")!.shape).toEqual([32, 4]);
    expect(floats(read, "token_embd.weight.lora_a")[1]).toBe(a[32]);
  });

  it.each([
    ["trained biases", { bias: "all" }, false, /trained biases/],
    ["modules trained whole", { modulesToSave: ["lm_head"] }, false, /trained whole \(lm_head/],
    ["a tied embedding", { targetModules: ["embed_tokens"] }, true, /embedding and output head at once/],
  ] as const)("with %s is refused with advice", async (_, config, tied, message) => {
    const model = await createTinyModel(tied ? "llama" : "phi", { overrides: { tie_word_embeddings: tied } });
    const { folder } = await randomAdapter(model, config as Partial<LoraConfig>);
    const output = join(temporaryFolder(), "out.gguf");
    const exporting = exportModel(exportOptions({ model, adapter: folder, what: "adapter", output }));
    await expect(exporting).rejects.toThrow(message);
    await expect(exporting).rejects.toThrow(/merge it first/);
    expect(readdirSync(dirname(output))).toEqual([]);
  });
});

describe("a tokenizer", () => {
  const withTokenizer = async (family: string, name: string) => {
    const model = await createTinyModel(family, { overrides: { vocab_size: 600 } });
    for (const file of ["tokenizer.json", "tokenizer_config.json"])
      copyFileSync(
        fileURLToPath(new URL(`../fixtures/tokenizers/${name}/${file}`, import.meta.url)),
        join(model, file),
      );
    return model;
  };
  it.each([
    ["phi", "codegen", "gpt2", "phi-2"],
    ["llama", "codegen", "gpt2", "gpt-2"],
    ["qwen2", "qwen2", "gpt2", "qwen2"],
    ["llama", "llama3", "gpt2", "llama-bpe"],
  ])("of %s with %s", async (family, name, kind, pre) => {
    const { keys } = await exported({ model: await withTokenizer(family, name), tokenizer: true });
    expect(keys).toMatchObject({ "tokenizer.ggml.model": kind, "tokenizer.ggml.pre": pre });
    const tokens = keys["tokenizer.ggml.tokens"] as string[];
    const types = keys["tokenizer.ggml.token_type"] as number[];
    expect([tokens.length, types.length, tokens[599], types[599]]).toEqual([600, 600, "[PAD599]", 5]);
    expect(types[keys["tokenizer.ggml.eos_token_id"] as number]).toBe(3);
  });

  it("of SentencePiece's kind has scores in the order of the merges, and bytes", async () => {
    const model = await withTokenizer("llama", "llama");
    // Not every pair that makes a token of this one is a merge of it.
    await expect(exported({ model, tokenizer: true })).rejects.toThrow(/llama.cpp would merge/);
    const path = join(model, "tokenizer.json");
    const json = JSON.parse(readFileSync(path, "utf8"));
    json.model.merges = json.model.merges.slice(0, 2);
    for (const token of Object.keys(json.model.vocab))
      if (Array.from(token).length > 1 && !/^<.+>$|^▁th?$/.test(token)) delete json.model.vocab[token];
    writeFileSync(path, JSON.stringify(json));
    const { keys } = await exported({ model, tokenizer: true });
    expect(keys).toMatchObject({
      "tokenizer.ggml.model": "llama",
      "tokenizer.ggml.add_space_prefix": true,
      "tokenizer.ggml.add_bos_token": true,
      "tokenizer.ggml.bos_token_id": 1,
    });
    const tokens = keys["tokenizer.ggml.tokens"] as string[];
    const scores = keys["tokenizer.ggml.scores"] as number[];
    expect(["▁t", "▁th"].map((token) => scores[tokens.indexOf(token)])).toEqual([-0, -1]);
    const types = keys["tokenizer.ggml.token_type"] as number[];
    expect(types.filter((type) => type === 6)).toHaveLength(256);
  });

  it("that llama.cpp does not have is refused", async () => {
    const model = await withTokenizer("phi", "codegen");
    const path = join(model, "tokenizer.json");
    const json = JSON.parse(readFileSync(path, "utf8"));
    json.pre_tokenizer.add_prefix_space = true;
    json.added_tokens[0].lstrip = true;
    writeFileSync(path, JSON.stringify(json));
    await expect(exported({ model, tokenizer: true })).rejects.toThrow(
      /the pre-tokenizer[\s\S]*lstrip[\s\S]*--no-tokenizer/,
    );
  });

  it("has no scores where llama.cpp would merge otherwise", () => {
    const tokens = ["a", "b", "c", "ab", "bc", "abc"];
    const vocabulary = new Map(tokens.map((token, id) => [token, id]));
    const of = (merges: string[]) => scoresOf(vocabulary, merges, tokens, (id) => id >= 0);
    expect(of(["a b", "b c", "ab c", "a bc"])).toEqual([-4, -4, -4, 0, -1, -2].map((score) => score || -0));
    expect(() => of(["a b", "b c", "ab c"])).toThrow(/would merge "a" and "bc"/);
    expect(() => of(["a b", "ab c", "b c", "a bc"])).toThrow(/do not stand together/);
  });
});

it("q8_0 is at most half a step of 1/127 of its block's largest value away", () => {
  const random = createRandom(3, "q8");
  const values = Float32Array.from({ length: 256 }, (_, i) => (i < 32 ? 0 : 2 ** (i / 32) * random.normal()));
  expect(storedType("q8_0", [8, 32])).toBe("q8_0");
  const bytes = encodeTensor("w", values, "q8_0", [8, 32]);
  expect(bytes.length).toBe(8 * 34);
  for (let block = 0; block < 8; block++) {
    const scale = toFloat32({ dtype: "F16", shape: [1], bytes: bytes.slice(block * 34, block * 34 + 2) })[0]!;
    const largest = Math.max(...values.subarray(block * 32, block * 32 + 32).map(Math.abs));
    for (let i = 0; i < 32; i++) {
      const found = scale * new Int8Array(bytes.buffer)[block * 34 + 2 + i]!;
      expect(Math.abs(found - values[block * 32 + i]!)).toBeLessThanOrEqual((largest / 127) * 0.57);
    }
  }
});

it("float16 refuses what it cannot hold", () => {
  expect(() => encodeTensor("w", Float32Array.of(1, 70_000), "f16", [1, 2])).toThrow(/w holds 70000/);
});

it("a file appears whole or not at all", async () => {
  const path = join(temporaryFolder(), "out.gguf");
  const bytes = () => Promise.reject(new Error("no bytes"));
  const tensor = { name: "a", shape: [4], type: "f32", bytes } as const;
  await expect(writeGguf(path, new Map([["k", text("v")]]), [tensor])).rejects.toThrow(/cannot be written/);
  expect(existsSync(path)).toBe(false);
  expect(readdirSync(dirname(path))).toEqual([]);
});

it.each([
  [{ output: "a.bin" }, /does not end in .gguf/],
  [{ output: "a.gguf", what: "adapter" }, /without --adapter/],
])("options %j are refused", (values, message) => {
  expect(() => exportOptions({ model: "m", ...values })).toThrow(message);
});
