// Folders of adapters and of checkpoints: settings, values and counts must be those of the files.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { planAdapter } from "../../../src/adapters/attach.js";
import { defaultLoraConfig, type LoraConfig } from "../../../src/adapters/config.js";
import { loadPeftAdapter, savePeftAdapter } from "../../../src/export/peft.js";
import { toFloat32 } from "../../../src/formats/dtype.js";
import { elementCount, type Tensor } from "../../../src/formats/tensor.js";
import { type BaseModel, openBaseModel } from "../../../src/models/base_model.js";
import { createRandom } from "../../../src/random.js";
import { loadCheckpoint, saveCheckpoint, type TrainerState } from "../../../src/train/checkpoint.js";
import { createTrainState, type TrainState } from "../../../src/train/loop.js";
import { createTinyModel } from "../../fixtures/tiny_model.js";
import { changedJson, folderOf, has, jsonIn, must, type Reader, same } from "./harness.js";
import { jsonDocument, pick } from "./mutations.js";
import { changedSafetensors, safetensorsSource, tensorsIn } from "./safetensors.js";

type LoadedAdapter = Awaited<ReturnType<typeof loadPeftAdapter>>;

const CONFIG = "adapter_config.json";
const TENSORS = "adapter_model.safetensors";

const jsonSource = (path: string) => jsonDocument(readFileSync(path, "utf8"));
const tensorSource = (path: string) => safetensorsSource(readFileSync(path));

function mustBeValues(found: Float32Array, wanted: Tensor | undefined, name: string): void {
  must(wanted !== undefined, `${name}: the file does not have it`);
  const isSame = Buffer.compare(new Uint8Array(found.buffer), new Uint8Array(toFloat32(wanted).buffer)) === 0;
  must(isSame, `${name}: its values`);
}

/** A new adapter with random values, and its folder. */
async function createAdapter(name: string, base: BaseModel, config: Partial<LoraConfig>) {
  const plan = planAdapter(base, { ...defaultLoraConfig, r: 2, ...config });
  const random = createRandom(2);
  const values = new Map(
    plan.parameters.map(({ name, shape }) => [
      name,
      Float32Array.from({ length: elementCount(shape) }, () => random.normal()),
    ]),
  );
  const folder = folderOf(name);
  await savePeftAdapter(folder, { plan, values }, "some/base");
  return { plan, values, folder };
}

function mustBeAdapter({ plan, values }: LoadedAdapter, folder: string): void {
  const json = jsonIn(join(folder, CONFIG));
  const { r, alpha, dropout, bias, useRslora } = plan.config;
  const read = { r, lora_alpha: alpha, lora_dropout: dropout, bias, use_rslora: useRslora };
  for (const [key, value] of Object.entries(read))
    must(!has(json, key) || json[key] === value, `${key} is ${json[key]}, read as ${value}`);
  const tensors = tensorsIn(join(folder, TENSORS));
  for (const { name, peftName, shape } of plan.parameters) {
    must(same(tensors.get(peftName)?.shape, shape), `${peftName}: its shape`);
    mustBeValues(values.get(name)!, tensors.get(peftName), peftName);
  }
}

export async function adapterFolder(): Promise<Reader<LoadedAdapter>> {
  const [phi, llama, qwen2] = (await Promise.all(
    ["phi", "llama", "qwen2"].map(async (family) => openBaseModel(await createTinyModel(family))),
  )) as [BaseModel, BaseModel, BaseModel];
  const kinds: readonly [BaseModel, Partial<LoraConfig>][] = [
    [phi, { bias: "all", targetModules: ["q_proj", "fc1"], modulesToSave: ["final_layernorm"] }],
    [llama, { rankPattern: { q_proj: 3 }, alphaPattern: { "1.self_attn.v_proj": 7 }, useRslora: true }],
    [
      llama,
      { targetModules: ["down_proj"], layersToTransform: [1], layersPattern: ["layers"], dropout: 0.1 },
    ],
    [qwen2, { targetModules: ".*(q|v)_proj", excludeModules: ".*\\.0\\..*", bias: "lora_only" }],
    [qwen2, { targetModules: ["embed_tokens", "q_proj"], excludeModules: ["k_proj"] }],
  ];
  const adapters = await Promise.all(
    kinds.map(async ([base, settings], i) => {
      const { folder } = await createAdapter(`adapter-${i}`, base, settings);
      return { base, config: jsonSource(join(folder, CONFIG)), tensors: tensorSource(join(folder, TENSORS)) };
    }),
  );
  const folder = folderOf("adapter");
  let chosen = adapters[0]!;
  return {
    write(random) {
      chosen = pick(random, adapters);
      const { config, tensors } = chosen;
      const isConfig = random.nextFloat() < 0.7;
      const mutant = isConfig ? changedJson(config, random) : changedSafetensors(tensors, random);
      writeFileSync(join(folder, CONFIG), isConfig ? mutant.bytes : config.text);
      writeFileSync(join(folder, TENSORS), isConfig ? tensors.bytes : mutant.bytes);
      return {
        ...mutant,
        how: `adapter ${adapters.indexOf(chosen)}, ${isConfig ? CONFIG : TENSORS}: ${mutant.how}`,
      };
    },
    read: () => loadPeftAdapter(folder, chosen.base),
    check: (adapter) => mustBeAdapter(adapter, folder),
  };
}

