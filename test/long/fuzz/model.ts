// tokenizer.json, tokenizer_config.json and config.json: what says the same must give the same ids and sizes.
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadTokenizer, type Tokenizer } from "../../../src/formats/tokenizer.js";
import { type BaseModel, openBaseModel } from "../../../src/models/base_model.js";
import { parametersOf } from "../../../src/models/family.js";
import { createTinyModel } from "../../fixtures/tiny_model.js";
import { changedJson, fixtures, folderOf, has, jsonIn, must, type Reader, same } from "./harness.js";
import { jsonDocument, pick } from "./mutations.js";

interface Encoded {
  readonly tokenizer: Tokenizer;
  readonly ids: readonly (readonly number[])[];
  readonly texts: readonly string[];
}

const TEXTS = ["Hello  world\n<s> ünïcode 🙂 don't 12345", "\u0000 <|endoftext|><|im_end|>\t▁the"];
const TOKENIZER_FILES = ["tokenizer.json", "tokenizer_config.json"] as const;
/** The parts of tokenizer.json that decide about ids. */
const PARTS = ["model", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder"];

async function encoded(folder: string): Promise<Encoded> {
  const tokenizer = await loadTokenizer(folder);
  const ids = TEXTS.map((text) => tokenizer.encode(text, { addSpecialTokens: true }));
  return { tokenizer, ids, texts: ids.map((row) => tokenizer.decode(row, { skipSpecialTokens: true })) };
}

const specialOf = ({ bosTokenId, eosTokenId, padTokenId, stopTokenIds }: Tokenizer) => ({
  bosTokenId,
  eosTokenId,
  padTokenId,
  stopTokenIds,
});

export async function tokenizerFiles(): Promise<Reader<Encoded>> {
  const folder = folderOf("tokenizer");
  const kinds = await Promise.all(
    ["codegen", "qwen2", "llama", "llama3"].map(async (kind) => {
      const from = join(fixtures, "tokenizers", kind);
      const files = TOKENIZER_FILES.map((name) => jsonDocument(readFileSync(join(from, name), "utf8")));
      return { kind, files, good: await encoded(from) };
    }),
  );
  const paths = TOKENIZER_FILES.map((name) => join(folder, name));
  let chosen = kinds[0]!;
  return {
    write(random) {
      chosen = pick(random, kinds);
      const changed = random.nextFloat() < 0.8 ? 0 : 1;
      const mutant = changedJson(chosen.files[changed]!, random);
      for (const [i, path] of paths.entries())
        writeFileSync(path, i === changed ? mutant.bytes : chosen.files[i]!.text);
      return { ...mutant, how: `${chosen.kind}, ${TOKENIZER_FILES[changed]}: ${mutant.how}` };
    },
    read: () => encoded(folder),
    check({ tokenizer, ids, texts }) {
      for (const id of ids.flat())
        must(tokenizer.idToToken(id) !== undefined && id < tokenizer.vocabSize, `the id ${id} has no token`);
      must(
        texts.every((text) => typeof text === "string"),
        "the decoded texts",
      );
      const [before, now] = [JSON.parse(chosen.files[0]!.text), jsonIn(paths[0]!)];
      if (!PARTS.every((part) => same(before[part], now[part]))) return;
      must(same(ids, chosen.good.ids), "other ids, though nothing that decides about them was changed");
      if (same(JSON.parse(chosen.files[1]!.text), jsonIn(paths[1]!)))
        must(same(specialOf(tokenizer), specialOf(chosen.good.tokenizer)), "other special tokens");
    },
  };
}

/** Keys of config.json that must come back as they are. */
const SIZES = {
  hidden_size: "hiddenSize",
  vocab_size: "vocabSize",
  num_hidden_layers: "layers",
  num_attention_heads: "heads",
  num_key_value_heads: "kvHeads",
  max_position_embeddings: "maxPositions",
  tie_word_embeddings: "tiedEmbeddings",
  attention_dropout: "attentionDropout",
} as const;

export async function modelConfig(): Promise<Reader<BaseModel>> {
  const overrides = {
    rope_scaling: { rope_type: "linear", factor: 2 },
    layer_types: ["full_attention", "full_attention"],
    use_sliding_window: true,
    qk_layernorm: true,
  };
  const models = await Promise.all(
    ["phi", "llama", "qwen2"].map(async (family) => {
      const folder = folderOf(`model-${family}`);
      cpSync(await createTinyModel(family, { overrides }), folder, { recursive: true });
      const document = jsonDocument(readFileSync(join(folder, "config.json"), "utf8"));
      return { family, folder, document, good: await openBaseModel(folder) };
    }),
  );
  let chosen = models[0]!;
  let fromScratch = false;
  return {
    write(random) {
      chosen = pick(random, models);
      fromScratch = random.nextFloat() < 0.5;
      const mutant = changedJson(chosen.document, random);
      writeFileSync(join(chosen.folder, "config.json"), mutant.bytes);
      return { ...mutant, how: `${chosen.family}${fromScratch ? ", from scratch" : ""}: ${mutant.how}` };
    },
    read: () => openBaseModel(chosen.folder, { fromScratch }),
    check({ config, modules, tensors, family }) {
      const json = jsonIn(join(chosen.folder, "config.json"));
      for (const [key, name] of Object.entries(SIZES))
        must(
          !has(json, key) || json[key] === config[name],
          `${key} is ${json[key]}, read as ${config[name]}`,
        );
      must(config.heads % config.kvHeads === 0 && config.headSize > 0, "the heads");
      for (const [name, shape] of modules.flatMap((module) => [...parametersOf(module)])) {
        must(
          shape.every((size) => Number.isSafeInteger(size) && size > 0),
          `${name} has the shape [${shape}]`,
        );
        const isTied = config.tiedEmbeddings && name === "lm_head.weight";
        must(
          fromScratch || isTied || same(tensors.get(name)?.shape, shape),
          `${name}: the file's shape differs`,
        );
      }
      if (!same(json, JSON.parse(chosen.document.text))) return;
      must(family === chosen.good.family && same(config, chosen.good.config), "another configuration");
    },
  };
}
