// ONNX's messages and tensors -> a model file, and files of tensors beside it where one would be too large; a tensor at a time.
// Source: https://protobuf.dev/programming-guides/encoding/ and https://onnx.ai/onnx/repo-docs/ExternalData.html
import { basename } from "node:path";
import { toBinary } from "@bufbuild/protobuf";
import { writeFileAtomically } from "../../formats/atomic.js";
import type { TensorEntry } from "../../formats/tensor.js";
import type { Graph } from "../../graph/graph.js";
import { type OnnxForm, onnxModel, weightHead } from "../../graph/onnx.js";
import {
  GraphProtoSchema,
  ModelProtoSchema,
  type TensorProto,
  TensorProtoSchema,
} from "../../graph/onnx_pb.js";
import type { StoredTensor } from "./weights.js";

/** Offsets are multiples of a page, so that a runtime can map the file. */
const PAGE = 4096;

/** Where each tensor of a model lies. */
export interface OnnxLayout {
  readonly path: string;
  /** By name; those in the model file itself have its path and no offset that means anything. */
  readonly entries: ReadonlyMap<string, TensorEntry>;
  /** Files beside the model's, in order, with what they hold; none where the model holds all. */
  readonly beside: readonly { readonly path: string; readonly tensors: readonly StoredTensor[] }[];
}

/**
 * Divides tensors: into the model's file where they are within the limit together, else into files beside it that are,
 * called as transformers.js calls them: model.onnx_data, model.onnx_data_1, ….
 * @param limit bytes of a file; one larger tensor has a file of its own
 */
export function layOut(path: string, tensors: readonly StoredTensor[], limit: number): OnnxLayout {
  const entries = new Map<string, TensorEntry>();
  const beside: { path: string; tensors: StoredTensor[] }[] = [];
  const isWhole = tensors.reduce((sum, { length }) => sum + length, 0) <= limit;
  let end = 0;
  for (const tensor of tensors) {
    const { name, dtype, shape, length } = tensor;
    let [file, offset] = [path, 0];
    if (!isWhole) {
      offset = padded(end);
      if (beside.length === 0 || (offset > 0 && offset + length > limit)) {
        beside.push({ path: `${path}_data${beside.length === 0 ? "" : `_${beside.length}`}`, tensors: [] });
        offset = 0;
      }
      beside.at(-1)!.tensors.push(tensor);
      file = beside.at(-1)!.path;
      end = offset + length;
    }
    entries.set(name, { name, dtype, shape, file, offset, length });
  }
  return { path, entries, beside };
}

/** A tensor that a run may replace: it stands among the model's inputs as well. */
export type DefaultInput = TensorProto;

/**
 * Writes model and files beside it.
 * @param graph whose weights are the entries of the layout
 * @param defaults values of inputs that need not be given
 * @param onTensor is told of each tensor written
 */
export async function writeOnnx(
  { path, beside }: OnnxLayout,
  graph: Graph,
  tensors: readonly StoredTensor[],
  form: OnnxForm,
  defaults: readonly DefaultInput[],
  onTensor: () => void,
): Promise<void> {
  for (const file of beside) await writeFileAtomically(file.path, besidePieces(file.tensors, onTensor));
  const isWhole = beside.length === 0;
  const model = onnxModel(graph, ({ file }) => (isWhole ? undefined : basename(file)), form);
  model.graph!.initializer.push(...defaults);
  await writeFileAtomically(path, modelPieces());

  async function* modelPieces(): AsyncGenerator<Uint8Array> {
    const body = toBinary(GraphProtoSchema, model.graph!);
    delete model.graph;
    const heads = new Map(graph.weights.map((weight) => [weight.outputs[0]!, weightHead(weight)]));
    const inside = isWhole ? tensors : [];
    const parts = inside.map((tensor) => {
      const head = toBinary(TensorProtoSchema, heads.get(tensor.name)!);
      const data = field(RAW_DATA, tensor.length);
      const length = head.length + data.length + tensor.length;
      return { tensor, head: Buffer.concat([field(INITIALIZER, length), head, data]) };
    });
    const size = parts.reduce((sum, { head, tensor }) => sum + head.length + tensor.length, body.length);
    yield toBinary(ModelProtoSchema, model);
    yield field(GRAPH, size);
    yield body;
    for (const { tensor, head } of parts) {
      yield head;
      yield await tensor.bytes();
      onTensor();
    }
  }
}

async function* besidePieces(
  tensors: readonly StoredTensor[],
  onTensor: () => void,
): AsyncGenerator<Uint8Array> {
  let end = 0;
  for (const { length, bytes } of tensors) {
    yield new Uint8Array(padded(end) - end);
    yield await bytes();
    end = padded(end) + length;
    onTensor();
  }
}

function padded(end: number): number {
  return Math.ceil(end / PAGE) * PAGE;
}

// Numbers of fields that hold bytes: ModelProto.graph, GraphProto.initializer, TensorProto.raw_data.
const GRAPH = 7;
const INITIALIZER = 5;
const RAW_DATA = 9;

/** What stands before the bytes of a field: its number, that it has a length, and the length. */
function field(number: number, length: number): Uint8Array {
  const bytes = [(number << 3) | 2];
  let rest = length;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Uint8Array.from([...bytes, rest]);
}
