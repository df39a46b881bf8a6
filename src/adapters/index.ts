// The table of adapter methods: a method is one file in this folder and one line here.
import { lora } from "./lora.js";
import type { Method } from "./method.js";

export const methods: readonly Method[] = [lora];
