// `phinetune generate`: a prompt -> the model's answer, written as it comes.
import type { Row } from "../data/types.js";
import { fail } from "../errors.js";
import type { Tokenizer } from "../formats/tokenizer.js";
import type { ExitCode } from "./failure.js";
import { listenForInterrupt } from "./interrupt.js";
import type { Invocation } from "./invocation.js";
import { duration } from "./quantities.js";
import { showRounding } from "./rounding.js";
import { printable } from "./terminal.js";

type Options = Invocation<"generate">["options"];

export async function runGenerate({ options, terminal, isGiven }: Invocation<"generate">): Promise<ExitCode> {
  const { out, log, json } = terminal;
  const words = options.instruction === undefined ? (options.prompt ?? (await readStandardInput())) : "";
  const [{ localFolders }, { openBaseModel }, { loadTokenizer }, { openInStorage }] = await Promise.all([
    import("./local_folders.js"),
    import("../models/base_model.js"),
    import("../formats/tokenizer.js"),
    import("../quantize/storage.js"),
  ]);
  const [{ checkVocabulary, encodePrompt }, { loadPeftAdapter }, { createGenerator }, { streamAnswer }] =
    await Promise.all([
      import("../data/encode.js"),
      import("../export/peft.js"),
      import("../evaluate/generate.js"),
      import("../evaluate/answers.js"),
    ]);
  const folders = await localFolders(options, log);
  const base = await openInStorage(await openBaseModel(folders.model), options, showRounding(log));
  const tokenizer = await loadTokenizer(base.folder);
  checkVocabulary(tokenizer, base.config.vocabSize);
  const adapter = folders.adapter === undefined ? undefined : await loadPeftAdapter(folders.adapter, base);
  const text = options.instruction === undefined ? words : await promptOf(options, tokenizer);
  const prompt = encodePrompt(text, tokenizer);

  const room = base.config.maxPositions - prompt.length;
  const maxNewTokens =
    isGiven("maxNewTokens") || room < 1 ? options.maxNewTokens : Math.min(options.maxNewTokens, room);
  const generator = await createGenerator(base, adapter, options);
  const interrupt = listenForInterrupt(() => log.write("\ninterrupted\n"));
  const eosTokenIds = [...new Set([...tokenizer.stopTokenIds, ...base.eosTokenIds])];
  const ids: number[] = [];
  const counting = {
    ...generator,
    async *steps(...given: Parameters<typeof generator.steps>) {
      for await (const step of generator.steps(...given)) {
        if (step.tokens[0] !== undefined) ids.push(step.tokens[0]);
        yield step;
      }
    },
  };
  const { temperature, topK, topP, repetitionPenalty, seed } = options;
  const started = performance.now();
  let answer = "";
  try {
    for await (const piece of streamAnswer(counting, tokenizer, prompt, {
      maxNewTokens,
      eosTokenIds,
      temperature,
      topK,
      topP,
      repetitionPenalty,
      seed,
      signal: interrupt.signal,
    })) {
      answer += piece;
      if (!json) out.write(out.width === undefined ? piece : printable(piece));
    }
  } finally {
    interrupt.release();
    await generator.release();
  }
  const seconds = (performance.now() - started) / 1000;
  const isEnded = ids.length > 0 && eosTokenIds.includes(ids.at(-1)!);
  const finish = isEnded ? "stop" : interrupt.signal.aborted ? "interrupted" : "length";
  if (json) {
    const result = {
      prompt: text,
      answer,
      finish,
      prompt_tokens: prompt.length,
      new_tokens: ids.length,
      seconds,
    };
    out.write(`${JSON.stringify(result)}\n`);
  } else {
    out.write("\n");
    if (log.width !== undefined)
      log.write(
        log.paint(
          `${ids.length} tokens in ${duration(seconds)}${finish === "length" ? ", cut at the limit" : ""}\n`,
          "dim",
        ),
      );
  }
  return finish === "interrupted" ? 130 : 0;
}

/** The instruction in the prompt that training uses. */
async function promptOf(
  { instruction, input, promptFormat }: Options,
  tokenizer: Tokenizer,
): Promise<string> {
  const { renderPrompt } = await import("../data/shapes.js");
  const hasTemplate = tokenizer.chatTemplate !== undefined && input === undefined;
  const format = promptFormat === "auto" ? (hasTemplate ? "messages" : "alpaca") : promptFormat;
  if (format === "messages") return renderPrompt(instruction!, tokenizer, { format });
  const row: Row = { source: "--instruction", line: 1, fields: { instruction, input: input ?? "" } };
  return renderPrompt(row, tokenizer, { format });
}

async function readStandardInput(): Promise<string> {
  if (process.stdin.isTTY)
    fail("usage", "there is no prompt", {
      fix: 'give --prompt "…", --instruction "…", or text on standard input',
    });
  const pieces: Buffer[] = [];
  for await (const piece of process.stdin) pieces.push(piece as Buffer);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.concat(pieces));
  } catch (error) {
    fail("data", "standard input is not valid UTF-8", { cause: error });
  }
  const prompt = text.replace(/\r?\n$/, "");
  if (prompt === "")
    fail("usage", "standard input is empty", { fix: 'give --prompt "…" or text on standard input' });
  return prompt;
}