interface LoadedCheckpoint {
  readonly state: TrainState;
  readonly adapter: LoadedAdapter;
  readonly saved: TrainerState;
}

const STATE = "trainer_state.json";
const MOMENTS = "optimizer.safetensors";

const SAVED = {
  events_bytes: 1234,
  best: { step: 4, value: 1.5, without_improvement: 1 },
  watch: { mean: 1, least: 1, start: 3, warned: ["still"] },
  earlier: [{ answer: "yes", stopped: true, tokens: 2 }],
  fingerprint: {
    options: { learningRate: 0.01, loraR: 2, evalDataset: null },
    hashes: { "model.safetensors": "a".repeat(64) },
    phinetune: "0.1.0",
  },
};

export async function checkpointFolder(): Promise<Reader<LoadedCheckpoint>> {
  const base = await openBaseModel(await createTinyModel("phi"));
  const { plan, values } = await createAdapter("checkpointed", base, { targetModules: ["q_proj", "fc1"] });
  const trained = createTrainState(values);
  Object.assign(trained, { step: 6, numTokens: 300, loss: 12.5, tokens: 200, seconds: 0.25 });
  for (const { mean, variance } of trained.moments.values()) {
    mean.fill(0.5);
    variance.fill(1.5);
  }
  const folder = await saveCheckpoint(folderOf("run"), trained, SAVED, (to) =>
    savePeftAdapter(to, { plan, values }, "some/base"),
  );
  const path = (name: string) => join(folder, name);
  const sources = [
    ...[STATE, CONFIG].map((name) => ({ name, json: jsonSource(path(name)) })),
    ...[MOMENTS, TENSORS].map((name) => ({ name, tensors: tensorSource(path(name)) })),
  ];
  return {
    write(random) {
      const changed = random.nextFloat() < 0.5 ? sources[0]! : pick(random, sources);
      const mutant =
        "json" in changed ? changedJson(changed.json, random) : changedSafetensors(changed.tensors, random);
      for (const source of sources) {
        const good = "json" in source ? source.json.text : source.tensors.bytes;
        writeFileSync(path(source.name), source === changed ? mutant.bytes : good);
      }
      return { ...mutant, how: `${changed.name}: ${mutant.how}` };
    },
    async read() {
      const state = createTrainState(
        new Map([...values].map(([name, { length }]) => [name, new Float32Array(length)])),
      );
      const adapter = await loadPeftAdapter(folder, base);
      return {
        state,
        adapter,
        saved: await loadCheckpoint(folder, state, adapter.values, SAVED.fingerprint),
      };
    },
    check({ state, adapter, saved }) {
      mustBeAdapter(adapter, folder);
      const said = jsonIn(path(STATE));
      must(same(said, saved), "the state");
      // The version of the program may differ.
      const { options, hashes } = saved.fingerprint;
      must(same({ ...SAVED.fingerprint, options, hashes }, SAVED.fingerprint), "the fingerprint");
      const { step, numTokens, loss, tokens, seconds } = state;
      const read = { step, num_tokens: numTokens, loss, tokens, seconds };
      for (const [key, value] of Object.entries(read)) must(said[key] === value, `${key} is ${value}`);
      mustBeSound(saved);
      for (const [name, value] of state.values)
        must(same([...value], [...adapter.values.get(name)!]), `${name}: the values of the state`);
      const moments = tensorsIn(path(MOMENTS));
      for (const [name, { mean, variance }] of state.moments) {
        mustBeValues(mean, moments.get(`${name}.exp_avg`), `${name}.exp_avg`);
        mustBeValues(variance, moments.get(`${name}.exp_avg_sq`), `${name}.exp_avg_sq`);
      }
    },
  };
}

/** What a run that goes on reckons with. */
function mustBeSound({ step, num_tokens, tokens, events_bytes, best, watch, earlier }: TrainerState): void {
  const answers = earlier as readonly (typeof SAVED.earlier)[number][];
  const counts = [step, num_tokens, tokens, events_bytes, best.step, best.without_improvement];
  for (const count of [...counts, ...answers.map((given) => given.tokens)])
    must(Number.isSafeInteger(count) && count >= 0, `the count ${count}`);
  for (const number of [best.value, watch.mean, watch.least, watch.start])
    must(number === null || Number.isFinite(number), `the number ${number}`);
  for (const text of [...watch.warned, ...answers.map(({ answer }) => answer)])
    must(typeof text === "string", `the text ${text}`);
}
