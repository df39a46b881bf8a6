// Reverse-mode differentiation: from a scalar loss to the gradients of the values asked for, as further nodes of the graph.
import { fail } from "../errors.js";
import { sameShape } from "./dims.js";
import { add } from "./ops/elementwise.js";
import { atPath, type Node, type Op, printType, type Rule, relabel, scalar, type Value } from "./value.js";

/**
 * Gradients of `loss` with respect to each of `targets`.
 * Only nodes that lie between the targets and the loss are walked, so a frozen weight has no gradient and costs nothing.
 * @throws when a target does not influence the loss, or only through an op without a gradient.
 */
export function gradients(loss: Value, targets: readonly Value[]): readonly Value[] {
  if (loss.shape.length !== 0) fail("graph", `the loss has type ${printType(loss)}; it must be a scalar`);
  const order = topologicalOrder([loss]);
  const onPath = nodesTouching(order, new Set(targets.map((target) => target.node)));
  const incoming = new Map<Value, Value>([[loss, scalar(1)]]);

  for (const node of [...order].reverse()) {
    const y = node.outputs[0]!;
    const g = incoming.get(y);
    if (!g || !node.op || !onPath.has(node)) continue;
    for (const [index, x] of node.inputs.entries()) {
      if (!onPath.has(x.node) || !isFloating(x)) continue;
      if (x.output !== 0)
        fail("graph", `a gradient would flow into by-product ${x.output} of ${x.node.label}`, {
          where: node.label,
        });
      const rule = ruleOf(node.op, index);
      if (!rule) continue;
      const contribution = applyRule(rule, g, node, x);
      const known = incoming.get(x);
      incoming.set(x, known ? atPath(`${x.node.label}_grad`, () => add(known, contribution)) : contribution);
    }
  }
  return targets.map((target) => {
    const gradient = incoming.get(target);
    if (!gradient) fail("graph", `${target.node.label} does not influence the loss, so it has no gradient`);
    return relabelled(gradient, `${target.node.label}_grad`);
  });
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

function applyRule(rule: Rule, g: Value, node: Node, x: Value): Value {
  const contribution = atPath(`${node.label}_grad`, () => rule(g, node));
  if (!sameShape(contribution.shape, x.shape)) {
    fail("graph", `the gradient has type ${printType(contribution)} but its value ${printType(x)}`, {
      where: node.label,
    });
  }
  return contribution;
}

/** The gradient of a target bears its name, unless it is a value that has one already (another gradient or an input). */
function relabelled(gradient: Value, label: string): Value {
  return gradient.node.source ? gradient : relabel(gradient, label);
}

/** All nodes that the values depend on, each after its inputs. */
export function topologicalOrder(values: readonly Value[]): readonly Node[] {
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
      for (const { node: before } of [...node.inputs].reverse())
        if (!seen.has(before)) stack.push({ node: before, expanded: false });
    }
  }
  return order;
}

function nodesTouching(order: readonly Node[], targets: ReadonlySet<Node>): ReadonlySet<Node> {
  const touching = new Set<Node>();
  for (const node of order) {
    if (targets.has(node) || node.inputs.some((x) => touching.has(x.node))) touching.add(node);
  }
  return touching;
}
