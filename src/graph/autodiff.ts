// Reverse-mode differentiation: from a scalar loss, or from gradients that are known, to the gradients of the values asked for, as further nodes of the graph.
import { fail } from "../errors.js";
import { sameShape } from "./dims.js";
import { add } from "./ops/elementwise.js";
import { after, fence } from "./ops/order.js";
import { recomputation } from "./recompute.js";
import {
  atPath,
  type Block,
  type Node,
  type Op,
  printType,
  type Rule,
  type RuleContext,
  relabel,
  scalar,
  type Value,
} from "./value.js";

/**
 * Gradients of `loss` with respect to each of `targets`.
 * Only nodes that lie between the targets and the loss are walked, so a frozen weight has no gradient and costs nothing.
 * @throws when a target does not influence the loss, or only through an op without a gradient.
 */
export function gradients(loss: Value, targets: readonly Value[]): readonly Value[] {
  if (loss.shape.length !== 0) fail("graph", `the loss has type ${printType(loss)}; it must be a scalar`);
  const found = pullBack(new Map([[loss, scalar(1)]]), targets);
  return targets.map((target, i) => {
    const gradient = found[i];
    if (!gradient) fail("graph", `${target.node.label} does not influence the loss, so it has no gradient`);
    return relabelled(gradient, `${target.node.label}_grad`);
  });
}

/**
 * Carries gradients that are known of some values on to `targets`; undefined for a target that influences none of them.
 * A target may be among the known ones: then its own gradient is added to what comes to it.
 * Rules see values of a block as they are computed again, after the gradients of all that comes after the block.
 * @param beyond values whose own inputs do not count: nothing is carried past them
 */
export function pullBack(
  known: ReadonlyMap<Value, Value>,
  targets: readonly Value[],
  beyond: readonly Value[] = [],
): readonly (Value | undefined)[] {
  const ends = new Set(beyond.map(({ node }) => node));
  const order = topologicalOrder([...known.keys()], ends);
  const onPath = nodesTouching(order, new Set(targets.map((target) => target.node)), ends);
  const incoming = new Map(known);
  const again = new Map<Block, (value: Value) => Value>();
  const passed = new Set<Value>();

  /** The copies of a block's values, made when a rule first asks for them: when `g` is known, the gradient it is given. */
  const copiesOf = (block: Block, g: Value): ((value: Value) => Value) => {
    const made = again.get(block);
    if (made) return made;
    const gate = block.keepsResults ? gateOf(block) : atPath(block.path, () => fence([g]));
    const copies = recomputation(block, gate, (other) => copiesOf(other, g));
    again.set(block, copies);
    return copies;
  };

  /** What the copies of a large block wait for: all gradients so far. */
  const gateOf = (block: Block): Value => {
    const inner = [...incoming].filter(([value]) => value.node.block === block);
    const done = [...incoming].filter(([value, g]) => targets.includes(value) && !passed.has(g));
    // onnxruntime computes the last one first: the gradients that are nearest to the loss.
    const gate = atPath(block.path, () => fence([...inner, ...done.reverse()].map(([, g]) => g)));
    for (const [, g] of done) passed.add(g);
    for (const [value, g] of inner)
      incoming.set(
        value,
        atPath(block.path, () => after(g, gate)),
      );
    return gate;
  };

  /** What a rule sees of a node: copies where its values, or those that it reads, are not kept. */
  const seenOf = (node: Node, g: Value): RuleContext => {
    const { block, inputs, outputs, attributes } = node;
    if (block) {
      const copyOf = copiesOf(block, g);
      return { inputs: inputs.map(copyOf), outputs: outputs.map(copyOf), attributes };
    }
    if (inputs.every((x) => x.node.block?.keepsResults ?? true)) return node;
    const seen = inputs.map((x) => {
      const origin = x.node.block;
      return origin && !origin.keepsResults ? copiesOf(origin, g)(x) : x;
    });
    return { inputs: seen, outputs, attributes };
  };

  for (const node of [...order].reverse()) {
    if (ends.has(node)) continue;
    const y = node.outputs[0]!;
    if (!incoming.has(y) || !node.op || !onPath.has(node)) continue;
    const seen = seenOf(node, incoming.get(y)!);
    const g = incoming.get(y)!;
    for (const [index, x] of node.inputs.entries()) {
      if (!onPath.has(x.node) || !isFloating(x)) continue;
      if (x.output !== 0)
        fail("graph", `a gradient would flow into by-product ${x.output} of ${x.node.label}`, {
          where: node.label,
        });
      const rule = ruleOf(node.op, index);
      if (!rule) continue;
      const contribution = applyRule(rule, g, node, seen, x);
      const sum = incoming.get(x);
      incoming.set(x, sum ? atPath(`${x.node.label}_grad`, () => add(contribution, sum)) : contribution);
    }
  }
  return targets.map((target) => incoming.get(target));
}

/** Whole numbers and truth values have no slope. */
function isFloating({ dtype }: Value): boolean {
  return dtype === "float32" || dtype === "float16" || dtype === "bfloat16";
}

function ruleOf(op: Op, index: number): Rule | null {
  const rule = typeof op.vjp === "function" ? op.vjp(index) : op.vjp[index];
  if (rule === undefined) fail("graph", `op ${op.name} has no rule for input ${index}`);
  return rule;
}

function applyRule(rule: Rule, g: Value, node: Node, seen: RuleContext, x: Value): Value {
  const contribution = atPath(`${node.label}_grad`, () => rule(g, seen));
  if (!sameShape(contribution.shape, x.shape)) {
    fail("graph", `the gradient has type ${printType(contribution)} but its value ${printType(x)}`, {
      where: node.label,
    });
  }
  return contribution;
}

/** The gradient of a target bears its name, unless it is a value that has one already (another gradient or an input). */
export function relabelled(gradient: Value, label: string): Value {
  return gradient.node.source ? gradient : relabel(gradient, label);
}

/** All nodes that the values depend on, each after its inputs; what only the `ends` depend on is left out. */
export function topologicalOrder(
  values: readonly Value[],
  ends: ReadonlySet<Node> = new Set(),
): readonly Node[] {
  const order: Node[] = [];
  const seen = new Set<Node>();
  // An explicit stack: deep models would overflow the call stack.
  const stack: { node: Node; expanded: boolean }[] = [...values]
    .reverse()
    .map(({ node }) => ({ node, expanded: false }));
  while (stack.length > 0) {
    const { node, expanded } = stack.pop()!;
    if (expanded) order.push(node);
    else if (!seen.has(node)) {
      seen.add(node);
      stack.push({ node, expanded: true });
      if (ends.has(node)) continue;
      for (const { node: before } of [...node.inputs].reverse())
        if (!seen.has(before)) stack.push({ node: before, expanded: false });
    }
  }
  return order;
}

function nodesTouching(
  order: readonly Node[],
  targets: ReadonlySet<Node>,
  ends: ReadonlySet<Node>,
): ReadonlySet<Node> {
  const touching = new Set<Node>();
  for (const node of order) {
    const reached = !ends.has(node) && node.inputs.some((x) => touching.has(x.node));
    if (targets.has(node) || reached) touching.add(node);
  }
  return touching;
}
