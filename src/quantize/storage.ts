// A base model -> the same model, whose frozen linear layers and output head are computed on 8-bit numbers.
import { fail } from "../errors.js";
import { int8Linear } from "../graph/ops.js";
import { weight } from "../graph/value.js";
import type { BaseModel } from "../models/base_model.js";
import { EMBEDDING, OUTPUT_HEAD } from "../models/family.js";
import { addsExactly } from "../runtime/int8_probe.js";
import { type Int8Entries, type Int8Progress, openInt8Cache, type WeightToRound } from "./int8_cache.js";

export type { Int8Progress } from "./int8_cache.js";

/** Rounds the linear layers, or finds them in the cache. @throws when the model has no weights, or the cache cannot be written */
export async function* inInt8(base: BaseModel): AsyncGenerator<Int8Progress, BaseModel> {
  if (base.tensors.size === 0)
    fail("weights", "--load-in-8bit rounds weights, and there are none", { where: base.folder });
  const unsigned = !(await addsExactly("int8"));
  if (unsigned && !(await addsExactly("uint8")))
    fail("runtime", "onnxruntime adds 8-bit products inexactly on this processor", {
      fix: "leave --load-in-8bit out",
    });
  const entries = yield* openInt8Cache(base, weightsOf(base), { unsigned });
  return {
    ...base,
    storage: {
      name: "int8",
      linear: (x, path, bias) => int8Linear(x, weightAt(path, entries.get(path)!), bias),
    },
  };
}

/** Opens the model in 8 bits where that is asked for. @param tell hears how far the rounding is */
export async function inStorage(
  base: BaseModel,
  { loadIn8bit }: { readonly loadIn8bit?: boolean | undefined },
  tell: (progress: Int8Progress) => void = () => undefined,
): Promise<BaseModel> {
  if (!loadIn8bit) return base;
  const opening = inInt8(base);
  for (;;) {
    const { done, value } = await opening.next();
    if (done) return value;
    tell(value);
  }
}

function weightsOf({ modules, tensors, config }: BaseModel): readonly WeightToRound[] {
  return modules.flatMap(({ kind, path }) => {
    const stored = path === OUTPUT_HEAD && config.tiedEmbeddings ? EMBEDDING : path;
    return kind === "linear" ? [{ path, entry: tensors.get(`${stored}.weight`)! }] : [];
  });
}

function weightAt(path: string, entries: Int8Entries) {
  return {
    forward: weight(`${path}.weight_int8`, entries.forward),
    forwardScale: weight(`${path}.weight_scale`, entries.forwardScale),
    backward: weight(`${path}.weight_int8_backward`, entries.backward),
    backwardScale: weight(`${path}.weight_scale_backward`, entries.backwardScale),
  };
}
