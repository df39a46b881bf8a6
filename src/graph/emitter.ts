// What an op needs to write its ONNX form: nodes, constants, and shapes that are known only when the graph runs.
import type { Dim } from "./dims.js";
import type { ElementType, ValueType } from "./types.js";

export type OnnxAttribute =
  | number
  | string
  | { readonly ints: readonly number[] }
  | { readonly float: number };

export interface Emitter {
  /** Whether only operators are wanted that do one step each. */
  readonly plain: boolean;
  /** ONNX's number of an element type; that of float16 for float32 where the node computes in that. */
  elementType(type: ElementType): number;
  /** Appends a node. Whole numbers become INT attributes; wrap floats as `{ float }`. Empty names are omitted inputs. */
  node(
    type: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes?: Readonly<Record<string, OnnxAttribute>>,
    domain?: string,
  ): void;
  /** The same for a node that reads only weights and constants: it comes before all others, so that it is computed just before what needs it. */
  early(
    type: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes?: Readonly<Record<string, OnnxAttribute>>,
    domain?: string,
  ): void;
  /** Tells a type whose shape does not follow from the node. */
  declare(name: string, type: ValueType): void;
  /** A fresh name for a value inside an op's form. */
  fresh(hint: string): string;
  /** An int64 constant: a list, or a scalar. */
  int64(values: readonly number[] | number): string;
  /** A float32 constant, a float16 one where the node computes in that: a scalar, or the one element of a list or matrix. */
  float32(value: number, dims?: readonly 1[]): string;
  /** A uint8 scalar constant. */
  uint8(value: number): string;
  /** The int64 scalar that holds a size. */
  size(dim: Dim): string;
  /** The int64 list that holds a shape. */
  shape(shape: readonly Dim[]): string;
}
