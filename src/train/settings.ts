// Options of a run -> settings of the adapter and of the loop.
import { defaultLoraConfig, type LoraConfig } from "../adapters/config.js";
import type { TrainOptions } from "../options.js";
import type { LoopOptions } from "./loop.js";

/** The adapter that the options ask for. */
export function loraConfigOf(options: TrainOptions): LoraConfig {
  return {
    ...defaultLoraConfig,
    r: options.loraR,
    alpha: options.loraAlpha,
    dropout: options.loraDropout,
    bias: options.loraBias,
    targetModules: options.loraTargetModules,
    excludeModules: options.excludeModules,
    layersToTransform: options.layersToTransform,
    layersPattern: options.layersPattern,
    rankPattern: options.rankPattern ?? {},
    alphaPattern: options.alphaPattern ?? {},
    modulesToSave: options.loraModulesToSave ?? [],
    useRslora: options.useRslora,
    initLoraWeights: options.initLoraWeights,
  };
}

/** Steps and schedule for a number of micro-batches in an epoch, counted as transformers' Trainer does. */
export function loopOptionsOf(options: TrainOptions, microBatches: number): LoopOptions {
  const stepsPerEpoch = Math.ceil(microBatches / options.gradientAccumulationSteps);
  const totalSteps =
    options.maxSteps > 0 ? options.maxSteps : Math.ceil(options.numTrainEpochs * stepsPerEpoch);
  const warmupSteps =
    options.warmupSteps > 0 ? options.warmupSteps : Math.ceil(options.warmupRatio * totalSteps);
  return {
    schedule: { name: options.lrSchedulerType, learningRate: options.learningRate, warmupSteps, totalSteps },
    beta1: options.adamBeta1,
    beta2: options.adamBeta2,
    epsilon: options.adamEpsilon,
    weightDecay: options.weightDecay,
    decayAll: options.decayAll,
    maxGradNorm: options.maxGradNorm,
    gradientAccumulationSteps: options.gradientAccumulationSteps,
    stepsPerEpoch,
    seed: options.seed,
  };
}
