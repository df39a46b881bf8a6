// One golden case of greedy generation -> the same tokens and logits, alone and in a left-padded batch.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createGenerator } from "../../src/evaluate/generate.js";
import { loadPeftAdapter } from "../../src/export/peft.js";
import { toFloat32 } from "../../src/formats/dtype.js";
import { openSafetensors, readTensor } from "../../src/formats/safetensors.js";
import { openBaseModel } from "../../src/models/base_model.js";

interface Expected {
  readonly model: string;
  readonly adapter: string;
  readonly max_new_tokens: number;
  readonly prompts: number[][];
  readonly with_adapter: { readonly new_tokens: number[][] };
  readonly base: { readonly new_tokens: number[][] };
}

const LOGITS_TOLERANCE = 2e-5;

/** Folders of generation cases below `root`. */
export function generationCasesIn(root: string): readonly string[] {
  if (!existsSync(root)) return [];
  return readdirSync(root).filter((name) => {
    const path = join(root, name, "expected.json");
    return existsSync(path) && "max_new_tokens" in (JSON.parse(readFileSync(path, "utf8")) as object);
  });
}

/** Registers the tests of one case; model and adapter are named relative to `root`. */
export function checkGeneration(root: string, name: string): void {
  const expected = JSON.parse(readFileSync(join(root, name, "expected.json"), "utf8")) as Expected;
  describe.each(["with_adapter", "base"] as const)(`${name} %s`, (kind) => {
    it("continues as transformers does", async () => {
      const base = await openBaseModel(join(root, expected.model));
      const adapter = kind === "base" ? undefined : await loadPeftAdapter(join(root, expected.adapter), base);
      const generator = await createGenerator(base, adapter);
      const options = { maxNewTokens: expected.max_new_tokens, eosTokenIds: [] };
      const wanted = expected[kind].new_tokens;
      const file = await openSafetensors(join(root, name, "expected.safetensors"));
      let compared = 0;
      for (const [row, prompt] of expected.prompts.entries()) {
        const entry = file.entries.get(`${kind}/prompt${row}/logits_per_step`);
        const logits = entry && toFloat32(await readTensor(entry));
        const tokens: (number | undefined)[] = [];
        for await (const step of generator.steps([prompt], options)) {
          const at = tokens.length * step.logits.length;
          if (logits) {
            const difference = step.logits.reduce(
              (max, x, i) => Math.max(max, Math.abs(x - logits[at + i]!)),
              0,
            );
            expect(difference).toBeLessThan(LOGITS_TOLERANCE);
            compared++;
          }
          tokens.push(step.tokens[0]);
        }
        expect(tokens).toEqual(wanted[row]);
      }
      expect(compared).toBe(file.entries.size > 0 ? expected.max_new_tokens * expected.prompts.length : 0);
      expect(await generator.generate(expected.prompts, options)).toEqual(wanted);
      await generator.release();
    });
  });
}
