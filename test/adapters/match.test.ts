// Which modules are matched: PEFT's rules, and an error for whatever matches nothing.
import { describe, expect, it } from "vitest";
import { defaultLoraConfig, type LoraConfig } from "../../src/adapters/config.js";
import { matchSavedModules, matchTargets, patternValue } from "../../src/adapters/match.js";
import { createConfigReader } from "../../src/models/config.js";
import { phi } from "../../src/models/phi.js";
import { tinyConfig } from "../fixtures/tiny_model.js";

const modules = phi.modules(phi.readConfig(createConfigReader(tinyConfig("phi"), "config.json")));

function targets(config: Partial<LoraConfig>): string[] {
  return matchTargets(modules, { ...defaultLoraConfig, ...config }, phi.loraTargets).map(({ path }) =>
    path.replace("model.layers.", ""),
  );
}

describe("target modules", () => {
  it("are PEFT's for the family when none are named", () => {
    expect(targets({})).toEqual([
      "0.self_attn.q_proj",
      "0.self_attn.v_proj",
      "0.mlp.fc1",
      "0.mlp.fc2",
      "1.self_attn.q_proj",
      "1.self_attn.v_proj",
      "1.mlp.fc1",
      "1.mlp.fc2",
    ]);
  });
  it("all-linear leaves out the output head", () => {
    expect(targets({ targetModules: "all-linear" })).toHaveLength(12);
    expect(targets({ targetModules: "all-linear" })).not.toContain("lm_head");
  });
  it("match at the end of a path, at a dot", () => {
    expect(targets({ targetModules: ["mlp.fc1"] })).toEqual(["0.mlp.fc1", "1.mlp.fc1"]);
    expect(() => targets({ targetModules: ["c1"] })).toThrow('"c1" matches no module');
  });
  it("may be the whole path, the head or the embedding", () => {
    expect(targets({ targetModules: ["lm_head", "model.layers.1.mlp.fc2", "embed_tokens"] })).toEqual([
      "model.embed_tokens",
      "1.mlp.fc2",
      "lm_head",
    ]);
  });
  it("as one regular expression match whole paths, with Python's named groups too", () => {
    expect(targets({ targetModules: ".*\\.1\\..*(?P<name>q_proj|fc2)" })).toEqual([
      "1.self_attn.q_proj",
      "1.mlp.fc2",
    ]);
    expect(() => targets({ targetModules: "q_proj" })).toThrow('"q_proj" matches no module');
    expect(() => targets({ targetModules: "(" })).toThrow("not a regular expression");
  });
  it("of a pattern that could take for ever are refused, or matched at once", () => {
    const many = `${".*".repeat(50)}q_proj`;
    expect(targets({ targetModules: many })).toHaveLength(2);
    expect(
      targets({ targetModules: `${many}|(?:.*?(?:self|mlp).*?(?:attn|x).*?(?:v_proj|y).*?)` }),
    ).toHaveLength(4);
    for (const pattern of [
      "(a*)*b",
      "(?:.+.?)+!",
      ".*x?".repeat(30),
      `(${".*.?".repeat(4)})${".*.?".repeat(4)}!`,
    ])
      expect(() => targets({ targetModules: pattern }), pattern).toThrow("repeats too much");
    expect(() => targets({ rankPattern: { "(.*)*q": 2 } })).toThrow("repeats too much");
    expect(
      targets({ targetModules: "model\\.layers\\.\\d+\\.(self_attn|mlp)\\.[a-z*+]+_proj" }),
    ).toHaveLength(6);
  });
  it("are taken from some layers only", () => {
    expect(targets({ targetModules: ["q_proj"], layersToTransform: [1] })).toEqual(["1.self_attn.q_proj"]);
    expect(targets({ targetModules: ["q_proj"], layersToTransform: [0], layersPattern: ["layers"] })).toEqual(
      ["0.self_attn.q_proj"],
    );
    expect(() => targets({ targetModules: ["q_proj"], layersToTransform: [5] })).toThrow(
      "layer 5; the model has layers 0 to 1",
    );
    expect(() => targets({ targetModules: ".*q_proj", layersToTransform: [1] })).toThrow(
      "cannot be combined",
    );
  });
  it("in layers of a pattern that is no regular expression are refused", () => {
    expect(() => targets({ layersToTransform: [1], layersPattern: ["layers", "("] })).toThrow(
      /layers_pattern: "\(" is not a regular expression/,
    );
  });
  it("can be excluded by name or regular expression", () => {
    expect(targets({ excludeModules: ["fc1", "v_proj"] })).toEqual([
      "0.self_attn.q_proj",
      "0.mlp.fc2",
      "1.self_attn.q_proj",
      "1.mlp.fc2",
    ]);
    expect(targets({ excludeModules: ".*\\.0\\..*" })).toEqual([
      "1.self_attn.q_proj",
      "1.self_attn.v_proj",
      "1.mlp.fc1",
      "1.mlp.fc2",
    ]);
  });
  it("that match nothing are all named at once, with the nearest name", () => {
    expect(() => targets({ targetModules: ["q_prj", "fc1", "o_proj"] })).toThrow(
      /"q_prj" matches no module.*did you mean "q_proj"\?\n.*"o_proj"/s,
    );
  });
  it("cannot be inside a module that is trained whole", () => {
    expect(targets({ targetModules: ["fc1"], modulesToSave: ["layers.0"] })).toEqual(["1.mlp.fc1"]);
  });
});

describe("modules to save", () => {
  const saved = (names: readonly string[]) =>
    matchSavedModules(modules, { ...defaultLoraConfig, modulesToSave: names }).map(({ path }) => path);
  it("are the modules at or below a name", () => {
    expect(saved(["lm_head"])).toEqual(["lm_head"]);
    expect(saved(["layers.1.mlp"])).toEqual(["model.layers.1.mlp.fc1", "model.layers.1.mlp.fc2"]);
    expect(() => saved(["lm_hed"])).toThrow('did you mean "lm_head"?');
  });
});

describe("patterns", () => {
  it("give the value of the first that matches at the end of a path", () => {
    const patterns = { "layers.0.mlp.fc1": 2, "fc.": 3, "^nothing": 9 };
    expect(patternValue(patterns, "model.layers.0.mlp.fc1")).toBe(2);
    expect(patternValue(patterns, "model.layers.1.mlp.fc1")).toBe(3);
    expect(patternValue(patterns, "model.layers.1.self_attn.q_proj")).toBeUndefined();
  });
  it("that match no target are errors", () => {
    expect(() => targets({ rankPattern: { dense: 4 } })).toThrow('rank_pattern: "dense" matches no module');
  });
});
