// The table of model families: a family is one file in this folder and one line here.
import type { Family } from "./family.js";
import { llama } from "./llama.js";
import { phi } from "./phi.js";
import { qwen2 } from "./qwen2.js";

export const families: readonly Family[] = [phi, llama, qwen2];
