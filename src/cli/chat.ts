// `phinetune chat`: lines of a user -> answers of the base, of an adapter, or of both, as they come.
import { createInterface } from "node:readline";
import type { Trained } from "../adapters/plan.js";
import { PhinetuneError } from "../errors.js";
import type { Conversation } from "../evaluate/conversation.js";
import type { TextGenerator } from "../evaluate/generate.js";
import type { ExitCode } from "./failure.js";
import type { Invocation } from "./invocation.js";
import { plural } from "./quantities.js";
import { showRounding } from "./rounding.js";
import { type Output, printable } from "./terminal.js";

type Options = Invocation<"chat">["options"];

/** One that answers, with its own memory of what was said. */
interface Speaker {
  readonly name: "base" | "adapter";
  readonly conversation: Conversation;
  /** Compiled when it answers for the first time. */
  generator(): Promise<TextGenerator>;
}

const HELP = `/base, /adapter, /both   who answers
/reset                   forget what was said
/save FILE               write the conversation as JSON
/help, /quit             Ctrl-C stops an answer, Ctrl-D leaves
`;

export async function runChat({ options, terminal }: Invocation<"chat">): Promise<ExitCode> {
  const { out, log } = terminal;
  const { speakers, room, eosTokenIds, tokenizer, release } = await openSpeakers(options, log);
  const { streamAnswer } = await import("../evaluate/answers.js");
  let talking: readonly Speaker[] = [speakers.at(-1)!];
  let answering: AbortController | undefined;
  const isTerminal = process.stdin.isTTY === true && out.width !== undefined;
  const lines = createInterface({
    input: process.stdin,
    output: isTerminal ? process.stdout : undefined,
    terminal: isTerminal,
    prompt: out.paint("> ", "cyan"),
  });
  const onInterrupt = () => {
    if (answering) answering.abort();
    else if (isTerminal) {
      log.write("\n(/quit or Ctrl-D leaves)\n");
      lines.prompt();
    } else lines.close();
  };
  lines.on("SIGINT", onInterrupt);
  process.on("SIGINT", onInterrupt);

  const answerBy = async ({ name, conversation, generator }: Speaker, question: string): Promise<void> => {
    if (speakers.length > 1) out.write(`${out.paint(`${name}:`, name === "base" ? "dim" : "green")} `);
    conversation.ask(question);
    let text = "";
    try {
      const { ids, leftOut } = conversation.prompt(room);
      if (leftOut > 0) log.write(log.paint(`(without the first ${plural(leftOut, "message")})\n`, "dim"));
      const { maxNewTokens, temperature, topK, topP, repetitionPenalty, seed } = options;
      const sampling = { maxNewTokens, temperature, topK, topP, repetitionPenalty, seed };
      const settings = { ...sampling, eosTokenIds, signal: answering!.signal };
      for await (const piece of streamAnswer(await generator(), tokenizer, ids, settings)) {
        text += piece;
        out.write(isTerminal ? printable(piece) : piece);
      }
    } finally {
      // What was cut short counts as said; a question that failed does not.
      if (text === "") conversation.takeBack();
      else conversation.answer(text);
      out.write("\n");
    }
  };

  if (isTerminal) {
    log.write(
      log.paint(`${options.model}${options.adapter ? ` with ${options.adapter}` : ""}\n${HELP}`, "dim"),
    );
    lines.prompt();
  }
  try {
    for await (const line of lines) {
      const said = line.trim();
      if (said === "/quit" || said === "/exit") break;
      if (said.startsWith("/")) talking = await obey(said, talking, speakers, options, log);
      else if (said !== "") {
        answering = new AbortController();
        for (const speaker of talking) {
          if (answering.signal.aborted) break;
          await answerBy(speaker, said).catch(tellFault(log));
        }
        answering = undefined;
      }
      if (isTerminal) lines.prompt();
    }
  } finally {
    process.off("SIGINT", onInterrupt);
    lines.close();
    await release();
  }
  if (isTerminal) out.write("\n");
  return 0;
}

/** A fault of one question does not end the conversation. */
function tellFault(log: Output): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof PhinetuneError)) throw error;
    log.write(`${error.message}\n`);
  };
}

/** Does what a line that begins with `/` says, and gives back who answers from now on. */
async function obey(
  said: string,
  talking: readonly Speaker[],
  speakers: readonly Speaker[],
  options: Options,
  log: Output,
): Promise<readonly Speaker[]> {
  const [command, ...rest] = said.split(/\s+/);
  switch (command) {
    case "/base":
      return speakers.slice(0, 1);
    case "/adapter":
    case "/both":
      if (speakers.length < 2) log.write("there is no adapter: start chat with --adapter DIR\n");
      return command === "/both" ? speakers : speakers.slice(-1);
    case "/reset":
      for (const { conversation } of speakers) conversation.reset();
      return talking;
    case "/save":
      await save(rest.join(" "), speakers, options, log).catch(tellFault(log));
      return talking;
    case "/help":
      log.write(HELP);
      return talking;
    default:
      log.write(`there is no command ${printable(command!)}\n${HELP}`);
      return talking;
  }
}

async function save(
  path: string,
  speakers: readonly Speaker[],
  options: Options,
  log: Output,
): Promise<void> {
  if (path === "") {
    log.write("/save needs the name of a file\n");
    return;
  }
  const { writeFileAtomically } = await import("../formats/atomic.js");
  const conversations = Object.fromEntries(
    speakers.map(({ name, conversation }) => [name, conversation.messages]),
  );
  await writeFileAtomically(path, `${JSON.stringify({ options, ...conversations }, null, 1)}\n`);
  log.write(`written to ${path}\n`);
}

/** Base and, where one is given, adapter. */
async function openSpeakers(options: Options, log: Output) {
  const [{ localFolders }, { openBaseModel }, { loadTokenizer }, { checkVocabulary }] = await Promise.all([
    import("./local_folders.js"),
    import("../models/base_model.js"),
    import("../formats/tokenizer.js"),
    import("../data/encode.js"),
  ]);
  const { openInStorage } = await import("../quantize/storage.js");
  const [{ loadPeftAdapter }, { createGenerator }, { createConversation }] = await Promise.all([
    import("../export/peft.js"),
    import("../evaluate/generate.js"),
    import("../evaluate/conversation.js"),
  ]);
  const folders = await localFolders(options, log);
  const base = await openInStorage(await openBaseModel(folders.model), options, showRounding(log));
  const tokenizer = await loadTokenizer(base.folder);
  checkVocabulary(tokenizer, base.config.vocabSize);
  const adapter = folders.adapter === undefined ? undefined : await loadPeftAdapter(folders.adapter, base);
  const format =
    options.promptFormat === "auto"
      ? tokenizer.chatTemplate === undefined
        ? "alpaca"
        : "messages"
      : options.promptFormat;
  const compiled: Promise<TextGenerator>[] = [];
  const speaker = (name: Speaker["name"], trained: Trained | undefined): Speaker => {
    let made: Promise<TextGenerator> | undefined;
    return {
      name,
      conversation: createConversation(tokenizer, format),
      generator() {
        if (made) return made;
        made = createGenerator(base, trained, options);
        compiled.push(made);
        return made;
      },
    };
  };
  return {
    speakers: [speaker("base", undefined), ...(adapter ? [speaker("adapter", adapter)] : [])],
    room: Math.max(1, base.config.maxPositions - options.maxNewTokens),
    eosTokenIds: [...new Set([...tokenizer.stopTokenIds, ...base.eosTokenIds])],
    tokenizer,
    release: async () => {
      for (const generator of await Promise.all(compiled)) await generator.release();
    },
  };
}
