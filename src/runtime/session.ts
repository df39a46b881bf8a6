// A graph and inputs -> outputs, computed by onnxruntime. The only room that knows onnxruntime.
import { availableParallelism } from "node:os";
import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { fail } from "../errors.js";
import type { TensorEntry } from "../formats/tensor.js";
import { type Dim, evaluateDim } from "../graph/dims.js";
import type { Graph } from "../graph/graph.js";
import { emitOnnx } from "../graph/onnx.js";
import { type Op, printType } from "../graph/value.js";
import { failOnRuntime } from "./errors.js";
import { locateFiles } from "./locate.js";

/** Data of an input or output: int64 as bigints, bool as bytes. */
export type ArrayData = Float32Array | Int32Array | BigInt64Array | Uint8Array | Int8Array;

export interface NDArray {
  readonly dims: readonly number[];
  readonly data: ArrayData;
}

export interface SessionOptions {
  /** Threads inside an op; 0: one a processor. */
  readonly numThreads?: number | undefined;
  /** Where onnxruntime writes how long each node took, when the session is released: the beginning of the file's path. */
  readonly profile?: string | undefined;
}

/** A compiled graph. */
export interface Session {
  /** Computes all results for the given inputs, whose types are checked. */
  run(inputs: Readonly<Record<string, NDArray>>): Promise<Readonly<Record<string, NDArray>>>;
  /** Frees the memory; the session cannot be used afterwards. */
  release(): Promise<void>;
}

/** Compiles a graph for the CPU. Weights stay memory-mapped in their files; nothing is copied. */
export async function createSession(graph: Graph, options: SessionOptions = {}): Promise<Session> {
  const ort = await import("onnxruntime-node");
  const { folder, locate } = locateFiles(
    graph.weights.map(({ node }) => (node.source as { entry: TensorEntry }).entry.file),
  );
  const dtypes = new Set(
    graph.weights.map(({ node }) => (node.source as { entry: TensorEntry }).entry.dtype),
  );
  const has = (form: Op["weights"]) => graph.steps.some(({ node }) => node.op!.weights === form);
  const staysSmall = dtypes.has("F16") || dtypes.has("BF16") || has("unexpanded");
  const model = emitOnnx(graph, ({ file }) => locate(file));
  const sessionOptions: InferenceSession.SessionOptions = {
    executionProviders: ["cpu"],
    // Left to itself, onnxruntime runs on one thread where it takes two processors for one core.
    intraOpNumThreads: options.numThreads || availableParallelism(),
    interOpNumThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: "basic",
    enableMemPattern: false,
    // What it logs as an error it throws as well.
    logSeverityLevel: 4,
    ...(options.profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: options.profile }),
    extra: {
      session: {
        // Packed copies of float weights would double their memory. Those of 8-bit weights take the place of the mapped ones,
        // and without them onnxruntime packs a weight at each product, which takes as long as the product.
        disable_prepacking: has("packed") ? "0" : "1",
        ...(folder === undefined ? {} : { model_external_initializers_file_folder_path: folder }),
      },
      // Both would keep fp32 copies of 16-bit and 4-bit weights alive.
      optimization: staysSmall
        ? { disable_specified_optimizers: "ConstantFolding;CommonSubexpressionElimination" }
        : {},
    },
  };
  const session = await ort.InferenceSession.create(model, sessionOptions).catch((error: unknown) =>
    failOnRuntime("onnxruntime refused the graph", error),
  );
  const names = graph.results.map(({ name }) => name);

  return {
    async run(inputs) {
      const feeds: Record<string, OrtTensor> = {};
      const symbols: Record<string, number> = {};
      for (const { node, outputs } of graph.inputs) {
        const name = outputs[0]!;
        const given = inputs[name];
        const type = node.outputs[0]!;
        if (!given) fail("runtime", `input ${name}: ${printType(type)} is missing`);
        checkDims(name, given.dims, type.shape, symbols);
        feeds[name] = new ort.Tensor(type.dtype as "float32", given.data as Float32Array, given.dims);
      }
      const results = await session
        .run(feeds, names)
        .catch((error: unknown) => failOnRuntime("onnxruntime failed", error));
      const arrays: Record<string, NDArray> = {};
      for (const name of names)
        arrays[name] = { dims: results[name]!.dims, data: results[name]!.data as ArrayData };
      return arrays;
    },
    async release() {
      if (options.profile !== undefined) session.endProfiling();
      await session.release();
    },
  };
}

/** Holds dims against a shape; a size that is not known yet is learned. */
function checkDims(
  name: string,
  dims: readonly number[],
  shape: readonly Dim[],
  known: Record<string, number>,
): void {
  for (const [axis, dim] of shape.entries()) {
    const size = typeof dim === "number" ? dim : (known[dim] ?? evaluateDim(dim, known));
    if (Number.isNaN(size)) known[dim] = dims[axis]!;
    else if (size !== dims[axis] || dims.length !== shape.length) {
      fail(
        "runtime",
        `input ${name} has dims [${dims.join()}]; the graph wants [${shape.join()}] with ${JSON.stringify(known)}`,
      );
    }
  }
}

/** What int64 inputs are made of. */
export function int64(values: ArrayLike<number>): BigInt64Array {
  return BigInt64Array.from({ length: values.length }, (_, i) => BigInt(values[i]!));
}

/** Version of onnxruntime. */
export async function runtimeVersion(): Promise<string> {
  const { env } = await import("onnxruntime-node");
  return env.versions.node ?? env.versions.common;
}

/** What onnxruntime's package can compute on, as it was built. */
export async function runtimeProviders(): Promise<readonly string[]> {
  const { listSupportedBackends } = await import("onnxruntime-node");
  return listSupportedBackends().flatMap(({ name, bundled }) => (bundled ? [name] : []));
}
