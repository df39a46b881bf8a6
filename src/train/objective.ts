// A base model and an adapter plan -> the training graph, and one micro-batch -> its loss and gradients.

import { createContext } from "../adapters/context.js";
import type { TrainingPlan } from "../adapters/plan.js";
import type { Batch } from "../data/types.js";
import { fail } from "../errors.js";
import { lossInputs, shiftedTargets, sumOf, trainedInputs } from "../evaluate/loss.js";
import { type Chunks, chunkSizes, chunksFor, differentiatedLosses } from "../evaluate/loss_head.js";
import { pullBack, relabelled } from "../graph/autodiff.js";
import { createGraph, type Graph } from "../graph/graph.js";
import { ROUNDING_NOISE } from "../graph/ops/int8.js";
import type { Value } from "../graph/value.js";
import type { BaseModel } from "../models/base_model.js";
import { dropoutNoise } from "../nn/dropout.js";
import { createRoundingNoise, type RoundingNoise } from "../nn/rounding.js";
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

export interface ObjectiveOptions {
  /** Off: nothing is dropped, whatever adapter and model say. */
  readonly dropout?: boolean | undefined;
  /** The inner values of the model's blocks are computed again in the backward pass instead of kept. */
  readonly gradientCheckpointing?: boolean | undefined;
  /** How the trained positions of the batches to come are cut; see `chunksFor`. */
  readonly chunks?: Chunks | undefined;
}

/** The graph of the token losses and the gradients of their sum with respect to the trained parameters. */
export function buildTrainingGraph(
  base: BaseModel,
  plan: TrainingPlan,
  { dropout = true, gradientCheckpointing, chunks = chunksFor(base, plan) }: ObjectiveOptions = {},
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
  const context = createContext(base, { plan, training: dropout, checkpointing: gradientCheckpointing });
  const hidden = base.family.forward(context, base.config); // [B*T, D]
  const head = differentiatedLosses(context, hidden, chunks.count);
  const found = pullBack(head.gradients, [...context.trained.values()]);
  const results: Record<string, Value> = { losses: head.losses };
  for (const [i, name] of [...context.trained.keys()].entries()) {
    const gradient = found[i];
    if (!gradient) fail("graph", `${name} does not influence the loss, so it has no gradient`);
    results[`${name}_grad`] = relabelled(gradient, `${name}_grad`);
  }
  return createGraph(results);
}

/** Compiles the training graph. */
export async function createObjective(
  base: BaseModel,
  plan: TrainingPlan,
  options: SessionOptions & ObjectiveOptions = {},
): Promise<Objective> {
  const { chunks = chunksFor(base, plan) } = options;
  const graph = buildTrainingGraph(base, plan, { ...options, chunks });
  const session = await createSession(graph, options);
  const columnInputs = graph.inputs.flatMap(({ outputs: [name] }) =>
    name!.startsWith("dropout_columns_") ? [name!] : [],
  );
  const roundingOf = roundingInputs(graph);
  return {
    async differentiate(batch, trained, moment) {
      const inputs = lossInputs(batch, shiftedTargets(batch), chunks);
      const tokens = inputs.target_ids!.data.length;
      if (tokens === 0) fail("training", `the batch of rows ${batch.rows.join(", ")} has no trained token`);
      const noise = columnInputs.length > 0 ? noiseOf(batch, moment, columnInputs) : {};
      const rounding = roundingOf(moment, chunkSizes(chunks, tokens));
      const result = await session.run({ ...inputs, ...noise, ...rounding, ...trainedInputs(plan, trained) });
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

/**
 * The numbers by which an output head in 8 bits rounds probabilities, where the graph has one: each chunk of trained
 * positions takes the first rows of them. @returns inputs for a moment and the sizes of the chunks
 */
function roundingInputs(graph: Graph): (moment: Moment, sizes: readonly number[]) => Record<string, NDArray> {
  const wanted = graph.inputs.filter(({ outputs: [name] }) => name!.startsWith(ROUNDING_NOISE));
  if (wanted.length === 0) return () => ({});
  const columns = wanted[0]!.node.outputs[0]!.shape[1] as number;
  let known: { readonly seed: number; readonly noise: RoundingNoise } | undefined;
  return ({ seed, step, microBatch }, sizes) => {
    if (known?.seed !== seed) known = { seed, noise: createRoundingNoise(seed, columns) };
    const numbers = known.noise.at(step, microBatch, Math.max(...sizes));
    return Object.fromEntries(
      wanted.map(({ outputs: [name] }) => {
        const rows = sizes[Number(name!.replace(/^.*_M/, ""))]!;
        return [name!, { dims: [rows, columns], data: numbers.subarray(0, rows * columns) }];
      }),
    );
  };
}
