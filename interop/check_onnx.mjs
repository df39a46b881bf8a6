// Exported ONNX folders -> whether transformers.js in Node continues prompts, computes logits and cuts text into tokens as phinetune does.
// Run: npm run build && cd interop && npm install && node check_onnx.mjs [FOLDER OF A LLAMA MODEL]
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AutoTokenizer, env } from "@huggingface/transformers";
import { same } from "./models.mjs";
import { DTYPES, models, NEW_TOKENS, prepare, TEXTS } from "./onnx_cases.mjs";
import { distance, lossOf } from "./scores.mjs";
import { transformersJs } from "./transformers_js.mjs";

const work = mkdtempSync(join(tmpdir(), "phinetune-onnx-"));
env.localModelPath = join(work, "onnx/");
const ROWS = { rows: 6, length: 96 };

const report = (...cells) => console.log(`| ${cells.join(" | ")} |`);
const wrong = [];

/** Greedy continuations, each prompt alone. */
async function continuedAlone(program, prompts) {
  const rows = [];
  for (const prompt of prompts) rows.push(await program.continued(prompt, NEW_TOKENS));
  return rows;
}

/** Logits of rows, and the mean loss of their tokens. */
async function logitsOf(program, rows) {
  let [sum, count] = [0, 0];
  const all = [];
  for (const row of rows) {
    const logits = await program.logits(row, 1);
    all.push(logits);
    for (const [t, values] of logits.slice(0, -1).entries()) {
      sum += lossOf(values, row[t + 1]);
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
      const program = await transformersJs(join(work, "onnx", id), dtype);
      const [alone, together] = [await continuedAlone(program, prompts), await program.continuedTogether(prompts, NEW_TOKENS)];
      const { loss, logits } = await logitsOf(program, drawn);
      exact ??= logits;
      const { difference, largest } = distance(exact, logits);
      const counts = [same(wanted, alone), same(wanted, together)];
      report(
        name,
        form,
        dtype,
        `${counts[0]} of ${whole}`,
        `${counts[1]} of ${whole}`,
        loss.toFixed(4),
        dtype === "fp32" ? "" : `${difference.toPrecision(2)} of ${largest.toPrecision(3)}`,
      );
      if (dtype === "fp32" && counts.some((count) => count !== whole)) wrong.push(`${id} ${dtype}`);
      await program.close();
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
