// An adapter -> its A and B as inputs of a model, and the files that hold their values.
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import type { Target } from "../../adapters/method.js";
import type { Adapter, AdapterPlan, TrainingPlan } from "../../adapters/plan.js";
import { type Fault, failIfAny } from "../../errors.js";
import { writeFileAtomically } from "../../formats/atomic.js";
import { writeSafetensors } from "../../formats/safetensors.js";
import { f32Tensor, type Tensor } from "../../formats/tensor.js";
import { type TensorProto, TensorProtoSchema } from "../../graph/onnx_pb.js";
import { onnxElementType } from "../../graph/ops/shape.js";
import { encodeOnnxAdapter } from "./adapter_file.js";

/** The plan of a graph whose inputs are A and B with the scale in B. @throws PhinetuneError with all that cannot be an input */
export function inputPlan({ plan }: Adapter): TrainingPlan {
  const others = plan.parameters.filter(({ kind }) => kind !== "adapter");
  const faults: Fault[] = others.slice(0, 1).map(({ name }) => ({
    code: "adapter",
    what: `${others.length} tensors of the adapter (${name}, …) are no A or B of a layer, which alone can be inputs`,
    fix: "work the adapter into the model: leave --lora-inputs out",
  }));
  failIfAny(faults);
  const targets = [...plan.targets].map(([path, target]): [string, Target] => [
    path,
    { ...target, scale: 1 },
  ]);
  return { ...plan, targets: new Map(targets) };
}

/** Empty values of the inputs: an adapter of rank 0, which changes nothing. */
export function emptyDefaults({ parameters }: TrainingPlan): readonly TensorProto[] {
  return parameters.map(({ name, shape }) =>
    create(TensorProtoSchema, {
      name,
      dims: (isA(name) ? [0, shape[1]!] : [shape[0]!, 0]).map(BigInt),
      dataType: onnxElementType.float32,
      rawData: new Uint8Array(0),
    }),
  );
}

/** Whether a parameter is the A of its layer. */
export function isA(name: string): boolean {
  return /\.lora_(embedding_)?A(\.weight)?$/.test(name);
}

/** Writes the values of the inputs by name: adapter.safetensors, and adapter.onnx_adapter for onnxruntime's own interface. */
export async function saveAdapterFiles(folder: string, adapter: Adapter): Promise<void> {
  const tensors = inputValues(adapter);
  await writeSafetensors(join(folder, "adapter.safetensors"), tensors, { format: "pt" });
  await writeFileAtomically(join(folder, "adapter.onnx_adapter"), encodeOnnxAdapter(tensors));
}

function inputValues({ plan, values }: Adapter): ReadonlyMap<string, Tensor> {
  return new Map(
    plan.parameters.map(({ name, shape }) => {
      const own = values.get(name)!;
      const scale = isA(name) ? 1 : scaleOf(plan, name);
      return [name, f32Tensor(shape, scale === 1 ? own : own.map((value) => scale * value))];
    }),
  );
}

function scaleOf({ targets }: AdapterPlan, name: string): number {
  return targets.get(name.slice(0, name.indexOf(".lora_")))!.scale;
}
