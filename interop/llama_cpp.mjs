// A GGUF file, perhaps with an adapter -> llama.cpp, asked for logits of given tokens and for greedy continuations.
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

export const llama = await getLlama({ build: "never", gpu: false, logLevel: LlamaLogLevel.error });
/** llama.cpp keeps keys and values in 16 bits unless told otherwise. */
const EXACT_CACHE = { experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32", flashAttention: false };

/**
 * A program with a model: `logits(ids, first)` are those after the tokens first − 1 to the last,
 * `continued(ids, count)` the tokens that it chooses itself.
 * @param lora GGUF file of an adapter @param cache options of the context
 */
export async function llamaCpp(file, lora, cache = EXACT_CACHE) {
  const model = await llama.loadModel({ modelPath: file });
  const adapters = lora ? { lora: { adapters: [{ filePath: lora }] } } : {};
  const context = await model.createContext({ contextSize: 512, threads: 1, ...cache, ...adapters });
  const sequence = context.getSequence();
  return {
    async logits(ids, first) {
      await sequence.clearHistory();
      const wanted = ids.map((id, t) => (t < first - 1 ? id : [id, { generateNext: { logits: true } }]));
      return (await sequence.controlledEvaluate(wanted)).slice(first - 1).map(({ next }) => {
        const values = new Float32Array(next.logits.size);
        for (const [id, logit] of next.logits) values[id] = logit;
        return values;
      });
    },
    async continued(ids, count) {
      await sequence.clearHistory();
      const tokens = [];
      for await (const token of sequence.evaluate([...ids], { temperature: 0, yieldEogToken: true })) {
        tokens.push(token);
        if (tokens.length === count) break;
      }
      return tokens;
    },
    async close() {
      await context.dispose();
      await model.dispose();
    },
  };
}
