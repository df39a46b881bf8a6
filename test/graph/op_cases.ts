// Every case of every op, in one list.
import { arrayCases } from "./op_cases/arrays.js";
import { blockLinearCases } from "./op_cases/block_linear.js";
import type { OpCase } from "./op_cases/case.js";
import { elementwiseCases } from "./op_cases/elementwise.js";
import { int8Cases } from "./op_cases/int8.js";
import { nf4Cases } from "./op_cases/nf4.js";
import { productCases } from "./op_cases/products.js";

export const opCases: readonly OpCase[] = [
  ...elementwiseCases,
  ...arrayCases,
  ...productCases,
  ...int8Cases,
  ...nf4Cases,
  ...blockLinearCases,
];
