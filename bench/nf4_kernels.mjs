// Times ways to multiply with a weight in NF4, each alone, beside float32; prints seconds, peak memory and exactness. Run `npm run build` first.
// node bench/nf4_kernels.mjs [--rows 512] [--out 8192] [--in 2048] [--rounds 7] [--threads 2] [--only forward-matmulbnb4]
import { execFileSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openSafetensors, writeSafetensors } from "../dist/formats/safetensors.js";
import { createGraph } from "../dist/graph/graph.js";
import { dequantizeNf4, NF4_CODE, nf4Linear } from "../dist/graph/ops/nf4.js";
import { gemm } from "../dist/graph/ops.js";
import { apply, constant, input, weight } from "../dist/graph/value.js";
import { quantizeFactors, quantizeNf4 } from "../dist/quantize/nf4.js";
import { createRandom } from "../dist/random.js";
import { createSession } from "../dist/runtime/session.js";

const { values: given } = parseArgs({
  options: {
    rows: { type: "string", default: "512" },
    out: { type: "string", default: "8192" },
    in: { type: "string", default: "2048" },
    rounds: { type: "string", default: "7" },
    threads: { type: "string", default: "2" },
    only: { type: "string" },
    weights: { type: "string" },
  },
});
const [M, O, I] = [given.rows, given.out, given.in].map(Number);
const random = createRandom(1, "bench");

/** A weight in float32 and in NF4, in files. */
async function writeWeights() {
  const folder = mkdtempSync(join(tmpdir(), "phinetune-nf4-"));
  const numbers = Float32Array.from({ length: O * I }, () => random.nextFloat() - 0.5);
  const { packed, absmax } = await quantizeNf4(O * I, async (from, to) => numbers.slice(from, to));
  const { places, scale, offset } = quantizeFactors(absmax);
  const bytes = (view) => new Uint8Array(view.buffer);
  const file = join(folder, "weights.safetensors");
  await writeSafetensors(
    file,
    new Map([
      ["w", { dtype: "F32", shape: [O, I], bytes: bytes(numbers) }],
      ["scale", { dtype: "F32", shape: [scale.length, 1], bytes: bytes(scale) }],
      ["offset", { dtype: "F32", shape: [], bytes: bytes(offset) }],
      ["plain", { dtype: "F32", shape: [absmax.length], bytes: bytes(absmax) }],
      ["absmax", { dtype: "U8", shape: [scale.length, 256], bytes: places }],
      ["packed", { dtype: "U8", shape: [packed.length], bytes: packed }],
    ]),
  );
  return file;
}

/** An op that only this file knows. @param emit writes its nodes */
const own = (name, shape, emit) => ({
  name,
  weights: "unexpanded",
  infer: () => [{ dtype: "float32", shape }],
  vjp: () => null,
  onnx: (emitter, inputs, outputs) => emit(emitter, inputs, outputs),
});
const INT32 = 6;

/** Each byte picks its two numbers out of 256 pairs; then blocks are multiplied by their factors. */
function byPairs(packed, plain) {
  const pairs = Float32Array.from({ length: 512 }, (_, i) => NF4_CODE[i % 2 === 0 ? i >> 5 : (i >> 1) & 15]);
  const op = own("byPairs", [O, I], (emit, [bytes, table, factors], outputs) => {
    const [places, numbers, blocks, column, scaled] = ["a", "b", "c", "d", "e"].map(emit.fresh);
    emit.early("Cast", [bytes], [places], { to: INT32 });
    emit.early("Gather", [table, places], [numbers], { axis: 0 });
    emit.early("Reshape", [numbers, emit.int64([-1, 64])], [blocks]);
    emit.early("Reshape", [factors, emit.int64([-1, 1])], [column]);
    emit.early("Mul", [blocks, column], [scaled]);
    emit.early("Reshape", [scaled, emit.int64([O, I])], outputs);
  });
  return apply(op, [packed, constant(pairs, [256, 2]), plain]);
}

