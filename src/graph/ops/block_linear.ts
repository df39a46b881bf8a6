// Linear layer on a weight whose rows are rounded to 4 or 8 bits in blocks, each with a scale and a zero of its own.
// Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md (MatMulNBits)

import { apply, failShape, type Op, type Value } from "../value.js";
import { reduceTo } from "./broadcast.js";

/** Bits of a number of a rounded weight. */
export type BlockBits = 4 | 8;

/**
 * Processors may round the layer's inputs to 8 bits, in blocks as well: without this, onnxruntime 1.30 takes 3 times as
 * long for a token with weights of 4 bits, and 600 times with 8, which it then unpacks at each product.
 */
const INT8_INPUTS = 4;

/** A weight [out, in] in blocks of neighbouring inputs. */
export interface BlockWeight {
  /** uint8 [out, blocks, block · bits / 8]: numbers from 0; two of 4 bits a byte, low first. */
  readonly numbers: Value;
  /** uint8 [out, ⌈blocks · bits / 8⌉]: what stands for zero in each block. */
  readonly zeros: Value;
  /** [out, blocks] */
  readonly scales: Value;
  readonly bits: BlockBits;
  /** Inputs that share a scale. */
  readonly block: number;
}

// y[n, o] = Σ x[n, i]·s[o, i/block]·(q[o, i] − zero[o, i/block]) + b[o]. Such a layer is only ever exported: nothing is trained before it.
export const blockLinearOp: Op = {
  name: "blockLinear",
  infer: (inputs, { bits, block }) => {
    const [x, numbers, zeros, scales, bias] = inputs;
    const [rows, size] = x!.shape;
    const [out, blocks, bytes] = numbers!.shape;
    const fits =
      x!.shape.length === 2 &&
      numbers!.dtype === "uint8" &&
      blocks === Math.ceil((size as number) / (block as number)) &&
      bytes === ((block as number) * (bits as number)) / 8 &&
      zeros!.dtype === "uint8" &&
      zeros!.shape.join() === `${out},${Math.ceil((blocks * (bits as number)) / 8)}` &&
      scales!.shape.join() === `${out},${blocks}` &&
      (!bias || bias.shape.join() === `${out}`);
    if (!fits)
      failShape(
        "blockLinear",
        inputs,
        `x [N,I], uint8 [O,blocks,bytes] in blocks of ${block} numbers of ${bits} bits, uint8 zeros [O,bytes], scales [O,blocks], and perhaps a bias [O]`,
      );
    return [{ dtype: x!.dtype, shape: [rows!, out!] }];
  },
  vjp: [null, null, null, null, (g, { inputs: [, , , , bias] }) => reduceTo(g, bias!.shape)],
  onnx: (emit, [x, numbers, zeros, scales, bias], outputs, { inputs, attributes }) => {
    const [K, N] = [inputs[0]!.shape[1] as number, inputs[1]!.shape[0] as number];
    const { bits, block } = attributes as { bits: number; block: number };
    const product = bias === undefined ? outputs : [emit.fresh("product")];
    const sizes = { K, N, bits, block_size: block, accuracy_level: INT8_INPUTS };
    emit.node("MatMulNBits", [x!, numbers!, scales!, zeros!], product, sizes, "com.microsoft");
    if (bias !== undefined) emit.node("Add", [product[0]!, bias], outputs);
  },
};

/** x·Wᵀ + b for a rounded W. @param x [N, in] */
export function blockLinear(
  x: Value,
  { numbers, zeros, scales, bits, block }: BlockWeight,
  bias: Value | undefined,
): Value {
  return apply(blockLinearOp, [x, numbers, zeros, scales, ...(bias ? [bias] : [])], { bits, block });
}
