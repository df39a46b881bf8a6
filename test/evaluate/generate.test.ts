import { describe, expect, it } from "vitest";
import { createCache } from "../../src/evaluate/cache.js";
import { createGenerator } from "../../src/evaluate/generate.js";
import { createLossEvaluator } from "../../src/evaluate/loss.js";
import { openBaseModel } from "../../src/models/base_model.js";
import { createRandom } from "../../src/random.js";
import { createTinyModel } from "../fixtures/tiny_model.js";

describe("greedy generation", () => {
  const NEW = 90;
  const prompts = [[3, 9, 4], [7, 3, 11, 5, 5, 8, 20, 14, 9, 10, 4, 6, 30, 21], [12]];

  it.each([
    ["phi", {}],
    ["llama", { num_key_value_heads: 1 }],
    ["qwen2", {}],
    ["qwen2", { use_sliding_window: true, sliding_window: 6, max_window_layers: 0 }],
  ] as const)(
    "of a %s with %j finds the tokens that a pass over the whole text finds",
    async (family, overrides) => {
      const base = await openBaseModel(
        await createTinyModel(family, { overrides: { ...overrides, max_position_embeddings: 128 } }),
      );
      const generator = await createGenerator(base, undefined);
      // Rows are padded on the left, and the cache grows several times.
      const answers = await generator.generate(prompts, { maxNewTokens: NEW, eosTokenIds: [] });
      await generator.release();
      const evaluator = await createLossEvaluator(base, undefined);
      for (const [i, prompt] of prompts.entries()) {
        expect(answers[i]).toHaveLength(NEW);
        const inputIds = Int32Array.from([...prompt, ...answers[i]!]);
        const T = inputIds.length;
        const labels = inputIds.map((id, t) => (t < prompt.length ? -100 : id));
        const batch = { B: 1, T, inputIds, labels, attentionMask: new Int32Array(T).fill(1), rows: [0] };
        for await (const [score] of evaluator.score([batch], new Map())) {
          expect(score!.predicted).toEqual(answers[i]);
          expect(new Set(answers[i]).size).toBeGreaterThan(1);
        }
      }
      await evaluator.release();
    },
  );
});

describe("the cache", () => {
  it("holds what was appended, row by row, and makes room when it is full", () => {
    const sizes = { layers: 2, kvHeads: 3, headSize: 4 };
    const [B, rows] = [2, 6];
    const cache = createCache(sizes, B, 83);
    const random = createRandom(1, "cache");
    const names = ["0.key", "0.value", "1.key", "1.value"];
    const all = new Map(names.map((name) => [name, Array.from({ length: rows }, (): number[] => [])]));
    for (const T of [5, 1, 1, 40, 1, 1, 33, 1]) {
      const results = names.map((name) => {
        const data = Float32Array.from({ length: rows * T * 4 }, () => random.nextFloat());
        for (let row = 0; row < rows; row++)
          all.get(name)![row]!.push(...data.subarray(row * T * 4, (row + 1) * T * 4));
        return [`new.${name}`, { dims: [B, 3, T, 4], data }] as const;
      });
      cache.append(Object.fromEntries(results));
      expect(cache.places).toBeGreaterThanOrEqual(cache.taken);
      for (const [name, { dims, data }] of Object.entries(cache.inputs())) {
        expect(dims).toEqual([B, 3, cache.places, 4]);
        for (let row = 0; row < rows; row++) {
          const start = row * cache.places * 4;
          const held = (data as Float32Array).subarray(start, start + cache.taken * 4);
          expect([...held]).toEqual(all.get(name.replace("past_key_values.", ""))![row]);
        }
      }
    }
    expect(cache.taken).toBe(83);
    expect(cache.places).toBe(83);
  });
});
