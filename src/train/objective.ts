// A base model and an adapter plan -> the training graph, and one micro-batch -> its loss and gradients.

import { createContext } from "../adapters/context.js";
import type { TrainingPlan } from "../adapters/plan.js";
import type { Batch } from "../data/types.js";
import { fail } from "../errors.js";
import { buildLoss, lossInputs, sumOf, trainedInputs } from "../evaluate/loss.js";
import { gradients } from "../graph/autodiff.js";
import { createGraph, type Graph } from "../graph/graph.js";
import type { BaseModel } from "../models/base_model.js";
import { dropoutNoise } from "../nn/dropout.js";
import { createSession, type NDArray, type SessionOptions } from "../runtime/session.js";

/** Where in the run a micro-batch stands: what its dropout masks depend on. */
export interface Moment {
  readonly seed: number;
  readonly step: number;
  readonly microBatch: number;
}

export interface Gradients {
  /** Sum of the token losses. */
  readonly loss: number;
  readonly tokens: number;
  /** Gradient of that sum by parameter name. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

export interface Objective {
  differentiate(batch: Batch, trained: ReadonlyMap<string, Float32Array>, moment: Moment): Promise<Gradients>;
  release(): Promise<void>;
}

/** The graph of the summed token loss and its gradients with respect to the trained parameters. */
export function buildTrainingGraph(
  base: BaseModel,
  plan: TrainingPlan,
  { dropout = true }: { readonly dropout?: boolean | undefined } = {},
): Graph {
  if (dropout && base.config.attentionDropout > 0) {
    fail(
      "config",
      `attention_dropout is ${base.config.attentionDropout}; dropout of attention weights is not implemented`,
      {
        where: `${base.folder}/config.json`,
        fix: 'set "attention_dropout": 0',
      },
    );
  }
  const context = createContext(base, { plan, training: dropout });
  const { sum, losses } = buildLoss(context, base);
  const names = [...context.trained.keys()];
  const found = gradients(sum, [...context.trained.values()]);
  return createGraph({
    losses,
    ...Object.fromEntries(names.map((name, i) => [`${name}_grad`, found[i]!])),
  });
}

/** Compiles the training graph; with `dropout: false` nothing is dropped, whatever adapter and model say. */
export async function createObjective(
  base: BaseModel,
  plan: TrainingPlan,
  options: SessionOptions & { readonly dropout?: boolean | undefined } = {},
): Promise<Objective> {
  const graph = buildTrainingGraph(base, plan, options);
  const session = await createSession(graph, options);
  const columnInputs = graph.inputs.flatMap(({ outputs: [name] }) =>
    name!.startsWith("dropout_columns_") ? [name!] : [],
  );
  return {
    async differentiate(batch, trained, moment) {
      const inputs = lossInputs(batch);
      const tokens = inputs.target_ids!.data.length;
      if (tokens === 0) fail("training", `the batch of rows ${batch.rows.join(", ")} has no trained token`);
      const noise = columnInputs.length > 0 ? noiseOf(batch, moment, columnInputs) : {};
      const result = await session.run({ ...inputs, ...noise, ...trainedInputs(plan, trained) });
      return {
        loss: sumOf(result.losses!.data as Float32Array),
        tokens,
        gradients: new Map(
          plan.parameters.map(({ name }) => [name, result[`${name}_grad`]!.data as Float32Array]),
        ),
      };
    },
    release: () => session.release(),
  };
}

/** The random numbers from which the graph mixes its dropout masks. */
function noiseOf(
  { B, T }: Batch,
  { seed, step, microBatch }: Moment,
  columnInputs: readonly string[],
): Record<string, NDArray> {
  const widths = columnInputs.map((name) => Number(name.split("_").at(-1)));
  const { rows, multipliers, columns } = dropoutNoise(seed, step, microBatch, B * T, Math.max(...widths));
  return {
    dropout_rows: { dims: [B * T, 1], data: rows },
    dropout_multipliers: { dims: [B * T, 1], data: multipliers },
    ...Object.fromEntries(
      widths.map((width, i) => [columnInputs[i]!, { dims: [1, width], data: columns.subarray(0, width) }]),
    ),
  };
}
