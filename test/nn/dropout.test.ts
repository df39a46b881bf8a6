// The statistics of dropout masks: the right share, and no pattern along rows, columns, steps or paths.
import { describe, expect, it } from "vitest";
import { createGraph } from "../../src/graph/graph.js";
import { cast, equal } from "../../src/graph/ops.js";
import { input, scalar } from "../../src/graph/value.js";
import { dropElements, dropoutNoise, noiseInputs } from "../../src/nn/dropout.js";
import { createSession } from "../../src/runtime/session.js";

const [ROWS, WIDTH] = [256, 512];

/** 1 where an element is dropped. */
async function masks(p: number, step: number, paths: readonly string[]): Promise<Float32Array[]> {
  const x = input("x", "float32", ["B*T", WIDTH]);
  const noise = noiseInputs();
  const dropped = (path: string) => cast(equal(dropElements(x, p, path, noise), scalar(0)), "float32");
  const session = await createSession(
    createGraph(Object.fromEntries(paths.map((path) => [path, dropped(path)]))),
  );
  const { rows, multipliers, columns } = dropoutNoise(42, step, 0, ROWS, WIDTH);
  const result = await session.run({
    x: { dims: [ROWS, WIDTH], data: new Float32Array(ROWS * WIDTH).fill(1) },
    dropout_rows: { dims: [ROWS, 1], data: rows },
    dropout_multipliers: { dims: [ROWS, 1], data: multipliers },
    [`dropout_columns_${WIDTH}`]: { dims: [1, WIDTH], data: columns },
  });
  await session.release();
  return paths.map((path) => result[path]!.data as Float32Array);
}

function correlation(a: Float32Array, b: Float32Array): number {
  const mean = (x: Float32Array) => x.reduce((sum, value) => sum + value, 0) / x.length;
  const [ma, mb] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += (a[i]! - ma) * (b[i]! - mb);
    aa += (a[i]! - ma) ** 2;
    bb += (b[i]! - mb) ** 2;
  }
  return ab / Math.sqrt(aa * bb);
}

describe.each([0.05, 0.1, 0.5])("p = %s", (p) => {
  const n = ROWS * WIDTH;
  const spread = (count: number) => 5 * Math.sqrt((p * (1 - p)) / count);

  it("drops its share of all elements, of each row and of each column", async () => {
    const [mask] = await masks(p, 3, ["model.layers.0.mlp.fc1"]);
    const share = (count: number, at: (i: number) => number) =>
      Array.from({ length: count }, (_, i) => mask![at(i)]!).reduce((a, b) => a + b, 0) / count;
    expect(Math.abs(share(n, (i) => i) - p)).toBeLessThan(spread(n));
    for (let row = 0; row < ROWS; row++)
      expect(Math.abs(share(WIDTH, (i) => row * WIDTH + i) - p)).toBeLessThan(spread(WIDTH));
    for (let column = 0; column < WIDTH; column++)
      expect(Math.abs(share(ROWS, (i) => i * WIDTH + column) - p)).toBeLessThan(spread(ROWS));
  });

  it("is uncorrelated with its neighbours, with other paths and with other steps", async () => {
    const [mask, other] = await masks(p, 3, ["model.layers.0.mlp.fc1", "model.layers.0.mlp.fc2"]);
    const [later] = await masks(p, 4, ["model.layers.0.mlp.fc1"]);
    const shifted = (by: number) => Float32Array.from({ length: n }, (_, i) => mask![(i + by) % n]!);
    const bound = 5 / Math.sqrt(n);
    for (const by of [1, 2, 3, 7, 64, WIDTH, WIDTH + 1, 2 * WIDTH, 16 * WIDTH])
      expect(Math.abs(correlation(mask!, shifted(by))), `shift ${by}`).toBeLessThan(bound);
    expect(Math.abs(correlation(mask!, other!))).toBeLessThan(bound);
    expect(Math.abs(correlation(mask!, later!))).toBeLessThan(bound);
  });
});
