// What is known of a value before it is computed: its element type and its shape.
import type { Dim } from "./dims.js";

/** Element types of values, named as ONNX names them. */
export type ElementType = "float32" | "float16" | "bfloat16" | "int64" | "int32" | "uint8" | "int8" | "bool";

/** What is known of a value before it is computed. */
export interface ValueType {
  readonly dtype: ElementType;
  readonly shape: readonly Dim[];
}
