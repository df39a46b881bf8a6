// A block of nodes -> copies of its values, which are computed when the gradients above the block are done: nothing inside
// the block has to be kept until then. Source of the idea: https://arxiv.org/abs/1604.06174
import { after } from "./ops/order.js";
import { atPath, type Block, copyNode, type Node, type Value } from "./value.js";

/**
 * Copies of values of `block`, made when they are asked for.
 * @param gate a fence around what has to be computed before
 * @param copiesOf those of another block, whose results are not kept
 */
export function recomputation(
  block: Block,
  gate: Value,
  copiesOf: (block: Block) => (value: Value) => Value,
): (value: Value) => Value {
  const copies = new Map<Node, Node>();
  const entered = new Map<Value, Value>();

  function copyOf(value: Value): Value {
    const { node, output } = value;
    if (node.block !== block) return entering(value);
    const copy = copies.get(node) ?? copyNode(node, node.inputs.map(copyOf));
    copies.set(node, copy);
    return copy.outputs[output]!;
  }

  /** What comes from outside waits, but for weights, constants and parameters: they lie in memory anyway. */
  function entering(value: Value): Value {
    if (!value.shape.some((dim) => typeof dim === "string")) return value;
    const origin = value.node.block;
    if (origin && !origin.keepsResults) return copiesOf(origin)(value);
    const known = entered.get(value) ?? atPath(block.path, () => after(value, gate));
    entered.set(value, known);
    return known;
  }
  return copyOf;
}
