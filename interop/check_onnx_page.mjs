// Exported ONNX folders -> whether transformers.js in a web page, in Chromium without a window, continues prompts as phinetune does.
// Run: npm run build && cd interop && npm install && node check_onnx_page.mjs [--webgpu] [FOLDER OF A LLAMA MODEL]
// With --webgpu, models run on SwiftShader, which is a graphics processor in software: right, but slow.
import { spawn } from "node:child_process";
import { createReadStream, mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { same } from "./models.mjs";
import { models, NEW_TOKENS, prepare, TEXTS } from "./onnx_cases.mjs";

const webgpu = process.argv.includes("--webgpu");
const [llama] = process.argv.slice(2).filter((word) => !word.startsWith("--"));
const chromium = process.env.CHROMIUM ?? "chromium";
// float16 needs a device that has it; SwiftShader's has not.
const DTYPES = webgpu ? ["fp32", "q8", "q4"] : ["fp32", "fp16", "q8", "q4", "q4f16"];
const work = mkdtempSync(join(tmpdir(), "phinetune-page-"));
const modules = fileURLToPath(new URL("node_modules", import.meta.url));

const PAGE = `<!doctype html><script type="module">
const report = (result) => fetch("/result", { method: "POST", body: JSON.stringify(result) });
try {
  const { AutoModelForCausalLM, AutoTokenizer, env, Tensor } = await import("/modules/@huggingface/transformers/dist/transformers.min.js");
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = "/models/";
  env.useBrowserCache = false;
  env.backends.onnx.wasm.wasmPaths = "/modules/onnxruntime-web/dist/";
  const { cases, newTokens, device } = await (await fetch("/cases")).json();
  for (const { id, dtype, prompts, text } of cases) {
    const started = performance.now();
    const model = await AutoModelForCausalLM.from_pretrained(id, { dtype, device });
    const loaded = performance.now();
    const rows = [];
    for (const prompt of prompts) {
      const output = await model.generate({
        input_ids: new Tensor("int64", BigInt64Array.from(prompt, BigInt), [1, prompt.length]),
        attention_mask: new Tensor("int64", new BigInt64Array(prompt.length).fill(1n), [1, prompt.length]),
        max_new_tokens: newTokens, do_sample: false, eos_token_id: null,
      });
      rows.push(Array.from(output.data, Number).slice(prompt.length));
    }
    const done = performance.now();
    const tokenizer = await AutoTokenizer.from_pretrained(id);
    await report({ id, dtype, rows, ids: tokenizer.encode(text), load: loaded - started, run: done - loaded });
    await model.dispose();
  }
  await report({ done: true });
} catch (error) {
  await report({ error: String(error?.stack ?? error) });
}
</script>`;

const TYPES = { ".js": "text/javascript", ".mjs": "text/javascript", ".json": "application/json", ".wasm": "application/wasm" };

/** Serves the page, the packages and the models, and hears what the page found. */
function serve(cases, hear) {
  const server = createServer((request, response) => {
    // So isolated, a page may use threads.
    const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
    const path = normalize(decodeURIComponent(new URL(request.url, "http://localhost").pathname));
    if (path === "/result") {
      let body = "";
      request.on("data", (piece) => (body += piece));
      request.on("end", () => {
        response.end();
        hear(JSON.parse(body));
      });
      return;
    }
    const send = (type, text) => response.writeHead(200, { ...headers, "Content-Type": type }).end(text);
    if (path === "/") return send("text/html", PAGE);
    if (path === "/cases") return send("application/json", JSON.stringify(cases));
    const file = path.startsWith("/modules/")
      ? join(modules, path.slice("/modules/".length))
      : join(work, "onnx", path.replace(/^\/models\//, ""));
    const size = statSync(file, { throwIfNoEntry: false })?.size;
    if (size === undefined) return response.writeHead(404).end();
    const type = TYPES[extname(file)] ?? "application/octet-stream";
    response.writeHead(200, { ...headers, "Content-Type": type, "Content-Length": size });
    createReadStream(file).pipe(response);
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

const wanted = new Map();
const cases = [];
for (const each of models(work, llama)) {
  if (process.env.ONLY && !process.env.ONLY.split(",").includes(each.name)) continue;
  const { name, prompts, encoded, forms } = await prepare(work, each, DTYPES, {});
  for (const { form, id, continued } of forms) {
    wanted.set(id, { name, form, continued, ids: encoded[0] });
    for (const dtype of DTYPES) cases.push({ id, dtype, prompts, text: TEXTS[0] });
  }
}

const report = (...cells) => console.log(`| ${cells.join(" | ")} |`);
const wrong = [];
report("model", "form", "type", "continuation", "token ids", "loaded", "72 tokens");
let finish;
const finished = new Promise((resolve) => (finish = resolve));
const server = await serve({ cases, newTokens: NEW_TOKENS, device: webgpu ? "webgpu" : "wasm" }, (result) => {
  if (result.error) wrong.push(result.error);
  if (result.error || result.done) return finish();
  const { name, form, continued, ids } = wanted.get(result.id);
  const [equal, whole] = [same(continued, result.rows), continued.length * NEW_TOKENS];
  const words = ids.join() === result.ids.join();
  const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;
  report(name, form, result.dtype, `${equal} of ${whole}`, words, seconds(result.load), seconds(result.run));
  if ((result.dtype === "fp32" && equal !== whole) || !words) wrong.push(`${result.id} ${result.dtype}`);
});
const gpu = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"];
const flags = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--no-first-run", ...(webgpu ? gpu : [])];
const browser = spawn(
  chromium,
  [...flags, `--user-data-dir=${join(work, "profile")}`, `http://127.0.0.1:${server.address().port}/`],
  { stdio: "ignore" },
);
browser.once("exit", (code) => {
  wrong.push(`the browser ended with code ${code}`);
  finish();
});
const timer = setTimeout(() => {
  wrong.push("the page did not finish in 20 minutes");
  finish();
}, 20 * 60_000);
await finished;
clearTimeout(timer);
browser.removeAllListeners("exit");
const gone = new Promise((resolve) => browser.once("exit", resolve));
browser.kill();
await gone;
server.closeAllConnections();
server.close();
rmSync(work, { recursive: true, force: true, maxRetries: 5 });
console.log(wrong.length === 0 ? "all as it should be" : `differences: ${wrong.join(", ")}`);
process.exit(wrong.length === 0 ? 0 : 1);
