// Gradients -> new values of the trained parameters: clipping by global norm and AdamW.

export interface AdamWOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
}

/** What the optimizer knows of a parameter. */
export interface Moments {
  /** exp_avg */
  readonly mean: Float32Array;
  /** exp_avg_sq */
  readonly variance: Float32Array;
}

/** √Σg² over all gradients. */
export function globalNorm(gradients: Iterable<Float32Array>): number {
  let sum = 0;
  for (const gradient of gradients)
    for (let i = 0; i < gradient.length; i++) sum += gradient[i]! * gradient[i]!;
  return Math.sqrt(sum);
}

/** Factor that brings the norm down to `maxNorm`; 0 switches clipping off. As torch's clip_grad_norm_: norm/(norm + 1e-6). */
export function clipFactor(norm: number, maxNorm: number): number {
  return maxNorm > 0 ? Math.min(1, maxNorm / (norm + 1e-6)) : 1;
}

/**
 * One AdamW update in place. Arithmetic in float64, values kept in float32.
 * @param step number of this update, from 1
 * @param factor multiplies the gradient first (clipping, averaging)
 * Source: https://arxiv.org/abs/1711.05101, as torch.optim.AdamW orders it.
 */
export function adamW(
  values: Float32Array,
  gradient: Float32Array,
  { mean, variance }: Moments,
  options: AdamWOptions & { readonly learningRate: number; readonly step: number; readonly factor: number },
): void {
  const { beta1, beta2, epsilon, weightDecay, learningRate, step, factor } = options;
  const keep = 1 - learningRate * weightDecay;
  const stepSize = learningRate / (1 - beta1 ** step);
  const varianceCorrection = Math.sqrt(1 - beta2 ** step);
  for (let i = 0; i < values.length; i++) {
    const g = gradient[i]! * factor;
    const m = mean[i]! + (1 - beta1) * (g - mean[i]!);
    const v = beta2 * variance[i]! + (1 - beta2) * g * g;
    mean[i] = m;
    variance[i] = v;
    values[i] = values[i]! * keep - (stepSize * m) / (Math.sqrt(v) / varianceCorrection + epsilon);
  }
}
