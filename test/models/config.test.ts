// config.json: every fault at once, options that we do not compute refused, wrong weights named.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PhinetuneError } from "../../src/errors.js";
import { openBaseModel } from "../../src/models/base_model.js";
import { createConfigReader } from "../../src/models/config.js";
import { families } from "../../src/models/index.js";
import { inverseFrequencies } from "../../src/nn/rotary.js";
import { createTinyModel, tinyConfig } from "../fixtures/tiny_model.js";

const read = (modelType: string, overrides: Record<string, unknown>) => {
  const reader = createConfigReader(tinyConfig(modelType, overrides), "config.json");
  const config = families.find((family) => family.modelType === modelType)!.readConfig(reader);
  reader.finish();
  return config as unknown as Record<string, unknown>;
};

describe("a configuration", () => {
  it("tells all its faults at once", () => {
    expect(() =>
      read("phi", { hidden_size: "16", num_attention_heads: 3, hidden_act: "gelu_neu", layer_norm_eps: -1 }),
    ).toThrow(/hidden_size.*hidden_act" is "gelu_neu".*did you mean "gelu_new".*layer_norm_eps/s);
    expect(() => read("llama", { num_key_value_heads: 3 })).toThrow(
      "not a multiple of num_key_value_heads 3",
    );
    expect(() => read("llama", { rope_scaling: { rope_type: "yarn", factor: 4 } })).toThrow(
      'type "yarn" is not implemented',
    );
    expect(() => read("llama", { rope_parameters: { rope_type: "llama3", factor: 8 } })).toThrow(
      "low_freq_factor",
    );
  });
  it("reads the key styles of transformers 4 and 5 alike", () => {
    const old = { rope_theta: 5e5, rope_scaling: { type: "linear", factor: 2 }, partial_rotary_factor: 0.5 };
    const fresh = {
      rope_parameters: { rope_theta: 5e5, rope_type: "linear", factor: 2, partial_rotary_factor: 0.5 },
    };
    for (const modelType of ["phi", "llama", "qwen2"]) {
      const overrides = { hidden_size: 32, partial_rotary_factor: undefined };
      expect(read(modelType, { ...overrides, ...old })).toEqual(read(modelType, { ...overrides, ...fresh }));
      expect(read(modelType, { ...overrides, ...old }).rope).toEqual({
        theta: 5e5,
        size: 4,
        scaling: { type: "linear", factor: 2 },
      });
    }
  });
  it("knows which layers of qwen2 see a window", () => {
    expect(
      read("qwen2", { use_sliding_window: true, sliding_window: 4, max_window_layers: 1 }).windows,
    ).toEqual([undefined, 4]);
    expect(
      read("qwen2", { use_sliding_window: false, sliding_window: 4, max_window_layers: 1 }).windows,
    ).toEqual([undefined, undefined]);
    const types = ["sliding_attention", "full_attention"];
    expect(
      read("qwen2", { use_sliding_window: true, sliding_window: 4, layer_types: types }).windows,
    ).toEqual([4, undefined]);
    expect(() => read("qwen2", { use_sliding_window: true, layer_types: ["x"] })).toThrow("layer_types");
  });
  it("does not make a list of a billion layers", () => {
    for (const modelType of ["phi", "llama", "qwen2"])
      expect(() => read(modelType, { num_hidden_layers: 2 ** 31 - 1 })).toThrow(
        '"num_hidden_layers" is 2147483647; it must be a whole number from 1 to 10000',
      );
  });
  it("with an object that has no text form is refused", async () => {
    const formless = { toString: 0, valueOf: 0 };
    expect(() => read("llama", { hidden_act: formless })).toThrow('"hidden_act" is {"toString":0');
    const layers = { use_sliding_window: true, layer_types: ["x"], num_hidden_layers: formless };
    expect(() => read("qwen2", layers)).toThrow(/layer_types.*"toString"/s);
    const folder = await createTinyModel("llama", { overrides: { architectures: [formless] } });
    await expect(openBaseModel(folder)).rejects.toThrow(PhinetuneError);
  });
  it("of any content is read or refused, never a crash", () => {
    for (const modelType of ["phi", "llama", "qwen2"]) {
      const keys = [
        ...Object.keys(tinyConfig(modelType)),
        "rope_parameters",
        "rope_scaling",
        "head_dim",
        "layer_types",
        "use_sliding_window",
      ];
      fc.assert(
        fc.property(fc.dictionary(fc.constantFrom(...keys), fc.jsonValue()), (overrides) => {
          try {
            read(modelType, overrides);
          } catch (error) {
            expect(error).toBeInstanceOf(PhinetuneError);
          }
        }),
        { numRuns: 300 },
      );
    }
  });
});

describe("a model folder", () => {
  const edit = (folder: string, change: (json: Record<string, unknown>) => Record<string, unknown>) => {
    const path = join(folder, "config.json");
    writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(path, "utf8")))));
  };
  it("of another family is refused with the nearest name", async () => {
    const folder = await createTinyModel("llama");
    edit(folder, (json) => ({ ...json, model_type: "lama" }));
    await expect(openBaseModel(folder)).rejects.toThrow(
      /"lama" is not supported; supported are phi, llama, qwen2.*did you mean "llama"/s,
    );
    edit(folder, (json) => ({
      ...json,
      model_type: "llama",
      architectures: ["LlamaForSequenceClassification"],
    }));
    await expect(openBaseModel(folder)).rejects.toThrow("phinetune trains LlamaForCausalLM");
  });
  it("whose weights are quantized already is refused, with what to give instead", async () => {
    const folder = await createTinyModel("llama");
    const given = { quant_method: "bitsandbytes", load_in_4bit: true, bnb_4bit_quant_type: "nf4" };
    edit(folder, (json) => ({ ...json, quantization_config: given }));
    await expect(openBaseModel(folder)).rejects.toThrow(
      /quantized \(bitsandbytes, 4 bits\).*config\.json.*--load-in-4bit/,
    );
    edit(folder, (json) => ({ ...json, quantization_config: { quant_method: "gptq", bits: 4 } }));
    await expect(openBaseModel(folder)).rejects.toThrow("quantized (gptq)");
    edit(folder, (json) => ({ ...json, quantization_config: null }));
    expect((await openBaseModel(folder)).tensors.size).toBeGreaterThan(0);
  });
  it("whose weights do not fit its configuration is refused with all of them", async () => {
    const folder = await createTinyModel("phi");
    edit(folder, (json) => ({ ...json, intermediate_size: 20, num_hidden_layers: 1 }));
    await expect(openBaseModel(folder)).rejects.toThrow(
      /fc1\.weight has shape \[24,16\]; config.json says \[20,16\].*layers\.1\..*does not belong/s,
    );
    edit(folder, (json) => ({ ...json, intermediate_size: 24, num_hidden_layers: 3 }));
    await expect(openBaseModel(folder)).rejects.toThrow(
      "tensor model.layers.2.self_attn.q_proj.weight [16,16] is missing",
    );
  });
  it.each(["F32", "F16", "BF16"] as const)("may hold %s", async (dtype) => {
    const base = await openBaseModel(
      await createTinyModel("qwen2", { dtype, overrides: { tie_word_embeddings: true } }),
    );
    expect(base.tensors.get("model.embed_tokens.weight")!.dtype).toBe(dtype);
    expect(base.tensors.has("lm_head.weight")).toBe(false);
  });
});

