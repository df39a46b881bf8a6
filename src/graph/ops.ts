// The functions that build nodes, in one place for the rooms above.
export { gelu, geluTanh, relu, silu } from "./ops/activation.js";
export { blockLinear } from "./ops/block_linear.js";
export { argMax, expand, reduceMean, reduceSum } from "./ops/broadcast.js";
export { add, and, bitwiseXor, div, equal, less, lessOrEqual, mul, sub, where } from "./ops/elementwise.js";
export { gather, range, scatterAdd, sizeOf } from "./ops/indexing.js";
export { int8Linear } from "./ops/int8.js";
export { crossEntropy } from "./ops/loss.js";
export { gemm, matmul } from "./ops/matmul.js";
export { nf4Linear } from "./ops/nf4.js";
export { layerNorm, rmsNorm, softmax } from "./ops/normalization.js";
export { after, fence } from "./ops/order.js";
export { rotary } from "./ops/rotary.js";
export { mulByScalar } from "./ops/scale.js";
export { cast, concat, keepLast, reshape, slice, transpose } from "./ops/shape.js";
