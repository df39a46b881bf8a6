// Options from words, files and programs -> resolved options, and every fault with its mend.
import fc from "fast-check";
import { describe, expect, expectTypeOf, it } from "vitest";
import { PhinetuneError } from "../../src/errors.js";
import { parseCommandLine } from "../../src/options/command_line.js";
import { canonicalName, flagOf, keyOf } from "../../src/options/names.js";
import { type GivenOption, resolveOptions } from "../../src/options/resolve.js";
import type { OptionTable } from "../../src/options/schema.js";
import { resolveTrainOptions, schemas, type TrainOptions } from "../../src/options.js";

const REQUIRED = ["--model", "m", "--dataset", "d.jsonl"];

function train(words: readonly string[]): TrainOptions {
  const { given, faults } = parseCommandLine(schemas.train.table, words);
  return resolveOptions(schemas.train, given, { faults });
}

function faultsOf(action: () => unknown): readonly string[] {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(PhinetuneError);
    expect((error as PhinetuneError).exitCode).toBe(2);
    return (error as PhinetuneError).faults.map(({ what, where, fix }) =>
      [what, where, fix].filter(Boolean).join(" · "),
    );
  }
  return [];
}

describe("a name with a number in it", () => {
  it("is written as TRL writes it", () => {
    expect([flagOf("loadIn8bit"), keyOf("loadIn8bit")]).toEqual(["--load-in-8bit", "load_in_8bit"]);
    expect([flagOf("adamBeta1"), keyOf("adamBeta1")]).toEqual(["--adam-beta1", "adam_beta1"]);
    expect(train([...REQUIRED, "--load_in_8bit"]).loadIn8bit).toBe(true);
  });
  it("of weights that are trained is refused", () => {
    expect(faultsOf(() => train([...REQUIRED, "--method", "full", "--load-in-8bit"]))).toEqual([
      expect.stringContaining("--load-in-8bit rounds weights that stay as they are"),
    ]);
  });
});

describe("weights in 8 or 4 bits", () => {
  it("are there for every command that computes with a base model", () => {
    for (const command of ["train", "plan", "eval", "generate", "inspect", "chat", "serve"] as const) {
      expect(Object.keys(schemas[command].table), command).toEqual(
        expect.arrayContaining(["loadIn8bit", "loadIn4bit", "bnb4bitUseDoubleQuant"]),
      );
      const required = Object.entries<OptionTable[string]>(schemas[command].table).flatMap(([name, spec]) =>
        "required" in spec ? [flagOf(name), "x"] : [],
      );
      const words = [...required, "--load-in-8bit", "--load_in_4bit"];
      const { given, faults } = parseCommandLine(schemas[command].table, words);
      const told = faultsOf(() => resolveOptions(schemas[command] as typeof schemas.chat, given, { faults }));
      expect(told.join("\n"), command).toContain("--load-in-8bit and --load-in-4bit were both given");
    }
  });
  it("bear the names of transformers, which are refused where they change nothing", () => {
    const { loadIn4bit, bnb4bitUseDoubleQuant } = train([
      ...REQUIRED,
      "--load-in-4bit",
      "--no-bnb-4bit-use-double-quant",
    ]);
    expect([loadIn4bit, bnb4bitUseDoubleQuant]).toEqual([true, false]);
    expect(faultsOf(() => train([...REQUIRED, "--bnb_4bit_use_double_quant"]))).toEqual([
      expect.stringContaining("no effect without --load-in-4bit"),
    ]);
    expect(
      faultsOf(() => train([...REQUIRED, "--load-in-4bit", "--bnb-4bit-quant-type", "nf4"]))[0],
    ).toContain("NF4 is the only 4-bit type");
  });
});

