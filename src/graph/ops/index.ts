// The table of all ops: an op is one entry in a file of this folder and one line here.
import type { Op } from "../value.js";
import { geluOp, geluTanhOp, reluOp, siluOp } from "./activation.js";
import { blockLinearOp } from "./block_linear.js";
import { argMaxOp, expandOp, reduceMeanOp, reduceSumOp } from "./broadcast.js";
import * as elementwise from "./elementwise.js";
import { gatherOp, rangeOp, scatterAddOp, sizeOp } from "./indexing.js";
import {
  int8LinearOp,
  int8ProductOp,
  int8SoftmaxProductOp,
  quantizeRowsOp,
  rotateOp,
  rowScaleOp,
} from "./int8.js";
import { crossEntropyOp, softmaxMinusOneHotOp } from "./loss.js";
import { gemmOp, matmulOp } from "./matmul.js";
import { dequantizeNf4Op, nf4LinearOp } from "./nf4.js";
import { layerNormOp, rmsNormOp, softmaxOp } from "./normalization.js";
import { afterOp, fenceOp } from "./order.js";
import { rotaryOp } from "./rotary.js";
import { scaleOp } from "./scale.js";
import { castOp, concatOp, keepLastOp, padOp, reshapeOp, sliceOp, transposeOp } from "./shape.js";

export const ops: readonly Op[] = [
  reshapeOp,
  transposeOp,
  concatOp,
  sliceOp,
  keepLastOp,
  padOp,
  castOp,
  expandOp,
  reduceSumOp,
  reduceMeanOp,
  argMaxOp,
  scaleOp,
  elementwise.addOp,
  elementwise.subOp,
  elementwise.mulOp,
  elementwise.divOp,
  elementwise.bitwiseXorOp,
  elementwise.andOp,
  elementwise.lessOp,
  elementwise.lessOrEqualOp,
  elementwise.equalOp,
  elementwise.whereOp,
  elementwise.expOp,
  elementwise.sigmoidOp,
  elementwise.erfOp,
  geluTanhOp,
  geluOp,
  siluOp,
  reluOp,
  matmulOp,
  gemmOp,
  blockLinearOp,
  gatherOp,
  scatterAddOp,
  rangeOp,
  sizeOp,
  softmaxOp,
  layerNormOp,
  rmsNormOp,
  rotaryOp,
  crossEntropyOp,
  softmaxMinusOneHotOp,
  fenceOp,
  afterOp,
  rotateOp,
  rowScaleOp,
  quantizeRowsOp,
  int8LinearOp,
  int8ProductOp,
  int8SoftmaxProductOp,
  dequantizeNf4Op,
  nf4LinearOp,
];
