// A base whose tensors lie where a model file has them -> the graph of its forward pass with cached keys and values.
import { createContext } from "../../adapters/context.js";
import type { TrainingPlan } from "../../adapters/plan.js";
import type { TensorEntry } from "../../formats/tensor.js";
import { createGraph, type Graph } from "../../graph/graph.js";
import { blockLinear, cast, gather, keepLast, mul, reshape } from "../../graph/ops.js";
import { input, type Value, weight } from "../../graph/value.js";
import type { BaseModel, LinearStorage } from "../../models/base_model.js";
import { OUTPUT_HEAD } from "../../models/family.js";
import { BLOCK } from "./blocks.js";
import { bitsOf, type OnnxDtype } from "./forms.js";
import { NUMBERS, SCALES, ZEROS } from "./weights.js";

/** What sizes are called in the model's inputs and outputs, as optimum calls them. */
export const SYMBOLS: Readonly<Record<string, string>> = {
  B: "batch_size",
  T: "sequence_length",
  P: "past_sequence_length",
  S: "total_sequence_length",
  L: "num_logits",
};

export interface ExportedGraphOptions {
  /** Adapters whose parameters are inputs. */
  readonly plan?: TrainingPlan | undefined;
  /** Whether an input says for how many of the last tokens logits are wanted (0: for all). */
  readonly lastLogits: boolean;
}

/**
 * Logits [B, L, V] and present keys and values of a model.
 * @param tensors where each stored tensor lies, by name
 */
export function exportedGraph(
  base: BaseModel,
  tensors: ReadonlyMap<string, TensorEntry>,
  dtype: OnnxDtype,
  { plan, lastLogits }: ExportedGraphOptions,
): Graph {
  const isTied = !tensors.has(`${OUTPUT_HEAD}.weight`);
  const stored: BaseModel = {
    ...base,
    config: { ...base.config, tiedEmbeddings: isTied },
    tensors,
    storage: dtype.bits && roundedStorage(base, tensors, dtype),
  };
  const context = createContext(stored, {
    plan,
    cache: "joined",
    // The rank stays open, so that adapters of any rank fit.
    shapeOf: ({ name, shape }) => {
      const rank = `${name.slice(0, name.indexOf(".lora_"))}.r`;
      return /lora_(embedding_)?A/.test(name) ? [rank, shape[1]!] : [shape[0]!, rank];
    },
  });
  const { hiddenSize, vocabSize } = base.config;
  const hidden = base.family.forward(context, stored.config); // [B*T, D]
  const length = lastLogits ? "L" : "T";
  const wanted = lastLogits
    ? keepLast(reshape(hidden, ["B", "T", hiddenSize]), input("num_logits_to_keep", "int64", []), 1, length)
    : hidden;
  const rows = reshape(wanted, [`B*${length}`, hiddenSize]);
  const logits = reshape(context.linear(rows, OUTPUT_HEAD), ["B", length, vocabSize]);
  return createGraph({ logits, ...Object.fromEntries(context.present) });
}

/** Linear layers and the embedding on rounded numbers. */
function roundedStorage(
  base: BaseModel,
  tensors: ReadonlyMap<string, TensorEntry>,
  dtype: OnnxDtype,
): LinearStorage {
  const leaves = new Map<string, Value>();
  const part = (path: string, suffix: string): Value => {
    const name = `${path}.weight${suffix}`;
    const value = leaves.get(name) ?? weight(name, tensors.get(name)!);
    leaves.set(name, value);
    return value;
  };
  return {
    name: `blocks of ${dtype.bits} bits`,
    paths: new Set(base.modules.flatMap(({ kind, path }) => (kind === "linear" ? [path] : []))),
    linear: (x, path, bias) =>
      blockLinear(
        x,
        {
          numbers: part(path, NUMBERS),
          zeros: part(path, ZEROS),
          scales: part(path, SCALES),
          bits: bitsOf(dtype, path)!,
          block: BLOCK,
        },
        bias,
      ),
    embedding: (ids, path) => {
      const numbers = cast(gather(part(path, NUMBERS), ids), "float32"); // [N, blocks, block]
      const rows = mul(numbers, gather(part(path, SCALES), ids));
      return reshape(rows, [ids.shape[0]!, base.config.hiddenSize]);
    },
  };
}
