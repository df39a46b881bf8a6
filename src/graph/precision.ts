// A graph and a choice for its nodes -> the type that each floating value has, where not all is computed in float32.
import type { Graph } from "./graph.js";
import type { Node, Value } from "./value.js";

/** The two types in which floating values are computed. */
export type Floating = "float32" | "float16";

/** Which type the floating values of a model have. */
export interface Precision {
  /** What a node computes in; `same`: in the type of its first floating input, which it only moves. */
  readonly ofNode: (node: Node) => Floating | "same";
  readonly ofInput: (name: string) => Floating;
  readonly ofResult: (name: string) => Floating;
}

/** Whether a value is one of those whose type is chosen. */
export function isFloating({ dtype }: Value): boolean {
  return dtype === "float32";
}

/** The type of every floating value by its name; weights have that of their file, constants are float32. */
export function typesOf(graph: Graph, precision: Precision): ReadonlyMap<string, Floating> {
  const types = new Map<string, Floating>();
  for (const { node, outputs } of graph.inputs)
    if (isFloating(node.outputs[0]!)) types.set(outputs[0]!, precision.ofInput(outputs[0]!));
  for (const { node, outputs } of graph.weights) {
    const entry = node.source?.kind === "weight" ? node.source.entry : undefined;
    if (isFloating(node.outputs[0]!)) types.set(outputs[0]!, entry?.dtype === "F16" ? "float16" : "float32");
  }
  for (const { node, inputs, outputs } of graph.steps) {
    const first = inputs.find((_, i) => isFloating(node.inputs[i]!));
    const chosen = precision.ofNode(node);
    const type = chosen === "same" ? (types.get(first ?? "") ?? "float32") : chosen;
    for (const [i, name] of outputs.entries()) if (isFloating(node.outputs[i]!)) types.set(name, type);
  }
  return types;
}
