// A base and adapters -> models by name, each of which continues a prompt as text; all share the base's mapped weights.
import { basename, resolve } from "node:path";
import type { Trained } from "../adapters/plan.js";
import { alpacaPrompt } from "../data/alpaca.js";
import { renderChat } from "../data/chat.js";
import { checkVocabulary, encodePrompt } from "../data/encode.js";
import { fail, nearest, PhinetuneError } from "../errors.js";
import { streamAnswer } from "../evaluate/answers.js";
import { createGenerator, type TextGenerator } from "../evaluate/generate.js";
import { loadPeftAdapter } from "../export/peft.js";
import { loadTokenizer, type Tokenizer } from "../formats/tokenizer.js";
import { type DownloadControl, finished } from "../hub/progress.js";
import { resolveAdapter, resolveModel } from "../hub/resolve.js";
import { openBaseModel } from "../models/base_model.js";
import { openInStorage, type StorageOptions, type StorageProgress } from "../quantize/storage.js";
import { type CompletionRequest, RequestError } from "./request.js";
import { createStopFilter } from "./stop.js";

export interface ServedModel {
  readonly name: string;
  /** Continues the prompt of a request; what it returns says how the answer ended. */
  complete(request: CompletionRequest, signal: AbortSignal): AsyncGenerator<string, Completed>;
}

export interface Completed {
  readonly finishReason: "stop" | "length";
  readonly promptTokens: number;
  readonly completionTokens: number;
}

export interface Models {
  readonly all: readonly ServedModel[];
  /** @throws RequestError of status 404 */
  find(name: string | undefined): ServedModel;
  release(): Promise<void>;
}

export interface ModelsOptions extends StorageOptions {
  readonly model: string;
  /** Folders, each with a name if wanted: `name=DIR`. */
  readonly adapter?: readonly string[] | undefined;
  readonly maxNewTokens: number;
  readonly numThreads: number;
  /** Hears how far the rounding of weights is, where it is asked for. */
  readonly onRounding?: ((progress: StorageProgress) => void) | undefined;
}

/** Opens base and adapters; the base comes first and is taken where a request names none. @param onDownload how far downloads are */
export async function openModels(
  options: ModelsOptions,
  { onDownload, ...control }: DownloadControl = {},
): Promise<Models> {
  const opened = await openBaseModel(await finished(resolveModel(options.model, control), onDownload));
  const base = await openInStorage(opened, options, options.onRounding);
  const tokenizer = await loadTokenizer(base.folder);
  checkVocabulary(tokenizer, base.config.vocabSize);
  const eosTokenIds = [...new Set([...tokenizer.stopTokenIds, ...base.eosTokenIds])];
  const compiled: Promise<TextGenerator>[] = [];

  const serve = (name: string, trained: Trained | undefined): ServedModel => {
    let made: Promise<TextGenerator> | undefined;
    const generator = (): Promise<TextGenerator> => {
      if (!made) {
        made = createGenerator(base, trained, options);
        compiled.push(made);
      }
      return made;
    };
    return {
      name,
      async *complete(request, signal) {
        const ids = promptOf(request, tokenizer);
        const room = base.config.maxPositions - ids.length;
        if (room < 1)
          throw new RequestError(
            400,
            `the prompt has ${ids.length} tokens; the model has ${base.config.maxPositions} positions`,
            { code: "context_length_exceeded", param: "messages" },
          );
        const { maxNewTokens, seed, ...sampling } = request.sampling;
        const limit = Math.min(room, maxNewTokens ?? options.maxNewTokens, options.maxNewTokens);
        const filter = createStopFilter(request.stop);
        // A stop text ends the generation as well; what the client aborts, too.
        const ending = new AbortController();
        const abort = () => ending.abort();
        signal.addEventListener("abort", abort, { once: true });
        let completionTokens = 0;
        let last: number | undefined;
        const source = await generator();
        const counted: TextGenerator = {
          ...source,
          async *steps(...given) {
            for await (const step of source.steps(...given)) {
              if (step.tokens[0] !== undefined) {
                completionTokens++;
                last = step.tokens[0];
              }
              yield step;
            }
          },
        };
        try {
          const settings = {
            ...sampling,
            maxNewTokens: limit,
            eosTokenIds,
            signal: ending.signal,
            seed: seed === undefined ? Math.trunc(Math.random() * 2 ** 31) : Math.abs(seed),
          };
          for await (const piece of streamAnswer(counted, tokenizer, ids, settings)) {
            const text = filter.push(piece);
            if (text !== "") yield text;
            if (filter.isStopped) break;
          }
          const rest = filter.rest();
          if (rest !== "") yield rest;
        } finally {
          signal.removeEventListener("abort", abort);
        }
        const isStopped = filter.isStopped || (last !== undefined && eosTokenIds.includes(last));
        return {
          finishReason: isStopped ? "stop" : "length",
          promptTokens: ids.length,
          completionTokens,
        };
      },
    };
  };

  const all = [serve(options.model, undefined)];
  for (const given of options.adapter ?? []) {
    const [name, folder] = named(given);
    if (all.some((model) => model.name === name))
      fail("usage", `two models have the name ${JSON.stringify(name)}`, {
        fix: "name them: --adapter one=DIR two=DIR",
      });
    const local = await finished(resolveAdapter(folder, control), onDownload);
    all.push(serve(name, await loadPeftAdapter(local, base)));
  }
  return {
    all,
    find(name) {
      if (name === undefined) return all[0]!;
      const found = all.find((model) => model.name === name);
      if (found) return found;
      const names = all.map((model) => model.name);
      const near = nearest(name, names);
      throw new RequestError(
        404,
        `there is no model ${JSON.stringify(name)}; ${near ? `did you mean ${near}?` : `there are ${names.join(", ")}`}`,
        { code: "model_not_found", param: "model" },
      );
    },
    async release() {
      for (const generator of await Promise.all(compiled)) await generator.release();
    },
  };
}

function named(given: string): readonly [name: string, folder: string] {
  const match = /^([\w.-]+)=(.+)$/.exec(given);
  return match ? [match[1]!, match[2]!] : [basename(resolve(given)), given];
}

/** A chat in the model's template; without one, the last question as an Alpaca instruction. */
function promptOf({ prompt }: CompletionRequest, tokenizer: Tokenizer): readonly number[] {
  if ("text" in prompt) return encodePrompt(prompt.text, tokenizer);
  try {
    if (tokenizer.chatTemplate !== undefined)
      return encodePrompt(renderChat(prompt.messages, tokenizer, { addGenerationPrompt: true }), tokenizer);
  } catch (error) {
    if (!(error instanceof PhinetuneError)) throw error;
    throw new RequestError(400, error.message, { param: "messages" });
  }
  const question = prompt.messages.findLast(({ role }) => role === "user");
  if (!question) throw new RequestError(400, "there is no message of a user", { param: "messages" });
  return encodePrompt(alpacaPrompt(question.content), tokenizer);
}