describe("defaults", () => {
  it("are those of PEFT and transformers, but for the learning rate and grouping", () => {
    expect(train([...REQUIRED, "--output-dir", "o"])).toMatchObject({
      loraR: 8,
      loraAlpha: 8,
      loraDropout: 0,
      loraBias: "none",
      loraTargetModules: undefined,
      initLoraWeights: "default",
      useRslora: false,
      learningRate: 2e-4,
      lrSchedulerType: "linear",
      warmupSteps: 0,
      weightDecay: 0,
      maxGradNorm: 1,
      adamBeta1: 0.9,
      adamBeta2: 0.999,
      adamEpsilon: 1e-8,
      numTrainEpochs: 3,
      maxSteps: -1,
      perDeviceTrainBatchSize: 8,
      gradientAccumulationSteps: 1,
      maxLength: 1024,
      groupByLength: true,
      completionOnlyLoss: true,
      seed: 42,
      outputDir: "o",
      overwriteOutputDir: false,
    });
  });

  it("name the output folder after model and time", () => {
    const { outputDir } = resolveTrainOptions({ model: "org/phi-1_5@main", dataset: "d" });
    expect(outputDir).toMatch(/^runs\/phi-1_5-\d{8}-\d{6}$/);
    expect(resolveTrainOptions({ model: "..", dataset: "d" }).outputDir).toMatch(/^runs\/model-/);
  });

  it("have the types that the table says", () => {
    expectTypeOf<TrainOptions["loraR"]>().toEqualTypeOf<number>();
    expectTypeOf<TrainOptions["evalSteps"]>().toEqualTypeOf<number | undefined>();
    expectTypeOf<TrainOptions["loraBias"]>().toEqualTypeOf<"none" | "all" | "lora_only">();
    expectTypeOf<TrainOptions["model"]>().toEqualTypeOf<string>();
    expectTypeOf<TrainOptions["outputDir"]>().toEqualTypeOf<string>();
    expectTypeOf<TrainOptions["loraTargetModules"]>().toEqualTypeOf<readonly string[] | string | undefined>();
  });

  it("pass their own checks", () => {
    for (const { table } of Object.values(schemas)) {
      for (const [name, spec] of Object.entries(table as OptionTable)) {
        if (!("default" in spec) || spec.default === undefined) continue;
        const resolved = resolveOptions({ table: { [name]: spec } }, [
          { written: name, value: spec.default },
        ]);
        expect(resolved[name]).toEqual(spec.default);
      }
    }
  });
});

describe("names", () => {
  it("are the same with hyphens, underscores and in camelCase, and by their aliases", () => {
    for (const word of ["--lora-r", "--lora_r", "--loraR", "--r", "--lora-rank"])
      expect(train([...REQUIRED, word, "4"]).loraR).toBe(4);
    expect(train(["--model_name_or_path", "m", "--dataset-name", "d"])).toMatchObject({
      model: "m",
      dataset: "d",
    });
  });

  it("are each of one option", () => {
    let names = 0;
    for (const { table } of Object.values(schemas)) {
      const all = Object.entries(table as OptionTable).flatMap(([name, { aliases = [] }]) => [
        name,
        ...aliases,
      ]);
      const canonical = all.map(canonicalName);
      expect(new Set(canonical).size).toBe(canonical.length);
      for (const name of all) {
        expect(canonicalName(flagOf(name))).toBe(canonicalName(name));
        expect(canonicalName(keyOf(name))).toBe(canonicalName(name));
      }
      names += all.length;
    }
    expect(names).toBeGreaterThan(60);
  });

  it("that do not exist are refused, with the nearest one or what there is instead", () => {
    expect(
      faultsOf(() =>
        train([...REQUIRED, "--lerning-rate", "1", "--lora_alfa=2", "--padding-free", "--qqqqq", "x"]),
      ),
    ).toEqual([
      "there is no option --lerning-rate · did you mean --learning-rate?",
      "there is no option --lora_alfa · did you mean --lora-alpha?",
      "there is no option --padding-free · give --packing",
      "there is no option --qqqqq · see --help-all",
    ]);
    const given: GivenOption[] = [
      { written: "lora_rr", value: 4, where: "run.yaml:3" },
      { written: "model", value: "m" },
      { written: "dataset", value: "d" },
    ];
    expect(faultsOf(() => resolveOptions(schemas.train, given))).toEqual([
      "there is no option lora_rr · run.yaml:3 · did you mean lora_r?",
    ]);
    expect(faultsOf(() => resolveTrainOptions({ model: "m", dataset: "d", loraRank8: 1 } as never))).toEqual([
      "there is no option loraRank8 · did you mean loraRank?",
    ]);
  });
});

