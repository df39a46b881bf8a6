// What may lie in a model's folder beside its configuration and its weights.

/** Settings of generation, tokenizer and chat template; which of them there are differs from model to model. */
export const SIDE_FILES: readonly string[] = [
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.json",
  "merges.txt",
  "tokenizer.model",
  "chat_template.jinja",
  "chat_template.json",
];
