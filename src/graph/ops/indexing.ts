// Ops that pick elements by index, and their opposites that add into places.
import type { Dim } from "../dims.js";
import { apply, failShape, type Op, type Value } from "../value.js";

export const gatherOp: Op = {
  name: "gather",
  infer: ([data, indices], { axis }) => {
    if (indices!.dtype !== "int64" || (axis as number) >= data!.shape.length)
      failShape("gather", [data!, indices!], "int64 indices and an axis of the data");
    const [before, after] = [data!.shape.slice(0, axis as number), data!.shape.slice((axis as number) + 1)];
    return [{ dtype: data!.dtype, shape: [...before, ...indices!.shape, ...after] }];
  },
  vjp: [
    (g, { inputs: [data, indices], attributes }) =>
      scatterAdd(g, indices!, attributes.axis as number, data!.shape[attributes.axis as number]!, {
        distinct: attributes.distinct === true,
      }),
    null,
  ],
  onnx: (emit, inputs, outputs, { attributes }) =>
    emit.node("Gather", inputs, outputs, { axis: attributes.axis as number }),
};

/** Slices of `data` along `axis`, in the order of `indices`. @param distinct whether no index comes twice, which makes the gradient cheap */
export function gather(
  data: Value,
  indices: Value,
  axis = 0,
  { distinct = false }: { readonly distinct?: boolean } = {},
): Value {
  return apply(gatherOp, [data, indices], { axis, ...(distinct ? { distinct } : {}) });
}

export const scatterAddOp: Op = {
  name: "scatterAdd",
  infer: ([updates, indices], { axis, size }) => {
    const at = axis as number;
    const window = updates!.shape.slice(at, at + indices!.shape.length);
    if (window.join() !== indices!.shape.join())
      failShape(
        "scatterAdd",
        [updates!, indices!],
        `updates whose axes from ${at} on are those of the indices`,
      );
    const shape = [
      ...updates!.shape.slice(0, at),
      size as Dim,
      ...updates!.shape.slice(at + indices!.shape.length),
    ];
    return [{ dtype: updates!.dtype, shape }];
  },
  vjp: [
    (g, { inputs: [, indices], attributes }) =>
      gather(g, indices!, attributes.axis as number, { distinct: attributes.distinct === true }),
    null,
  ],
  onnx: (emit, [updates, indices], outputs, { inputs, attributes, outputs: [y] }) => {
    const axis = attributes.axis as number;
    if (attributes.distinct === true && axis === 0) {
      // Whole slices are copied; with duplicates, several threads would write to one.
      const [zeros, places] = ["zeros", "places"].map(emit.fresh);
      emit.node("Expand", [emit.float32(0), emit.shape(y!.shape)], [zeros!]);
      emit.node("Unsqueeze", [indices!, emit.int64([-1])], [places!]);
      emit.node("ScatterND", [zeros!, places!, updates!], outputs);
      return;
    }
    const rank = y!.shape.length;
    // Updates and indices with the indexed axes flattened to one: [..., n, ...]; then indices repeated over the rest.
    const [before, after] = [y!.shape.slice(0, axis), y!.shape.slice(axis + 1)];
    const [flatUpdates, column, places, zeros] = ["updates", "column", "places", "zeros"].map(emit.fresh);
    const count = inputs[1]!.shape.reduce<Dim>(
      (size, dim) => (size === 1 ? dim : dim === 1 ? size : `${size}*${dim}`),
      1,
    );
    emit.node(
      "Reshape",
      [indices!, emit.int64(Array.from({ length: rank }, (_, i) => (i === axis ? -1 : 1)))],
      [column!],
    );
    emit.node("Expand", [column!, emit.shape([...before, count, ...after])], [places!]);
    emit.node("Expand", [emit.float32(0), emit.shape(y!.shape)], [zeros!]);
    // Comes last, for onnxruntime computes the last input first: no zeros wait for the updates.
    emit.node("Reshape", [updates!, emit.shape([...before, count, ...after])], [flatUpdates!]);
    emit.node("ScatterElements", [zeros!, places!, flatUpdates!], outputs, { axis, reduction: "add" });
  },
};

/** Zeros of `size` along `axis` to which each slice of `updates` is added at its index; the opposite of gather. */
export function scatterAdd(
  updates: Value,
  indices: Value,
  axis: number,
  size: Dim,
  { distinct = false }: { readonly distinct?: boolean } = {},
): Value {
  return apply(scatterAddOp, [updates, indices], { axis, size, ...(distinct ? { distinct } : {}) });
}

export const rangeOp: Op = {
  name: "range",
  infer: (_, { size }) => [{ dtype: "int64", shape: [size as Dim] }],
  vjp: [],
  onnx: (emit, _, outputs, { attributes }) =>
    emit.node("Range", [emit.int64(0), emit.size(attributes.size as Dim), emit.int64(1)], outputs),
};

/** 0, 1, …, size − 1 as int64. */
export function range(size: Dim): Value {
  return apply(rangeOp, [], { size });
}

export const sizeOp: Op = {
  name: "size",
  infer: () => [{ dtype: "int64", shape: [] }],
  vjp: [],
  onnx: (emit, _, outputs, { attributes }) =>
    emit.node("Identity", [emit.size(attributes.size as Dim)], outputs),
};

/** A size as an int64 scalar. */
export function sizeOf(size: Dim): Value {
  return apply(sizeOp, [], { size });
}
