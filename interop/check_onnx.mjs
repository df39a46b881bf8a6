// Exported ONNX folders -> whether transformers.js in Node continues prompts, computes logits and cuts text into tokens as phinetune does.
// Run: npm run build && cd interop && npm install && node check_onnx.mjs [FOLDER OF A LLAMA MODEL]
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AutoModelForCausalLM, AutoTokenizer, env, Tensor } from "@huggingface/transformers";
import { same } from "./models.mjs";
import { DTYPES, models, NEW_TOKENS, prepare, TEXTS } from "./onnx_cases.mjs";

const work = mkdtempSync(join(tmpdir(), "phinetune-onnx-"));
env.allowRemoteModels = false;
env.localModelPath = join(work, "onnx/");
const ROWS = { rows: 6, length: 96 };

const report = (...cells) => console.log(`| ${cells.join(" | ")} |`);
const wrong = [];
const tensor = (rows) => new Tensor("int64", BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0].length]);

/** Greedy continuations, each prompt alone. */
async function continued(model, prompts) {
  const rows = [];
  for (const prompt of prompts) {
    const output = await model.generate({
      input_ids: tensor([prompt]),
      attention_mask: tensor([prompt.map(() => 1)]),
      max_new_tokens: NEW_TOKENS,
      do_sample: false,
      eos_token_id: null,
    });
    rows.push(Array.from(output.data, Number).slice(prompt.length));
  }
  return rows;
}

/** The same prompts in one batch, shorter ones filled up on the left. */
async function continuedTogether(model, prompts) {
  const longest = Math.max(...prompts.map(({ length }) => length));
  const filled = (value) => prompts.map((prompt) => [...new Array(longest - prompt.length).fill(0), ...value(prompt)]);
  const output = await model.generate({
    input_ids: tensor(filled((prompt) => prompt)),
    attention_mask: tensor(filled((prompt) => prompt.map(() => 1))),
    max_new_tokens: NEW_TOKENS,
    do_sample: false,
    eos_token_id: null,
  });
  return output.tolist().map((row) => row.slice(longest).map(Number));
}

/** Logits of rows, and the mean loss of their tokens. */
async function logitsOf(model, rows) {
  let [sum, count] = [0, 0];
  const all = [];
  for (const row of rows) {
    const { logits } = await model({ input_ids: tensor([row]), attention_mask: tensor([row.map(() => 1)]) });
    const [, T, V] = logits.dims;
    const values = logits.data;
    all.push(values);
    for (let t = 0; t + 1 < T; t++) {
      const at = values.subarray(t * V, (t + 1) * V);
      const most = at.reduce((a, b) => Math.max(a, b));
      const total = at.reduce((a, b) => a + Math.exp(b - most), 0);
      sum += most + Math.log(total) - at[row[t + 1]];
      count++;
    }
  }
  return { loss: sum / count, logits: all };
}

report("model", "form", "type", "continuation", "in one batch", "loss", "largest difference of a logit");
for (const each of models(work, process.argv[2])) {
  if (process.env.ONLY && !process.env.ONLY.split(",").includes(each.name)) continue;
  const { name, prompts, encoded, forms } = await prepare(work, each, DTYPES, ROWS);
  const whole = prompts.length * NEW_TOKENS;
  for (const { form, id, continued: wanted, drawn } of forms) {
    let exact;
    for (const dtype of DTYPES) {
      const model = await AutoModelForCausalLM.from_pretrained(id, { dtype, local_files_only: true });
      const [alone, together] = [await continued(model, prompts), await continuedTogether(model, prompts)];
      const { loss, logits } = await logitsOf(model, drawn);
      exact ??= logits;
      let [most, largest] = [0, 0];
      for (const [i, row] of logits.entries())
        for (const [j, value] of row.entries()) {
          most = Math.max(most, Math.abs(value - exact[i][j]));
          largest = Math.max(largest, Math.abs(exact[i][j]));
        }
      const counts = [same(wanted, alone), same(wanted, together)];
      report(
        name,
        form,
        dtype,
        `${counts[0]} of ${whole}`,
        `${counts[1]} of ${whole}`,
        loss.toFixed(4),
        dtype === "fp32" ? "" : `${most.toPrecision(2)} of ${largest.toPrecision(3)}`,
      );
      if (dtype === "fp32" && counts.some((count) => count !== whole)) wrong.push(`${id} ${dtype}`);
      await model.dispose();
    }
  }
  report(name, "base against adapter", "", `${same(forms[0].continued, forms[1].continued)} of ${whole}`, "", "", "");
  const tokenizer = await AutoTokenizer.from_pretrained(forms[0].id, { local_files_only: true });
  const equal = TEXTS.filter((text, i) => {
    const found = tokenizer.encode(text);
    if (found.join() !== encoded[i].join()) console.log(JSON.stringify(text), encoded[i].join(" "), "/", found.join(" "));
    return found.join() === encoded[i].join();
  });
  report(name, "tokenizer", "", `${equal.length} of ${TEXTS.length} texts`, "", "", "");
  if (equal.length !== TEXTS.length) wrong.push(`${name} tokenizer`);
}
rmSync(work, { recursive: true, force: true });
console.log(wrong.length === 0 ? "all as it should be" : `differences: ${wrong.join(", ")}`);
process.exit(wrong.length === 0 ? 0 : 1);
