// The options of `phinetune doctor`: none of its own.
import type { OptionSchema } from "./resolve.js";

const doctorTable = {} as const;

export const doctorSchema: OptionSchema<typeof doctorTable> = { table: doctorTable };
