// From the values asked for to a graph ready for emission: ordered, without repeated work, every value named once.
import { fail } from "../errors.js";
import { topologicalOrder } from "./autodiff.js";
import { type Dim, symbolsOf } from "./dims.js";
import { type Node, printType, type Value } from "./value.js";

/** A node whose values have names. */
export interface NamedNode {
  readonly node: Node;
  /** Names of its inputs. */
  readonly inputs: readonly string[];
  /** Names of its outputs; empty where nobody uses one. */
  readonly outputs: readonly string[];
}

export interface Graph {
  readonly inputs: readonly NamedNode[];
  readonly weights: readonly NamedNode[];
  readonly constants: readonly NamedNode[];
  /** Computations, each after what it depends on. */
  readonly steps: readonly NamedNode[];
  /** What the graph returns: a name for the outside and the name of the value inside. */
  readonly results: readonly { readonly name: string; readonly value: string; readonly of: Value }[];
}

/**
 * Builds the graph that computes `results`. Equal computations (same op, inputs and attributes) become one.
 * @throws when two inputs or weights of different content bear one name, or a size has a symbol that no input shows.
 */
export function createGraph(results: Readonly<Record<string, Value>>): Graph {
  const order = topologicalOrder(Object.values(results));
  const merged = new Map<Node, Node>();
  const byKey = new Map<string, Node>();
  const numbers = new Map<Node, number>();
  for (const node of order) {
    const key = contentKey(node, (other) => numbers.get(merged.get(other)!)!);
    const first = byKey.get(key) ?? node;
    byKey.set(key, first);
    merged.set(node, first);
    if (first === node) numbers.set(node, numbers.size);
  }

  const used = new Set<string>();
  const outputId = (value: Value) => `${numbers.get(merged.get(value.node)!)}:${value.output}`;
  for (const node of numbers.keys()) for (const x of node.inputs) used.add(outputId(x));
  for (const value of Object.values(results)) used.add(outputId(value));

  // A result bears its name inside as well, unless it is a leaf or has another result's name already.
  const resultNames = new Map<string, string>();
  for (const [name, value] of Object.entries(results)) {
    if (!value.node.source && !resultNames.has(outputId(value))) resultNames.set(outputId(value), name);
  }
  const taken = new Set<string>(Object.keys(results));
  // Leaves are known outside by their labels, so these are taken before anything else is named.
  for (const { source, label } of numbers.keys()) {
    if (!source || source.kind === "constant") continue;
    if (Object.hasOwn(results, label)) fail("graph", `a result has the name of the leaf ${label}`);
    if (taken.has(label)) fail("graph", `two different leaves are called ${label}`);
    taken.add(label);
  }
  const names = new Map<string, string>();
  const named = [...numbers.keys()].map((node): NamedNode => {
    const outputs = node.outputs.map((_, output) => {
      const id = `${numbers.get(node)}:${output}`;
      if (!used.has(id)) return "";
      const name = resultNames.get(id) ?? uniqueName(node, output, taken);
      names.set(id, name);
      return name;
    });
    return { node, inputs: node.inputs.map((x) => names.get(outputId(x))!), outputs };
  });

  const leaves = (kind: string) => named.filter(({ node }) => node.source?.kind === kind);
  const graph: Graph = {
    inputs: leaves("input"),
    weights: leaves("weight"),
    constants: leaves("constant"),
    steps: named.filter(({ node }) => node.op),
    results: Object.entries(results).map(([name, value]) => ({
      name,
      value: names.get(outputId(value))!,
      of: value,
    })),
  };
  verifySymbols(graph);
  return graph;
}

function contentKey(node: Node, numberOf: (node: Node) => number): string {
  if (node.source?.kind === "constant") {
    const { data } = node.source;
    // Large tables are compared by identity, small ones by content.
    const content =
      data.length <= 64
        ? [...data].map((x) => (Object.is(x, -0) ? "-0" : String(x))).join()
        : identityOf(data);
    return `constant ${printType(node.outputs[0]!)} ${content}`;
  }
  if (node.source?.kind === "weight") return `weight ${node.label} ${identityOf(node.source.entry)}`;
  if (node.source) return `input ${node.label} ${printType(node.outputs[0]!)}`;
  const inputs = node.inputs.map((x) => `${numberOf(x.node)}:${x.output}`).join();
  return `${node.op!.name} ${inputs} ${JSON.stringify(node.attributes, exactNumber)}`;
}

/** JSON writes Infinity and NaN as null, and -0 as 0. */
function exactNumber(_: string, value: unknown): unknown {
  if (typeof value !== "number") return value;
  return Object.is(value, -0) ? "-0" : Number.isFinite(value) ? value : String(value);
}

const identities = new WeakMap<object, number>();
let identityCount = 0;
function identityOf(data: object): number {
  if (!identities.has(data)) identities.set(data, identityCount++);
  return identities.get(data)!;
}

/** Inputs and weights keep their label; other names get a number where they repeat. */
function uniqueName(node: Node, output: number, taken: Set<string>): string {
  const wanted = output === 0 ? node.label : `${node.label}:${output}`;
  if (node.source && node.source.kind !== "constant") return wanted;
  let name = wanted;
  for (let count = 2; taken.has(name); count++) name = `${wanted}_${count}`;
  taken.add(name);
  return name;
}

function verifySymbols(graph: Graph): void {
  const shown = new Set<Dim>(graph.inputs.flatMap(({ node }) => [...node.outputs[0]!.shape]));
  for (const { node, outputs } of graph.steps) {
    // An input may show a whole product without its factors.
    const size = node.attributes.size as Dim | undefined;
    for (const symbol of size === undefined || shown.has(size) ? [] : symbolsOf(size)) {
      if (node.op!.name !== "concat" && !shown.has(symbol))
        fail("graph", `no input shows the size ${symbol}`, { where: outputs[0] });
    }
  }
}

/** The graph as text, a line a value: `name: float32[B,T] = op(inputs) {attributes}`. */
export function printGraph(graph: Graph): string {
  const lines = [
    ...graph.inputs.map(({ node, outputs }) => `input ${outputs[0]}: ${printType(node.outputs[0]!)}`),
    ...graph.weights.map(({ node, outputs }) => `weight ${outputs[0]}: ${printType(node.outputs[0]!)}`),
    ...graph.steps.map(({ node, inputs, outputs }) => {
      const shown = node.outputs.flatMap((value, i) =>
        outputs[i] ? [`${outputs[i]}: ${printType(value)}`] : [],
      );
      const attributes = Object.keys(node.attributes).length > 0 ? ` ${JSON.stringify(node.attributes)}` : "";
      return `${shown.join(", ")} = ${node.op!.name}(${inputs.join(", ")})${attributes}`;
    }),
    ...graph.results.map(({ name, value }) => `return ${name} = ${value}`),
  ];
  return lines.join("\n");
}
