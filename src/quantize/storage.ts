// A base model -> the same model, whose frozen linear layers are computed on numbers of 8 or 4 bits.
import { fail } from "../errors.js";
import { int8Linear, nf4Linear } from "../graph/ops.js";
import { weight } from "../graph/value.js";
import type { BaseModel, LinearStorage } from "../models/base_model.js";
import { EMBEDDING, OUTPUT_HEAD } from "../models/family.js";
import { addsExactly } from "../runtime/int8_probe.js";
import { type CacheProgress, openCache, type WeightToRound } from "./cache.js";
import { int8Form } from "./int8_form.js";
import { nestedNf4Form, plainNf4Form } from "./nf4_form.js";

export interface StorageOptions {
  readonly loadIn8bit?: boolean | undefined;
  readonly loadIn4bit?: boolean | undefined;
  /** Whether the factors of blocks of 4-bit weights are kept in 8 bits; true where left out. */
  readonly bnb4bitUseDoubleQuant?: boolean | undefined;
}

/** How far the rounding to so many bits is. */
export interface StorageProgress extends CacheProgress {
  readonly bits: 8 | 4;
}

/**
 * Opens the model in 8 or 4 bits where that is asked for: rounds its linear layers, or finds them in the cache.
 * @throws when the model has no weights, or the cache cannot be written
 */
export async function* inStorage(
  base: BaseModel,
  { loadIn8bit = false, loadIn4bit = false, bnb4bitUseDoubleQuant = true }: StorageOptions,
): AsyncGenerator<StorageProgress, BaseModel> {
  if (!loadIn8bit && !loadIn4bit) return base;
  if (base.tensors.size === 0)
    fail("weights", `--load-in-${loadIn8bit ? 8 : 4}bit rounds weights, and there are none`, {
      where: base.folder,
    });
  const bits = loadIn8bit ? 8 : 4;
  const opening = loadIn8bit ? int8Storage(base) : nf4Storage(base, bnb4bitUseDoubleQuant);
  for (;;) {
    const { done, value } = await opening.next();
    if (done) return { ...base, storage: value };
    yield { bits, ...value };
  }
}

/** The same at once. @param tell hears how far the rounding is */
export async function openInStorage(
  base: BaseModel,
  options: StorageOptions,
  tell: (progress: StorageProgress) => void = () => undefined,
): Promise<BaseModel> {
  const opening = inStorage(base, options);
  for (;;) {
    const { done, value } = await opening.next();
    if (done) return value;
    tell(value);
  }
}

/** Linear layers and output head in 8 bits. */
async function* int8Storage(base: BaseModel): AsyncGenerator<CacheProgress, LinearStorage> {
  const unsigned = !(await addsExactly("int8"));
  if (unsigned && !(await addsExactly("uint8")))
    fail("runtime", "onnxruntime adds 8-bit products inexactly on this processor", {
      fix: "leave --load-in-8bit out",
    });
  const cached = yield* openCache(base, weightsOf(base), int8Form({ unsigned }));
  return {
    name: "int8",
    paths: new Set(cached.keys()),
    linear(x, path, bias) {
      const { forward, forward_scale, backward, backward_scale } = cached.get(path)!;
      const parts = {
        forward: weight(`${path}.weight_int8`, forward),
        forwardScale: weight(`${path}.weight_scale`, forward_scale),
        backward: weight(`${path}.weight_int8_backward`, backward),
        backwardScale: weight(`${path}.weight_scale_backward`, backward_scale),
      };
      return int8Linear(x, parts, bias);
    },
  };
}

/** Linear layers in NF4; the output head stays as it is, as in transformers. @param isNested factors of blocks in 8 bits */
async function* nf4Storage(base: BaseModel, isNested: boolean): AsyncGenerator<CacheProgress, LinearStorage> {
  const weights = weightsOf(base).filter(({ path }) => path !== OUTPUT_HEAD);
  const [nested, plain] = isNested
    ? [yield* openCache(base, weights, nestedNf4Form), undefined]
    : [undefined, yield* openCache(base, weights, plainNf4Form)];
  return {
    name: "nf4",
    paths: new Set(weights.map(({ path }) => path)),
    linear(x, path, bias) {
      const { packed, absmax } = (nested ?? plain)!.get(path)!;
      const parts = nested?.get(path);
      const { out, in: size } = base.modules.find((module) => module.path === path) as {
        readonly out: number;
        readonly in: number;
      };
      const quantized = {
        out,
        in: size,
        packed: weight(`${path}.weight_nf4`, packed),
        absmax: weight(`${path}.weight_absmax`, absmax),
        nested: parts && {
          scale: weight(`${path}.weight_nested_absmax`, parts.nested_absmax),
          offset: weight(`${path}.weight_nested_offset`, parts.nested_offset),
        },
      };
      return nf4Linear(x, quantized, bias);
    },
  };
}

function weightsOf({ modules, tensors, config }: BaseModel): readonly WeightToRound[] {
  return modules.flatMap(({ kind, path }) => {
    const stored = path === OUTPUT_HEAD && config.tiedEmbeddings ? EMBEDDING : path;
    return kind === "linear" ? [{ path, entry: tensors.get(`${stored}.weight`)! }] : [];
  });
}
