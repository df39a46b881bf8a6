// Weights in NF4 against those of bitsandbytes, bit for bit: places, factors, and the numbers that onnxruntime makes of them.
import { createHash } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toFloat32 } from "../../src/formats/dtype.js";
import { openSafetensors, readTensor, writeSafetensors } from "../../src/formats/safetensors.js";
import { elementCount, type Tensor, type TensorEntry } from "../../src/formats/tensor.js";
import { createGraph } from "../../src/graph/graph.js";
import { DYNAMIC_MAP, dequantizeNf4, NF4_BLOCK, NF4_CODE } from "../../src/graph/ops/nf4.js";
import { weight } from "../../src/graph/value.js";
import { quantizeFactors, quantizeNf4 } from "../../src/quantize/nf4.js";
import { nestedNf4Form, plainNf4Form } from "../../src/quantize/nf4_form.js";
import { createSession } from "../../src/runtime/session.js";

const FIXTURE = fileURLToPath(new URL("../fixtures/nf4.safetensors", import.meta.url));
const NAMES = ["float32", "bfloat16", "float16", "odd", "edges", "zeros"];

const numbersOf = async (entry: TensorEntry | undefined) => [...toFloat32(await readTensor(entry!))];
const bytesOf = (view: ArrayBufferView) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

/** The tensors of a form in a file of their own, and the weight that onnxruntime makes of them. */
async function dequantized(
  shape: readonly number[],
  layout: Readonly<Record<string, { readonly dtype: Tensor["dtype"]; readonly shape: readonly number[] }>>,
  made: Readonly<Record<string, ArrayBufferView>>,
): Promise<Float32Array> {
  const file = join(mkdtempSync(join(tmpdir(), "phinetune-nf4-")), "weight.safetensors");
  const tensors = Object.entries(layout).map(
    ([name, type]) => [name, { ...type, bytes: bytesOf(made[name]!) }] as const,
  );
  await writeSafetensors(file, new Map(tensors));
  const { entries } = await openSafetensors(file);
  const leaf = (name: string) => weight(name, entries.get(name)!);
  const nested = entries.has("nested_absmax")
    ? { scale: leaf("nested_absmax"), offset: leaf("nested_offset") }
    : undefined;
  const [out, size] = shape as readonly [number, number];
  const y = dequantizeNf4({ out, in: size, packed: leaf("packed"), absmax: leaf("absmax"), nested });
  const session = await createSession(createGraph({ y }), { numThreads: 1 });
  const result = await session.run({});
  await session.release();
  return (result.y!.data as Float32Array).slice();
}

describe("what bitsandbytes makes", () => {
  it("of the code book and the dynamic map", async () => {
    const { entries } = await openSafetensors(FIXTURE);
    expect([...DYNAMIC_MAP]).toEqual(await numbersOf(entries.get("dynamic_map")));
    expect([...Float32Array.from(NF4_CODE)]).toEqual(await numbersOf(entries.get("code")));
  });

  it.each(NAMES)("of a weight: %s", async (name) => {
    const { entries, metadata } = await openSafetensors(FIXTURE);
    const at = (part: string) => numbersOf(entries.get(`${name}.${part}`));
    const entry = entries.get(`${name}.weight`)!;
    const blocks = Math.ceil(elementCount(entry.shape) / NF4_BLOCK);

    const plain = await plainNf4Form.make(entry);
    expect([...bytesOf(plain.packed)]).toEqual(await at("packed"));
    expect([...(plain.absmax as Float32Array)]).toEqual(await at("plain_absmax"));
    const nested = await nestedNf4Form.make(entry);
    expect(bytesOf(nested.packed)).toEqual(bytesOf(plain.packed));
    expect([...bytesOf(nested.absmax)].slice(0, blocks)).toEqual(await at("absmax"));
    expect([...(nested.nested_absmax as Float32Array)]).toEqual(await at("nested_absmax"));
    expect([...(nested.nested_offset as Float32Array)]).toEqual(await at("nested_offset"));

    const hashOf = (numbers: Float32Array) => createHash("sha256").update(bytesOf(numbers)).digest("hex");
    const { shape } = entry;
    expect(hashOf(await dequantized(shape, plainNf4Form.layout(shape), plain))).toBe(
      metadata[`${name}.plain`],
    );
    expect(hashOf(await dequantized(shape, nestedNf4Form.layout(shape), nested))).toBe(
      metadata[`${name}.nested`],
    );
  });
});

describe("any weight", () => {
  // Not so near to 0 that float32 loses digits.
  const finite = fc
    .float({ noDefaultInfinity: true, noNaN: true, min: -1e6, max: 1e6 })
    .map((x) => (Math.abs(x) < 1e-30 ? 0 : x));
  const reading = (numbers: Float32Array) => async (from: number, to: number) => numbers.slice(from, to);

  it("is rounded to the nearest of the code book times the largest of its block", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(finite, { minLength: 1, maxLength: 150 }), async (list) => {
        const numbers = Float32Array.from(list);
        const { packed, absmax } = await quantizeNf4(numbers.length, reading(numbers));
        for (const [i, x] of numbers.entries()) {
          const block = numbers.subarray(i - (i % NF4_BLOCK), i - (i % NF4_BLOCK) + NF4_BLOCK);
          const largest = Math.max(...block.map(Math.abs));
          expect(absmax[Math.trunc(i / NF4_BLOCK)]).toBe(largest);
          const byte = packed[i >> 1]!;
          const found = NF4_CODE[i % 2 === 0 ? byte >> 4 : byte & 15]! * largest;
          const nearest = Math.min(...NF4_CODE.map((code) => Math.abs(code * largest - x)));
          expect(Math.abs(found - x)).toBeLessThanOrEqual(nearest + 1e-6 * largest);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("has factors that are rounded to the nearest of the dynamic map around their mean", () => {
    fc.assert(
      fc.property(fc.array(finite, { minLength: 1, maxLength: 600 }), (list) => {
        const factors = Float32Array.from(list, Math.abs);
        const { places, scale, offset } = quantizeFactors(factors);
        expect(places.length).toBe(256 * scale.length);
        for (const [i, factor] of factors.entries()) {
          const step = scale[i >> 8]!;
          const distance = Math.fround(factor - offset[0]!);
          const found = DYNAMIC_MAP[places[i]!]! * step;
          const nearest = Math.min(...DYNAMIC_MAP.map((number) => Math.abs(number * step - distance)));
          expect(Math.abs(found - distance)).toBeLessThanOrEqual(nearest + 1e-6 * step);
        }
      }),
      { numRuns: 30 },
    );
  });

  it("that holds a number without end is refused, with its place", async () => {
    for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const numbers = new Float32Array(200);
      numbers[70] = wrong;
      await expect(quantizeNf4(200, reading(numbers), "model.safetensors: q_proj.weight")).rejects.toThrow(
        /from 64 on .* model\.safetensors: q_proj\.weight/,
      );
    }
  });
});
