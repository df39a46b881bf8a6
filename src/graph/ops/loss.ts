// Cross-entropy of logits against token ids.
import { apply, applyAll, failShape, type Op, type Value } from "../value.js";
import { mul } from "./elementwise.js";

// d(Σ loss)/d(logits) = g·(softmax(logits) − onehot(id)). The softmax of log-probabilities is that of the logits, which they
// overwrite: onnxruntime computes LogSoftmax and Softmax in place.
export const crossEntropyOp: Op = {
  name: "crossEntropy",
  infer: ([logits, ids]) => {
    const [rows] = logits!.shape;
    if (logits!.shape.length !== 2 || ids!.dtype !== "int64" || ids!.shape.join() !== `${rows}`)
      failShape("crossEntropy", [logits!, ids!], "logits [M,V] and int64 ids [M]");
    return [
      { dtype: "float32", shape: [] },
      { dtype: "float32", shape: [rows!] },
      { dtype: "float32", shape: logits!.shape },
    ];
  },
  vjp: [(g, { inputs: [, ids], outputs: [, , logs] }) => mul(softmaxMinusOneHot(logs!, ids!), g), null],
  onnx: (emit, [logits, ids], [sum, losses, logProbabilities]) => {
    const [column, picked, negative] = ["column", "picked", "negative"].map(emit.fresh);
    const logs = logProbabilities || emit.fresh("log_probabilities");
    const each = losses || emit.fresh("losses");
    const axis = emit.int64([1]);
    emit.node("LogSoftmax", [logits!], [logs], { axis: -1 });
    emit.node("Unsqueeze", [ids!, axis], [column!]);
    emit.node("GatherElements", [logs, column!], [picked!], { axis: 1 });
    emit.node("Neg", [picked!], [negative!]);
    emit.node("Squeeze", [negative!, axis], [each]);
    if (sum) emit.node("ReduceSum", [each, emit.int64([0])], [sum!], { keepdims: 0 });
  },
};

/**
 * Losses −log softmax(logits)[id] of M tokens.
 * @param logits [M, V]
 * @param ids [M] int64
 * @returns their sum, through which gradients flow, and each of them [M].
 */
export function crossEntropy(logits: Value, ids: Value): { sum: Value; losses: Value } {
  const [sum, losses] = applyAll(crossEntropyOp, [logits, ids]);
  return { sum: sum!, losses: losses! };
}

export const softmaxMinusOneHotOp: Op = {
  name: "softmaxMinusOneHot",
  infer: ([logits]) => [{ dtype: "float32", shape: logits!.shape }],
  // Only ever part of a first derivative.
  vjp: [null, null],
  onnx: (emit, [logits, ids], outputs, { inputs }) => {
    const [probabilities, column, minusOne] = ["probabilities", "column", "minus_one"].map(emit.fresh);
    emit.node("Softmax", [logits!], [probabilities!], { axis: -1 });
    emit.node("Unsqueeze", [ids!, emit.int64([1])], [column!]);
    emit.node("Expand", [emit.float32(-1), emit.shape([inputs[0]!.shape[0]!, 1])], [minusOne!]);
    emit.node("ScatterElements", [probabilities!, column!, minusOne!], outputs, {
      axis: 1,
      reduction: "add",
    });
  },
};

/** softmax(logits) with 1 subtracted at each row's id. */
export function softmaxMinusOneHot(logits: Value, ids: Value): Value {
  return apply(softmaxMinusOneHotOp, [logits, ids]);
}