describe("rotary frequencies", () => {
  it("are theta^(-2i/size) by default, divided when linear", () => {
    const rope = { theta: 10_000, size: 8, scaling: { type: "default" } } as const;
    expect([...inverseFrequencies(rope)]).toEqual([1, 0.1, 0.01, 0.001].map((x) => expect.closeTo(x, 8)));
    expect([...inverseFrequencies({ ...rope, scaling: { type: "linear", factor: 4 } })][1]).toBeCloseTo(
      0.025,
      8,
    );
  });
  it("of llama3 are kept for short waves, divided for long ones, mixed between", () => {
    // Values of transformers' _compute_llama3_parameters for theta 500000, head size 16 and Llama 3.1's settings.
    const scaling = {
      type: "llama3",
      factor: 8,
      lowFrequencyFactor: 1,
      highFrequencyFactor: 4,
      originalMaxPositions: 8192,
    } as const;
    const got = inverseFrequencies({ theta: 500_000, size: 16, scaling });
    expect([...got]).toEqual(LLAMA3.map((x) => expect.closeTo(x, 10)));
  });
});

const LLAMA3: readonly number[] = [
  1.0, 0.193922758102417, 0.03760603070259094, 0.00729266507551074, 0.0005248460220173001,
  3.428102354519069e-5, 6.647869668086059e-6, 1.289173155782919e-6,
];
