// The commands: what each is for, how it is used, and where its code is.
import type { CommandName } from "../options.js";
import type { Run } from "./invocation.js";

interface CommandEntry<Command extends CommandName> {
  readonly summary: string;
  /** More lines for its own help. */
  readonly about: string;
  readonly examples: readonly string[];
  /** Loaded when it is run: `--help` must not wait for a runtime. */
  readonly load: () => Promise<Run<Command>>;
}

export const commands: { readonly [Command in CommandName]: CommandEntry<Command> } = {
  train: {
    summary: "train a LoRA adapter, and write it as PEFT does",
    about:
      "Trains a LoRA adapter on the rows of a data set. The output folder gets adapter_model.safetensors and adapter_config.json as PEFT writes them, run.json (options, versions, hashes), events.jsonl, and report.html, which shows the whole run in a browser. Names of options are those of TRL and transformers; underscores work as well as hyphens.",
    examples: [
      "phinetune train --model microsoft/phi-1_5 --dataset alpaca.json --eval-size 100 --lora-r 16 --output-dir runs/phi",
      "phinetune train --config run.yaml --learning-rate 1e-4",
    ],
    load: async () => (await import("./train.js")).runTrain,
  },
  plan: {
    summary: "tell what a training would do, and the memory and time that it needs",
    about:
      "Takes the options of train and writes nothing: which modules are matched, what is trained on which rows, steps and checkpoints, the memory of each part, and, from a few real steps, the time. Refuses what train would refuse.",
    examples: [
      "phinetune plan --model microsoft/phi-1_5 --dataset alpaca.json --lora-r 16",
      "phinetune plan --config run.yaml --calibration-steps 0 --json",
    ],
    load: async () => (await import("./plan.js")).runPlan,
  },
  data: {
    summary: "show rows as the model will see them, with what is trained",
    about:
      "Renders and tokenises a data set exactly as training does, shows rows with the trained tokens marked, and tells lengths, cuts and what is left out. A configuration for train serves as it is.",
    examples: [
      "phinetune data --model microsoft/phi-1_5 --dataset alpaca.json --rows 5",
      "phinetune data --config run.yaml --rows 0 --json",
    ],
    load: async () => (await import("./data.js")).runData,
  },
  eval: {
    summary: "hold adapters against their base on the same rows: precision, recall and more",
    about:
      "Base and adapters predict and answer the same rows in the same way. Shows loss, perplexity, next-token precision, recall and F1, exact match, bag-of-words, ROUGE, BLEU and chrF scores of the answers and, where rows have a label, precision, recall and F1 of each label with the confusion matrix; differences come with 95 % intervals of a paired bootstrap over rows.",
    examples: [
      "phinetune eval --model microsoft/phi-1_5 --adapter runs/phi --dataset test.jsonl",
      "phinetune eval --model M --adapter runs/a runs/b --dataset boolq.json --likelihood --output eval.json",
    ],
    load: async () => (await import("./eval.js")).runEval,
  },
  generate: {
    summary: "answer a prompt with a model, with or without an adapter",
    about: "Continues a text, or answers an instruction, and writes the answer as it comes.",
    examples: [
      'phinetune generate --model microsoft/phi-1_5 --adapter runs/phi --instruction "Name three colours."',
      "phinetune generate --model microsoft/phi-1_5 --temperature 0.7 --top-p 0.9 < prompt.txt",
    ],
    load: async () => (await import("./generate.js")).runGenerate,
  },
  chat: {
    summary: "talk to a model, with an adapter, without it, or with both side by side",
    about:
      "A conversation in the terminal, in the model's chat template or, without one, in Alpaca's prompt, which knows no earlier questions. Lines on standard input work as well. /base, /adapter and /both choose who answers; /reset forgets, /save FILE writes what was said.",
    examples: [
      "phinetune chat --model microsoft/phi-1_5 --adapter runs/phi",
      "phinetune chat --model M --temperature 0.7 --top-p 0.9",
    ],
    load: async () => (await import("./chat.js")).runChat,
  },
  serve: {
    summary: "answer OpenAI's clients over HTTP, from one base and any number of adapters",
    about:
      "Serves /v1/chat/completions, /v1/completions and /v1/models, streamed or whole. The base and each adapter are models of their own; a request chooses one by name. Listens to this machine only, unless --host says otherwise.",
    examples: [
      "phinetune serve --model microsoft/phi-1_5 --adapter runs/phi",
      "phinetune serve --model M --adapter poet=runs/a clerk=runs/b --port 9000 --api-key secret",
    ],
    load: async () => (await import("./serve.js")).runServe,
  },
  merge: {
    summary: "work adapters into their base: a model without adapters",
    about:
      "Adds the change of each adapter to the weights of the base, in float32, and writes the result in the base's type and files, with its tokenizer. For one adapter it tells how far a logit is from that of base and adapter.",
    examples: [
      "phinetune merge --model microsoft/phi-1_5 --adapter runs/phi --output-dir phi-merged",
      "phinetune merge --model M --adapter runs/a runs/b --adapter-weights 0.7 0.3 --dtype float32 --output-dir merged",
    ],
    load: async () => (await import("./merge.js")).runMerge,
  },
  export: {
    summary: "write a model or an adapter for llama.cpp, transformers.js or MLX",
    about:
      "Writes the base, with an adapter worked in where one is given: as one GGUF file with its tokenizer and chat template, or as the ONNX folder that transformers.js loads. An adapter alone goes onto an exported base: --what adapter for llama.cpp, --format mlx for mlx-lm. What the other program would not compute alike is refused.",
    examples: [
      "phinetune export --model microsoft/phi-1_5 --adapter runs/phi --outtype q8_0 --output phi.gguf",
      "phinetune export --model microsoft/phi-1_5 --adapter runs/phi --what adapter --output phi-lora.gguf",
      "phinetune export --model microsoft/phi-1_5 --adapter runs/phi --format onnx --dtype q4 --output phi-onnx",
    ],
    load: async () => (await import("./export.js")).runExport,
  },
  push: {
    summary: "upload a run, an adapter or a model to the Hugging Face Hub",
    about:
      "Shows first what it will upload, with sizes: the adapter or model, its card (README.md, with the metrics as the Hub reads them), the report and run.json, in which folders of this machine are cut to their last names. What is there already is left out, so a broken upload goes on where it stopped. Needs a token that may write: HF_TOKEN, or hf auth login.",
    examples: [
      "phinetune push runs/phi org/phi-alpaca --private",
      "phinetune push phi-merged org/phi-merged --yes --json",
    ],
    load: async () => (await import("./push.js")).runPush,
  },
  inspect: {
    summary: "write logits, loss and gradients of a batch, to compare with any other program",
    about:
      "Computes logits (with and without the adapter), the loss and its gradient for every trained tensor, and writes them to a safetensors file.",
    examples: ["phinetune inspect --model M --adapter A --inputs inputs.json --output out.safetensors"],
    load: async () => (await import("./inspect.js")).runInspect,
  },
  doctor: {
    summary: "tell what this machine can do, what is wrong, and what mends it",
    about:
      "Looks at versions, onnxruntime and its arithmetic, processors, memory, disks and the cache of models. Exits with 1 where something keeps phinetune from working.",
    examples: ["phinetune doctor", "phinetune doctor --json"],
    load: async () => (await import("./doctor.js")).runDoctor,
  },
};

export const commandNames = Object.keys(commands) as readonly CommandName[];
