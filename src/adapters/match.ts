// Module paths and a LoRA configuration -> which modules are targeted, with PEFT's rules; a name that matches nothing is an error, unless the caller takes it.
// Source: https://github.com/huggingface/peft/blob/main/src/peft/tuners/tuners_utils.py (check_target_module_exists)
import { type Fault, failIfAny, nearest } from "../errors.js";
import { type Module, OUTPUT_HEAD } from "../models/family.js";
import type { LoraConfig } from "./config.js";

/** Compiles a Python regular expression that must match the whole text. */
function fullMatch(pattern: string, option: string, faults: Fault[]): RegExp {
  return compile(`^(?:${pattern.replaceAll("(?P<", "(?<")})$`, pattern, option, faults);
}

/** @param pattern what the user wrote, for messages */
function compile(source: string, pattern: string, option: string, faults: Fault[]): RegExp {
  const shown = pattern.length > 200 ? `${pattern.slice(0, 200)}…` : pattern;
  const refuse = (why: string, fix?: string) => {
    faults.push({ code: "adapter", what: `${option}: ${JSON.stringify(shown)} ${why}`, fix });
    return /^\b$/;
  };
  if (repetitions(pattern) > MAX_REPETITIONS)
    return refuse(
      `repeats too much: more than ${MAX_REPETITIONS} times * or +, or one within another`,
      "list the names of the modules, or write a simpler expression",
    );
  try {
    // `.*.*` matches what `.*` does, but tries every way to share it.
    return new RegExp(source.replace(/(?<!\\)(?:\.\*){2,}/g, ".*"), "s");
  } catch (error) {
    return refuse(`is not a regular expression (${(error as Error).message})`);
  }
}

/** With so many, a path is matched in time however it fails: JavaScript tries every way to share it among them. */
const MAX_REPETITIONS = 6;

/**
 * How many parts of open length an alternative of a pattern has, those that are there or not counted half; infinite where
 * one is within another.
 */
function repetitions(pattern: string): number {
  if (pattern.length > 5000) return Number.POSITIVE_INFINITY;
  const countIn = (part: string) =>
    (part.match(/[*+]|\{\d*,\d*\}/g)?.length ?? 0) + (part.match(/(?<![*+?}(])\?/g)?.length ?? 0) / 2;
  const count = (text: string) => Math.max(...text.split("|").map(countIn));
  let text = pattern
    .replace(/\\./gs, "x")
    .replace(/\[[^\]]*\]/g, "x")
    .replace(/(?:\.\*){2,}/g, ".*");
  for (;;) {
    const group = /\((?:\?(?:[:=!]|<[=!]|P?<\w+>))?([^()]*)\)([*+{]?)/.exec(text);
    if (!group) return count(text);
    const inner = count(group[1]!);
    if (inner > 0 && group[2] !== "") return Number.POSITIVE_INFINITY;
    text = text.replace(group[0], () => `${"x*".repeat(Math.ceil(inner))}x${group[2]}`);
  }
}

const endsWith = (path: string, name: string) => path === name || path.endsWith(`.${name}`);

/** The paths of a path and of all modules around it: `a.b.c`, `a.b`, `a`. */
function enclosing(path: string): string[] {
  const parts = path.split(".");
  return parts.map((_, i) => parts.slice(0, parts.length - i).join("."));
}

/** Takes what a configuration names and the model does not have; PEFT passes over it in silence. */
export type OnUnmatched = (fault: Fault) => void;

/** Modules trained whole: those at or below a path that ends with a name of `modules_to_save`. */
export function matchSavedModules(
  modules: readonly Module[],
  config: LoraConfig,
  onUnmatched?: OnUnmatched,
): readonly Module[] {
  const faults: Fault[] = [];
  const miss = onUnmatched ?? ((fault: Fault) => void faults.push(fault));
  const isSaved = (module: Module, name: string) =>
    enclosing(module.path).some((path) => path.endsWith(name));
  for (const name of config.modulesToSave) {
    if (!modules.some((module) => isSaved(module, name))) miss(unmatched("modules_to_save", name, modules));
  }
  failIfAny(faults);
  return modules.filter((module) => config.modulesToSave.some((name) => isSaved(module, name)));
}

/**
 * Modules that get an adapter.
 * @param defaults the family's target modules, used when the configuration names none.
 * @param onUnmatched where it is given, only a configuration that matches no module at all is an error
 * @throws with all names, layers and patterns that match nothing.
 */