/** The weight as so many matrices, of every so manieth column, for which an identity is multiplied; as many products. */
function byColumns(count, g, packed, plain) {
  const identity = Float32Array.from({ length: count * count }, (_, i) => (i % (count + 1) === 0 ? 1 : 0));
  const op = own("byColumns", ["M", I], (emit, [x, one, bytes, factors], outputs) => {
    const [turned, parts, products, back] = ["a", "b", "c", "d"].map(emit.fresh);
    const attributes = { N: (O * I) / count, K: count, block_size: 64, quant_type: 1 };
    emit.early("MatMulBnb4", [one, bytes, factors], [turned], attributes, "com.microsoft");
    emit.early("Reshape", [turned, emit.int64([count, O, I / count])], [parts]);
    emit.node("MatMul", [x, parts], [products]);
    emit.node("Transpose", [products], [back], { perm: { ints: [1, 2, 0] } });
    emit.node("Reshape", [back, emit.int64([-1, I])], outputs);
  });
  return apply(op, [g, constant(identity, [count, count]), packed, plain]);
}

const ways = {
  "forward float32": ({ x, w }) => gemm(x, w, { transB: true }),
  "forward MatMulBnb4": ({ x, nf4 }) => nf4Linear(x, nf4),
  "forward MatMulBnb4, plain factors": ({ x, plainNf4 }) => nf4Linear(x, plainNf4),
  "forward dequantised, Gemm": ({ x, nf4 }) => gemm(x, dequantizeNf4(nf4), { transB: true }),
  "forward by pairs, Gemm": ({ x, packed, plain }) => gemm(x, byPairs(packed, plain), { transB: true }),
  "gradient float32": ({ g, w }) => gemm(g, w),
  "gradient dequantised, Gemm": ({ g, nf4 }) => gemm(g, dequantizeNf4(nf4)),
  "gradient by pairs, Gemm": ({ g, packed, plain }) => gemm(g, byPairs(packed, plain)),
  ...Object.fromEntries(
    [1, 2, 4, 8, 16, 32].map((count) => [
      `gradient by ${count} columns`,
      ({ g, packed, plain }) => byColumns(count, g, packed, plain),
    ]),
  ),
};

async function measure(name, file) {
  const { entries } = await openSafetensors(file);
  const leaf = (key) => weight(key, entries.get(key));
  const packed = leaf("packed");
  const nested = { scale: leaf("scale"), offset: leaf("offset") };
  const parts = {
    x: input("x", "float32", ["M", I]),
    g: input("g", "float32", ["M", O]),
    w: leaf("w"),
    packed,
    plain: leaf("plain"),
    nf4: { out: O, in: I, packed, absmax: leaf("absmax"), nested },
    plainNf4: { out: O, in: I, packed, absmax: leaf("plain"), nested: undefined },
  };
  const y = ways[name](parts);
  const graph = createGraph({ y });
  const before = process.memoryUsage.rss();
  const session = await createSession(graph, { numThreads: Number(given.threads) });
  const size = name.startsWith("gradient") ? O : I;
  const data = Float32Array.from({ length: M * size }, () => random.nextFloat() - 0.5);
  const feeds = Object.fromEntries(
    graph.inputs.map(({ outputs: [key] }) => [key, { dims: [M, size], data }]),
  );
  const seconds = [];
  const cpu = process.cpuUsage();
  for (let round = 0; round <= Number(given.rounds); round++) {
    const started = performance.now();
    await session.run(feeds);
    if (round > 0) seconds.push((performance.now() - started) / 1000);
  }
  const { user, system } = process.cpuUsage(cpu);
  seconds.sort((a, b) => a - b);
  return {
    best_ms: Math.round(1000 * seconds[0]),
    median_ms: Math.round(1000 * seconds[seconds.length >> 1]),
    processor_ms: Math.round((user + system) / 1000 / (Number(given.rounds) + 1)),
    peak_mib: Math.round((process.resourceUsage().maxRSS * 1024 - before) / 2 ** 20),
  };
}

if (given.only) console.log(JSON.stringify(await measure(given.only, given.weights)));
else {
  const file = await writeWeights();
  for (const name of Object.keys(ways)) {
    const words = [
      fileURLToPath(import.meta.url),
      ...process.argv.slice(2),
      "--only",
      name,
      "--weights",
      file,
    ];
    console.log(name.padEnd(36), execFileSync(process.execPath, words, { encoding: "utf8" }).trim());
  }
}
