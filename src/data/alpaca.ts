// Instruction and input -> the prompt text of Stanford Alpaca.

/**
 * The prompt, up to where the answer starts.
 * Source: https://github.com/tatsu-lab/stanford_alpaca, train.py, PROMPT_DICT; with the newline after
 * "### Response:" that its data sets (alpaca-gpt4's `text` column) have.
 */
export function alpacaPrompt(instruction: string, input = ""): string {
  return input === ""
    ? "Below is an instruction that describes a task. " +
        "Write a response that appropriately completes the request.\n\n" +
        `### Instruction:\n${instruction}\n\n### Response:\n`
    : "Below is an instruction that describes a task, paired with an input that provides further context. " +
        "Write a response that appropriately completes the request.\n\n" +
        `### Instruction:\n${instruction}\n\n### Input:\n${input}\n\n### Response:\n`;
}