export function matchTargets(
  modules: readonly Module[],
  config: LoraConfig,
  defaults: readonly string[],
  onUnmatched?: OnUnmatched,
): readonly Module[] {
  const faults: Fault[] = [];
  const miss = onUnmatched ?? ((fault: Fault) => void faults.push(fault));
  const { excludeModules, layersToTransform, layersPattern } = config;
  const wanted = config.targetModules ?? defaults;
  const adaptable = modules.filter(({ kind }) => kind !== "norm");
  const excludeRegex =
    typeof excludeModules === "string" ? fullMatch(excludeModules, "exclude_modules", faults) : undefined;
  const saved = config.modulesToSave.map((name) =>
    fullMatch(`(?:.*\\.)?${name}(?:\\..*)?`, "modules_to_save", faults),
  );
  const excluded = (path: string) =>
    excludeRegex?.test(path) ||
    (Array.isArray(excludeModules) && excludeModules.some((name) => endsWith(path, name))) ||
    saved.some((regex) => regex.test(path));
  const candidates = adaptable.filter(({ path }) => !excluded(path));
  const inLayers = layerFilter(layersToTransform, layersPattern, modules, faults, miss);

  let targets: readonly Module[];
  if (typeof wanted === "string" && wanted.toLowerCase() === "all-linear") {
    targets = candidates.filter(
      ({ kind, path }) => kind === "linear" && path !== OUTPUT_HEAD && inLayers(path),
    );
  } else if (typeof wanted === "string") {
    if (layersToTransform) {
      faults.push({
        code: "adapter",
        what: "layers_to_transform cannot be combined with a regular expression in target_modules",
        fix: "write the layers into the regular expression",
      });
    }
    const regex = fullMatch(wanted, "target_modules", faults);
    targets = candidates.filter(({ path }) => regex.test(path));
    if (targets.length === 0 && faults.length === 0) miss(unmatched("target_modules", wanted, adaptable));
  } else {
    // A whole path is taken whatever layers_to_transform says.
    const matches = (path: string, name: string) =>
      path === name || (path.endsWith(`.${name}`) && inLayers(path));
    for (const name of wanted) {
      if (!adaptable.some(({ path }) => matches(path, name)))
        miss(unmatched("target_modules", name, adaptable));
    }
    targets = candidates.filter(({ path }) => wanted.some((name) => matches(path, name)));
  }
  if (targets.length === 0 && faults.length === 0) {
    faults.push({
      code: "adapter",
      what: "target_modules, exclude_modules and modules_to_save leave no module for the adapter",
      fix: "exclude less",
    });
  }
  if (typeof excludeModules !== "string") {
    for (const name of excludeModules ?? []) {
      if (!adaptable.some(({ path }) => endsWith(path, name)))
        miss(unmatched("exclude_modules", name, adaptable));
    }
  }
  for (const option of ["rankPattern", "alphaPattern"] as const) {
    for (const pattern of Object.keys(config[option])) {
      const regex = fullMatch(
        `(?:.*\\.)?(?:${pattern})`,
        option === "rankPattern" ? "rank_pattern" : "alpha_pattern",
        faults,
      );
      if (faults.length === 0 && !targets.some(({ path }) => regex.test(path)))
        miss(unmatched(option === "rankPattern" ? "rank_pattern" : "alpha_pattern", pattern, targets));
    }
  }
  failIfAny(faults);
  return targets;
}

/** The value of the first pattern that matches at the end of a path. */
export function patternValue(patterns: Readonly<Record<string, number>>, path: string): number | undefined {
  const faults: Fault[] = [];
  const key = Object.keys(patterns).find((pattern) =>
    fullMatch(`(?:.*\\.)?(?:${pattern})`, "pattern", faults).test(path),
  );
  failIfAny(faults);
  return key === undefined ? undefined : patterns[key];
}

function layerFilter(
  layers: readonly number[] | undefined,
  patterns: readonly string[] | undefined,
  modules: readonly Module[],
  faults: Fault[],
  miss: OnUnmatched,
): (path: string) => boolean {
  if (!layers || layers.length === 0) return () => true;
  const regexes = patterns?.length
    ? patterns.map((pattern) =>
        compile(`^(?:.*?\\.)?${pattern}\\.(\\d+)\\.`, pattern, "layers_pattern", faults),
      )
    : [/^.*?\.[^.]*\.(\d+)\./];
  const layerOf = (path: string) => {
    for (const regex of regexes) {
      const match = regex.exec(path);
      if (match) return Number(match[1]);
    }
    return undefined;
  };
  const existing = new Set(modules.map(({ path }) => layerOf(path)));
  for (const layer of layers) {
    if (!existing.has(layer)) {
      const count = [...existing].filter((index) => index !== undefined).length;
      miss({
        code: "adapter",
        what: `layers_to_transform names layer ${layer}; the model has layers 0 to ${count - 1}`,
      });
    }
  }
  return (path) => layers.includes(layerOf(path) ?? -1);
}

/** A fault that lists what exists, each last name once. */
function unmatched(option: string, name: string, modules: readonly Module[]): Fault {
  const names = [...new Set(modules.map(({ path }) => path.split(".").at(-1)!))];
  const near = nearest(name, names);
  return {
    code: "adapter",
    what: `${option}: ${JSON.stringify(name)} matches no module; the model has ${names.join(", ")}`,
    fix: near && near !== name ? `did you mean "${near}"?` : undefined,
  };
}