describe("values", () => {
  it("of flags are --x, --no-x, --x true, --x=false", () => {
    expect(train([...REQUIRED, "--use-rslora"]).useRslora).toBe(true);
    expect(train([...REQUIRED, "--use_rslora", "True"]).useRslora).toBe(true);
    expect(train([...REQUIRED, "--use-rslora=false"]).useRslora).toBe(false);
    expect(train([...REQUIRED, "--no-group-by-length"]).groupByLength).toBe(false);
    expect(train([...REQUIRED, "--no_group_by_length"]).groupByLength).toBe(false);
    expect(train(["--use-rslora", ...REQUIRED]).model).toBe("m");
  });

  it("may be negative and are the last ones given", () => {
    expect(train([...REQUIRED, "--max-steps", "-1"]).maxSteps).toBe(-1);
    expect(train([...REQUIRED, "--max-steps", "5", "--max-steps", "7"]).maxSteps).toBe(7);
    expect(train([...REQUIRED, "--learning-rate", "1e-4"]).learningRate).toBe(1e-4);
    expect(train([...REQUIRED, "--output-dir=--odd"]).outputDir).toBe("--odd");
  });

  it("of lists are several words, or one with commas, or one regular expression", () => {
    const targets = (...words: string[]) =>
      train([...REQUIRED, "--lora-target-modules", ...words]).loraTargetModules;
    expect(targets("q_proj")).toEqual(["q_proj"]);
    expect(targets("q_proj", "v_proj")).toEqual(["q_proj", "v_proj"]);
    expect(targets("q_proj,v_proj")).toEqual(["q_proj", "v_proj"]);
    expect(targets("model.layers.0.mlp.fc1")).toEqual(["model.layers.0.mlp.fc1"]);
    expect(targets("all-linear")).toBe("all-linear");
    expect(targets(".*\\.(q|v)_proj")).toBe(".*\\.(q|v)_proj");
    expect(targets(".*_proj{1,2}")).toBe(".*_proj{1,2}");
    expect(targets("q_proj", "--lora-target-modules", "v_proj")).toEqual(["q_proj", "v_proj"]);
    expect(train([...REQUIRED, "--layers-to-transform", "0", "2"]).layersToTransform).toEqual([0, 2]);
    expect(train([...REQUIRED, "--layers-to-transform", "0,2"]).layersToTransform).toEqual([0, 2]);
    expect(
      resolveTrainOptions({ model: "m", dataset: "d", loraTargetModules: "q_proj,v_proj" }).loraTargetModules,
    ).toEqual(["q_proj", "v_proj"]);
  });

  it("of patterns are NAME=X, or a map", () => {
    expect(train([...REQUIRED, "--rank-pattern", "a=b=4", "fc1=2"]).rankPattern).toEqual({
      "a=b": 4,
      fc1: 2,
    });
    expect(
      resolveTrainOptions({ model: "m", dataset: "d", alphaPattern: { "q_.*": 3 } }).alphaPattern,
    ).toEqual({ "q_.*": 3 });
    expect(faultsOf(() => train([...REQUIRED, "--rank-pattern", "fc1"]))).toEqual([
      '--rank-pattern is "fc1"; expected pairs of a name and a number above 0: NAME=X',
    ]);
  });

  it("outside of their range are refused, all at once", () => {
    const words =
      "--lora-r 0 --lora-dropout 1 --lora-bias some --max-steps 0 --eval-size 1.5 --use-rslora=maybe --seed 1.5 --learning-rate fast --layers-to-transform -1";
    expect(faultsOf(() => train([...REQUIRED, ...words.split(" ")]))).toMatchInlineSnapshot(`
      [
        "--eval-size is "1.5"; expected a whole number of rows or a share below 1",
        "--lora-r is "0"; expected a whole number of at least 1",
        "--lora-dropout is "1"; expected a number of at least 0 and below 1",
        "--lora-bias is "some"; expected one of none, all, lora_only",
        "--layers-to-transform is "-1"; expected whole numbers of at least 0",
        "--use-rslora is "maybe"; expected true or false",
        "--max-steps is "0"; expected -1 or a whole number of at least 1",
        "--learning-rate is "fast"; expected a number of at least 0",
        "--seed is "1.5"; expected a whole number of at least 0",
      ]
    `);
  });

  it("that other programs know are refused with the reason", () => {
    const strategy = (name: string) =>
      faultsOf(() => train([...REQUIRED, "--packing", "--packing-strategy", name]));
    expect(strategy("bfd")).toEqual([]);
    expect(strategy("wrapped")).toEqual([
      '--packing-strategy is "wrapped"; expected bfd · bfd leaves rows whole; wrapped would cut them wherever a sequence ends',
    ]);
    expect(strategy("bfd_split").join()).toContain("raise it to lose none");
    expect(strategy("constructor")).toEqual(['--packing-strategy is "constructor"; expected bfd']);
  });

  it("that are missing are told with the words that belong to nothing", () => {
    expect(faultsOf(() => train(["extra", "--lora-r", "--dataset", "d"]))).toMatchInlineSnapshot(`
      [
        ""extra" belongs to no option · put quotes around a value with spaces; options begin with --",
        "--lora-r needs a value · --lora-r N",
        "--model is missing · give the folder of the base model, or its name on the Hugging Face Hub: org/name, or org/name@revision",
      ]
    `);
  });
});

