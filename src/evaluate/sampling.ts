// Logits of one position -> the next token id, greedily or by chance.
import type { Random } from "../random.js";

export interface SamplingOptions {
  /** 0 takes the most probable token. */
  readonly temperature: number;
  /** Only the k most probable tokens; 0 for all. */
  readonly topK: number;
  /** Only the most probable tokens that together reach this share; 1 for all. */
  readonly topP: number;
  /** Divides positive and multiplies negative logits of tokens seen before; 1 for none. Source: https://arxiv.org/abs/1909.05858 */
  readonly repetitionPenalty: number;
}

export const greedy: SamplingOptions = { temperature: 0, topK: 0, topP: 1, repetitionPenalty: 1 };

/** Chooses a token, in the order of transformers: penalty, temperature, top-k, top-p. */
export function chooseToken(
  logits: Float32Array,
  seen: Iterable<number>,
  options: SamplingOptions,
  random: Random,
): number {
  const scores =
    options.repetitionPenalty === 1 ? logits : penalised(logits, seen, options.repetitionPenalty);
  if (options.temperature === 0) return largest(scores);
  return draw(candidates(scores, options), random);
}

function penalised(logits: Float32Array, seen: Iterable<number>, penalty: number): Float32Array {
  const scores = logits.slice();
  for (const id of new Set(seen))
    scores[id] = scores[id]! > 0 ? scores[id]! / penalty : scores[id]! * penalty;
  return scores;
}

function largest(scores: Float32Array): number {
  let best = 0;
  for (let id = 1; id < scores.length; id++) if (scores[id]! > scores[best]!) best = id;
  return best;
}

interface Candidate {
  readonly id: number;
  readonly weight: number;
}

/** The tokens that remain after top-k and top-p, most probable first, with weights that need not add up to 1. */
function candidates(
  scores: Float32Array,
  { temperature, topK, topP }: SamplingOptions,
): readonly Candidate[] {
  const top = scores[largest(scores)]!;
  const all = Array.from(scores, (score, id) => ({ id, weight: Math.exp((score - top) / temperature) }));
  if (topK <= 0 && topP >= 1) return all;
  const ordered = all.sort((a, b) => b.weight - a.weight || a.id - b.id);
  const kept = topK > 0 ? ordered.slice(0, topK) : ordered;
  if (topP >= 1) return kept;
  const total = kept.reduce((sum, { weight }) => sum + weight, 0);
  let before = 0;
  // A token stays while those before it have not reached the share; the first always stays.
  return kept.filter(({ weight }, i) => {
    const stays = i === 0 || before < topP * total;
    before += weight;
    return stays;
  });
}

function draw(choices: readonly Candidate[], random: Random): number {
  const total = choices.reduce((sum, { weight }) => sum + weight, 0);
  let rest = random.nextFloat() * total;
  for (const { id, weight } of choices) {
    rest -= weight;
    if (rest < 0) return id;
  }
  return choices.at(-1)!.id;
}
