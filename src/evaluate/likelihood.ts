// Questions whose answer is one of a few labels -> the label that the model finds most probable.
// Source of the idea: Brown et al. 2020, https://arxiv.org/abs/2005.14165, section 2.4, and the benchmark suites after it.
import { type Batch, type Encoded, IGNORED_LABEL } from "../data/types.js";
import type { LossEvaluator } from "./loss.js";
import type { Question } from "./questions.js";

/** The labels that a question can have: all given ones, or those of the questions of the same task. */
export function candidateLabels(
  questions: readonly Question[],
  given: readonly string[] | undefined,
): (question: Question) => readonly string[] {
  if (given) return () => given;
  const byTask = new Map<string | undefined, Set<string>>();
  for (const { task, label } of questions) {
    if (label === undefined) continue;
    const labels = byTask.get(task) ?? new Set();
    byTask.set(task, labels.add(label));
  }
  return ({ task }) => [...(byTask.get(task) ?? [])].sort();
}

/**
 * For each question the label whose tokens have the largest summed log-probability; of questions without candidates
 * undefined. Yields the number of answered questions.
 * @param encode the tokens of a label as an answer, the end token included
 * @param toBatch makes a batch of examples
 */
export async function* mostProbableLabels(
  evaluator: LossEvaluator,
  trained: ReadonlyMap<string, Float32Array>,
  questions: readonly Question[],
  labelsOf: (question: Question) => readonly string[],
  encode: (label: string) => readonly number[],
  batches: (examples: readonly Encoded[]) => Iterable<Batch>,
): AsyncGenerator<number, readonly (string | undefined)[]> {
  const examples: Encoded[] = [];
  const meaning: { readonly question: number; readonly label: string }[] = [];
  for (const [question, asked] of questions.entries()) {
    if (asked.label === undefined) continue;
    for (const label of labelsOf(asked)) {
      examples.push(answered(asked.prompt, encode(label)));
      meaning.push({ question, label });
    }
  }
  const best = new Map<number, { readonly label: string; readonly loss: number }>();
  for await (const scores of evaluator.score(batches(examples), trained)) {
    for (const { row, loss } of scores) {
      const { question, label } = meaning[row]!;
      const known = best.get(question);
      if (!known || loss < known.loss) best.set(question, { label, loss });
    }
    yield best.size;
  }
  return questions.map((_, i) => best.get(i)?.label);
}

/** A prompt with an answer, of which only the answer counts. */
function answered(prompt: readonly number[], answer: readonly number[]): Encoded {
  const inputIds = Int32Array.from([...prompt, ...answer]);
  const labels = inputIds.map((id, t) => (t < prompt.length ? IGNORED_LABEL : id));
  return { source: "", line: 0, inputIds, labels, truncatedTokens: 0 };
}
