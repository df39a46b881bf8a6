// config.json of transformers 4 or 5 -> typed settings; every fault is collected, and what we would compute wrongly is refused.
import { type Fault, failIfAny, nearest } from "../errors.js";
import { type ActivationName, activations } from "../nn/activation.js";
import type { Rope, RopeScaling } from "../nn/rotary.js";

/** Reads keys with types and ranges; call `finish` at the end to throw what was wrong. */
export interface ConfigReader {
  /** A whole number of at least 1. */
  size(key: string, fallback?: number): number;
  /** `num_hidden_layers`. */
  layers(fallback?: number): number;
  /** A number of at least 0. */
  number(key: string, fallback: number): number;
  flag(key: string, fallback: boolean): boolean;
  activation(key: string, fallback: ActivationName): ActivationName;
  /** A list of as many words as there are layers, each of the allowed ones; undefined when absent. */
  words<Word extends string>(key: string, allowed: readonly Word[]): readonly Word[] | undefined;
  /** `rope_parameters` of transformers 5, or `rope_theta`, `rope_scaling` and `partial_rotary_factor` of 4. */
  rope(headSize: number, defaults: { readonly theta: number; readonly partialFactor: number }): Rope;
  /** Notes a fault. */
  refuse(what: string, fix?: string): void;
  has(key: string): boolean;
  finish(): void;
}

type Json = Readonly<Record<string, unknown>>;

/** Each layer is listed with its modules: a damaged number must not fill the memory. */
const MAX_LAYERS = 10_000;

/** A reader over a parsed config.json; `where` is shown in errors. */
export function createConfigReader(json: Json, where: string): ConfigReader {
  const faults: Fault[] = [];
  const refuse = (what: string, fix?: string) => void faults.push({ code: "config", what, where, fix });
  const given = (source: Json, key: string) => source[key] !== undefined && source[key] !== null;

  function numberAt(
    source: Json,
    key: string,
    fallback: number | undefined,
    accepts: (x: number) => boolean,
    kind: string,
  ): number {
    if (!given(source, key) && fallback !== undefined) return fallback;
    const value = source[key];
    if (typeof value === "number" && Number.isFinite(value) && accepts(value)) return value;
    refuse(`"${key}" is ${JSON.stringify(value) ?? "missing"}; it must be ${kind}`);
    return fallback ?? 1;
  }
  const size = (key: string, fallback?: number) =>
    numberAt(
      json,
      key,
      fallback,
      (x) => Number.isInteger(x) && x >= 1 && x < 2 ** 31,
      "a whole number of at least 1",
    );
  const layers = (fallback?: number) =>
    numberAt(
      json,
      "num_hidden_layers",
      fallback,
      (x) => Number.isInteger(x) && x >= 1 && x <= MAX_LAYERS,
      `a whole number from 1 to ${MAX_LAYERS}`,
    );

  function scaling(source: Json): RopeScaling {
    const type = source.rope_type ?? source.type ?? "default";
    const positive = (key: string) => numberAt(source, key, undefined, (x) => x > 0, "a positive number");
    if (type === "default") return { type };
    if (type === "linear") return { type, factor: positive("factor") };
    if (type === "llama3") {
      return {
        type,
        factor: positive("factor"),
        lowFrequencyFactor: positive("low_freq_factor"),
        highFrequencyFactor: positive("high_freq_factor"),
        originalMaxPositions: positive("original_max_position_embeddings"),
      };
    }
    refuse(`rope scaling of type ${JSON.stringify(type)} is not implemented; default, linear and llama3 are`);
    return { type: "default" };
  }

  return {
    size,
    layers,
    number: (key, fallback) => numberAt(json, key, fallback, (x) => x >= 0, "a number of at least 0"),
    flag(key, fallback) {
      const value = given(json, key) ? json[key] : fallback;
      if (typeof value === "boolean") return value;
      refuse(`"${key}" is ${JSON.stringify(value)}; it must be true or false`);
      return fallback;
    },
    activation(key, fallback) {
      const value = given(json, key) ? json[key] : fallback;
      if (typeof value === "string" && Object.hasOwn(activations, value)) return value as ActivationName;
      refuse(
        `"${key}" is ${JSON.stringify(value)}; implemented are ${Object.keys(activations).join(", ")}`,
        typeof value === "string" ? suggestion(value, Object.keys(activations)) : undefined,
      );
      return fallback;
    },
    words(key, allowed) {
      if (!given(json, key)) return undefined;
      const value = json[key];
      if (
        Array.isArray(value) &&
        value.every((word) => (allowed as readonly unknown[]).includes(word)) &&
        value.length === json.num_hidden_layers
      ) {
        return value;
      }
      refuse(
        `"${key}" must hold one of ${allowed.join(", ")} for each of the ${JSON.stringify(json.num_hidden_layers)} layers`,
      );
      return undefined;
    },
    rope(headSize, { theta, partialFactor }) {
      const isObject = (value: unknown): value is Json =>
        typeof value === "object" && value !== null && !Array.isArray(value);
      const parameters = isObject(json.rope_parameters) ? json.rope_parameters : {};
      const legacy = isObject(json.rope_scaling) ? json.rope_scaling : {};
      if (given(json, "rope_parameters") && !isObject(json.rope_parameters))
        refuse('"rope_parameters" must be an object');
      if (given(json, "rope_scaling") && !isObject(json.rope_scaling))
        refuse('"rope_scaling" must be an object or null');
      const source = { ...json, ...legacy, ...parameters };
      const factor = numberAt(
        source,
        "partial_rotary_factor",
        partialFactor,
        (x) => x > 0 && x <= 1,
        "above 0 and at most 1",
      );
      const turned = Math.trunc(headSize * factor);
      if (turned < 2 || turned % 2 !== 0) {
        refuse(
          `a head of ${headSize} with partial_rotary_factor ${factor} turns ${turned} elements; it must be an even number of at least 2`,
        );
      }
      return {
        theta: numberAt(source, "rope_theta", theta, (x) => x > 0, "a positive number"),
        size: turned,
        scaling: scaling({
          ...json,
          ...legacy,
          ...parameters,
          type: parameters.type ?? legacy.type,
          rope_type: parameters.rope_type ?? legacy.rope_type,
        }),
      };
    },
    refuse,
    has: (key) => given(json, key),
    finish: () => failIfAny(faults),
  };
}

function suggestion(word: string, candidates: readonly string[]): string | undefined {
  const near = nearest(word, candidates);
  return near && `did you mean "${near}"?`;
}

/** Heads and their size, checked against each other. */
export function readHeads(
  config: ConfigReader,
  hiddenSize: number,
  headSizeKey?: string,
): { heads: number; kvHeads: number; headSize: number } {
  const heads = config.size("num_attention_heads");
  const kvHeads = config.size("num_key_value_heads", heads);
  const given = headSizeKey !== undefined && config.has(headSizeKey);
  if (!given && hiddenSize % heads !== 0)
    config.refuse(`hidden_size ${hiddenSize} is not a multiple of num_attention_heads ${heads}`);
  if (heads % kvHeads !== 0)
    config.refuse(`num_attention_heads ${heads} is not a multiple of num_key_value_heads ${kvHeads}`);
  return { heads, kvHeads, headSize: given ? config.size(headSizeKey) : Math.trunc(hiddenSize / heads) };
}
