// Prompts -> continuations, token by token, with a key/value cache.

import { createContext } from "../adapters/context.js";
import type { Trained, TrainingPlan } from "../adapters/plan.js";
import { fail } from "../errors.js";
import { createGraph, type Graph } from "../graph/graph.js";
import { reshape, slice } from "../graph/ops.js";
import type { BaseModel } from "../models/base_model.js";
import { OUTPUT_HEAD } from "../models/family.js";
import { createRandom } from "../random.js";
import { createSession, int64, type SessionOptions } from "../runtime/session.js";
import { createCache } from "./cache.js";
import { positionsOf, trainedInputs } from "./loss.js";
import { chooseToken, greedy, type SamplingOptions } from "./sampling.js";

export interface GenerateOptions extends Partial<SamplingOptions> {
  readonly maxNewTokens: number;
  /** A row ends after one of these ids. */
  readonly eosTokenIds: readonly number[];
  readonly seed?: number;
  readonly signal?: AbortSignal | undefined;
}

/** What one step brought: the new token of each row, undefined where the row has ended; and the logits [B, V] it was chosen from. */
export interface GeneratedStep {
  readonly tokens: readonly (number | undefined)[];
  readonly logits: Float32Array;
}

export interface TextGenerator {
  /** Continues prompts together; shorter ones are padded on the left. */
  steps(prompts: readonly (readonly number[])[], options: GenerateOptions): AsyncGenerator<GeneratedStep>;
  /** All new tokens of each prompt, the end token included. */
  generate(
    prompts: readonly (readonly number[])[],
    options: GenerateOptions,
  ): Promise<readonly (readonly number[])[]>;
  release(): Promise<void>;
}

/** Any valid id does as padding: padded positions are never seen. */
const PAD = 0;

/** The graph of one step: logits [B, V] for the token after the last of T, and keys and values of these. */
export function buildGenerationGraph(
  base: BaseModel,
  plan: TrainingPlan | undefined,
  maxPositions: number,
): Graph {
  const { config } = base;
  const context = createContext(base, { plan, cache: "apart", maxPositions });
  const hidden = base.family.forward(context, config); // [B*T, D]
  const lastHidden = slice(reshape(hidden, ["B", "T", config.hiddenSize]), 1, -1); // [B, 1, D]
  const logits = context.linear(reshape(lastHidden, ["B", config.hiddenSize]), OUTPUT_HEAD); // [B, V]
  return createGraph({ logits, ...Object.fromEntries(context.present) });
}

/**
 * Prepares generation by the base, or by the base with an adapter.
 * @param maxPositions longest prompt and continuation together
 */
export async function createGenerator(
  base: BaseModel,
  adapter: Trained | undefined,
  options: SessionOptions & { readonly maxPositions?: number | undefined } = {},
): Promise<TextGenerator> {
  const plan = adapter?.plan;
  const { config } = base;
  const maxPositions = Math.max(config.maxPositions, options.maxPositions ?? 0);
  const session = await createSession(buildGenerationGraph(base, plan, maxPositions), options);
  const trained = adapter ? trainedInputs(plan, adapter.values) : {};

  async function* steps(
    prompts: readonly (readonly number[])[],
    given: GenerateOptions,
  ): AsyncGenerator<GeneratedStep> {
    const { maxNewTokens, eosTokenIds, seed = 0, signal } = given;
    const sampling = { ...greedy, ...defined(given) };
    checkPrompts(prompts, config.vocabSize, maxNewTokens, maxPositions);
    const B = prompts.length;
    const longest = Math.max(...prompts.map(({ length }) => length));
    const randoms = prompts.map((_, row) => createRandom(seed, "generate", row));
    const texts = prompts.map((prompt) => [...prompt]);
    const ended = prompts.map(() => false);
    const padding = prompts.map(({ length }) => longest - length);

    let ids = prompts.flatMap((prompt, row) => [...new Array<number>(padding[row]!).fill(PAD), ...prompt]);
    let positions = positionsOf(maskOf(padding, 0, 0, longest), B, longest);
    const cache = createCache(config, B, longest + maxNewTokens - 1);
    for (let made = 0; made < maxNewTokens && !signal?.aborted; made++) {
      const T = made === 0 ? longest : 1;
      const { taken, places } = cache;
      const result = await session.run({
        ...trained,
        ...cache.inputs(),
        taken: { dims: [], data: int64([taken]) },
        input_ids: { dims: [B, T], data: int64(ids) },
        position_ids: { dims: [B, T], data: int64(positions) },
        attention_mask: { dims: [B, places + T], data: int64(maskOf(padding, taken, places, T)) },
      });
      cache.append(result);
      const all = result.logits!.data as Float32Array;
      const tokens = texts.map((text, row) => {
        if (ended[row]) return undefined;
        const id = chooseToken(
          all.subarray(row * config.vocabSize, (row + 1) * config.vocabSize),
          text,
          sampling,
          randoms[row]!,
        );
        text.push(id);
        ended[row] = eosTokenIds.includes(id);
        return id;
      });
      yield { tokens, logits: all };
      if (ended.every(Boolean)) return;
      ids = tokens.map((id) => id ?? PAD);
      positions = texts.map((_, row) => longest + made - padding[row]!);
    }
  }

  return {
    steps,
    async generate(prompts, given) {
      const made: number[][] = prompts.map(() => []);
      for await (const { tokens } of steps(prompts, given)) {
        for (const [row, id] of tokens.entries()) if (id !== undefined) made[row]!.push(id);
      }
      return made;
    },
    release: () => session.release(),
  };
}

function defined(options: GenerateOptions): Partial<SamplingOptions> {
  const { temperature, topK, topP, repetitionPenalty } = options;
  return Object.fromEntries(
    Object.entries({ temperature, topK, topP, repetitionPenalty }).filter(([, value]) => value !== undefined),
  );
}

/** [B, places + T]: 0 for the padding on the left of each row, and for places that are not taken. */
function maskOf(padding: readonly number[], taken: number, places: number, T: number): Int32Array {
  const S = places + T;
  const mask = new Int32Array(padding.length * S);
  for (const [row, hidden] of padding.entries()) {
    const start = row * S;
    mask.fill(1, start + Math.min(hidden, taken), start + taken);
    mask.fill(1, start + places + Math.max(0, hidden - taken), start + S);
  }
  return mask;
}

function checkPrompts(
  prompts: readonly (readonly number[])[],
  vocabSize: number,
  maxNewTokens: number,
  maxPositions: number,
): void {
  for (const [row, prompt] of prompts.entries()) {
    if (prompt.length === 0)
      fail("data", "the prompt has no token", { where: `prompt ${row + 1}`, fix: "give at least one word" });
    const wrong = prompt.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
    if (wrong !== undefined)
      fail("data", `token id ${wrong} is outside the vocabulary of ${vocabSize}`, {
        where: `prompt ${row + 1}`,
      });
    if (prompt.length + maxNewTokens > maxPositions) {
      fail(
        "data",
        `the prompt has ${prompt.length} tokens; with ${maxNewTokens} new ones that is more than the ${maxPositions} positions of the model`,
        {
          where: `prompt ${row + 1}`,
          fix: "shorten the prompt or lower --max-new-tokens",
        },
      );
    }
  }
}
