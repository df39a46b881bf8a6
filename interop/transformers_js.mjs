// An exported ONNX folder -> transformers.js in Node, asked for logits of given tokens and for greedy continuations.
import { basename, dirname } from "node:path";
import { AutoModelForCausalLM, env, Tensor } from "@huggingface/transformers";

env.allowRemoteModels = false;
/** int64 [rows, T] */
const tensor = (rows) =>
  new Tensor("int64", BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0].length]);
/** As llama_cpp.mjs has it. @param outside further inputs of the graph; continuations do not know them */
export async function transformersJs(folder, dtype, outside = {}) {
  env.localModelPath = `${dirname(folder)}/`;
  const options = { dtype, local_files_only: true, session_options: { intraOpNumThreads: 1 } };
  const model = await AutoModelForCausalLM.from_pretrained(basename(folder), options);
  const more = Object.fromEntries(
    Object.entries(outside).map(([name, { data, shape }]) => [name, new Tensor("float32", data, shape)]),
  );
  async function continued(rows, count) {
    const longest = Math.max(...rows.map(({ length }) => length));
    const filled = (value) => rows.map((row) => [...new Array(longest - row.length).fill(0), ...row.map(value)]);
    const output = await model.generate({
      input_ids: tensor(filled((id) => id)),
      attention_mask: tensor(filled(() => 1)),
      ...{ max_new_tokens: count, do_sample: false, eos_token_id: null },
    });
    return output.tolist().map((row) => row.slice(longest).map(Number));
  }
  return {
    async logits(ids, first) {
      const inputs = { input_ids: tensor([ids]), attention_mask: tensor([ids.map(() => 1)]) };
      const { logits } = await model({ ...inputs, ...more });
      const [, T, V] = logits.dims;
      return Array.from({ length: T - first + 1 }, (_, i) => logits.data.subarray((first - 1 + i) * V, (first + i) * V));
    },
    continued: async (ids, count) => (await continued([ids], count))[0],
    /** Rows in one batch, shorter ones filled up on the left. */
    continuedTogether: continued,
    close: () => model.dispose(),
  };
}