describe("words without the name of an option", () => {
  it("are taken in order where a command has such, and refused beyond", () => {
    const { table, positional } = schemas.push;
    const read = (words: readonly string[]) => parseCommandLine(table, words, {}, positional);
    const { given, faults } = read(["runs/a", "--private", "org/a", "--revision", "v1", "more"]);
    expect(given).toEqual([
      { written: "--folder", value: "runs/a" },
      { written: "--private", value: true },
      { written: "--repository", value: "org/a" },
      { written: "--revision", value: "v1" },
    ]);
    expect(faults.map(({ what }) => what)).toEqual(['"more" belongs to no option']);
    expect(read(["--repository", "org/a", "runs/a"]).given).toEqual([
      { written: "--repository", value: "org/a" },
      { written: "--folder", value: "runs/a" },
    ]);
  });
});

describe("rules between options", () => {
  it.each([
    [["--eval-dataset", "e", "--eval-size", "3"], "--eval-dataset and --eval-size were both given"],
    [["--eval-strategy", "epoch"], "no rows are held out"],
    [["--eval-size", "3", "--eval-steps", "3"], "--eval-steps has no effect"],
    [["--adapter", "./runs/a/", "--output-dir", "runs/a"], "--output-dir is the folder of --adapter"],
    [["--method", "full", "--lora-r", "4"], "--method full makes no adapter, so --lora-r can have no effect"],
    [["--eval-dataset-split", "test", "--eval-size", "3"], "--eval-dataset-split and --eval-size were both"],
    [["--eval-dataset-config", "en"], "--eval-dataset-config was given without --eval-dataset"],
    [["--hub-private-repo"], "--hub-private-repo has no effect without --push-to-hub"],
    [["--from-scratch"], "--from-scratch starts from random weights"],
    [["--save-dtype", "float16"], "--save-dtype has no effect on an adapter"],
    [["--packing-strategy", "bfd"], "--packing-strategy has no effect without --packing"],
  ])("refuse %j", (words, what) => {
    expect(faultsOf(() => train([...REQUIRED, ...words])).join()).toContain(what);
  });

  it.each([
    [["--prompt", "a", "--instruction", "b"], "were both given"],
    [["--input", "a"], "without --instruction"],
    [["--instruction", "a", "--input", "b", "--prompt-format", "messages"], "no place for --input"],
    [["--top-k", "5"], "no effect at temperature 0"],
  ])("of generate refuse %j", (words, what) => {
    const { given, faults } = parseCommandLine(schemas.generate.table, ["--model", "m", ...words]);
    expect(faultsOf(() => resolveOptions(schemas.generate, given, { faults })).join()).toContain(what);
  });
});

it("any words give options or faults of usage, never another error", () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom(...Object.keys(schemas.train.table).map(flagOf)),
    fc.constantFrom(
      "true",
      "1",
      "-1",
      "a=1",
      "--",
      "-",
      "--no-",
      "--=",
      "__proto__",
      "--__proto__",
      "--constructor=1",
    ),
  );
  let resolved = 0;
  fc.assert(
    fc.property(fc.array(word, { maxLength: 8 }), (words) => {
      try {
        train([...REQUIRED, ...words]);
        resolved++;
      } catch (error) {
        expect(error).toBeInstanceOf(PhinetuneError);
        expect((error as PhinetuneError).exitCode).toBe(2);
      }
    }),
    { numRuns: 500 },
  );
  expect(resolved).toBeGreaterThan(0);
});
