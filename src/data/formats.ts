// Rows -> which shape they have (Alpaca, chat messages, …), judged by their columns.
import { fail, nearest } from "../errors.js";
import type { Row } from "./types.js";

/** The columns that each shape of row needs and may have, in the order of preference where several fit. */
export const rowFormats = {
  tokenized: { needs: ["input_ids"], mayHave: ["labels", "attention_mask"] },
  messages: { needs: ["messages"], mayHave: [] },
  prompt_completion: { needs: ["prompt", "completion"], mayHave: [] },
  alpaca: { needs: ["instruction", "output"], mayHave: ["input"] },
  text: { needs: ["text"], mayHave: [] },
} as const satisfies Record<string, { needs: readonly string[]; mayHave: readonly string[] }>;

export type RowFormat = keyof typeof rowFormats;
export type FieldName = (typeof rowFormats)[RowFormat]["needs" | "mayHave"][number];

/** How to read the columns when their names do not say it. */
export interface RowOptions {
  /** The shape of the rows; by default it is detected. */
  readonly format?: RowFormat | undefined;
  /** Our field -> the column of the file that holds it, where the names differ: `{ output: "response" }`. */
  readonly columns?: Readonly<Partial<Record<FieldName, string>>> | undefined;
}

/** Names that other data sets give to our fields. */
const synonyms: ReadonlyMap<string, readonly FieldName[]> = new Map(
  Object.entries<readonly FieldName[]>({
    question: ["instruction", "prompt"],
    query: ["instruction", "prompt"],
    task: ["instruction"],
    context: ["input"],
    inputs: ["input", "prompt"],
    response: ["output", "completion"],
    responses: ["output", "completion"],
    answer: ["output", "completion"],
    answers: ["output", "completion"],
    target: ["output", "completion"],
    targets: ["output", "completion"],
    label: ["output", "completion", "labels"],
    conversation: ["messages"],
    conversations: ["messages"],
    dialog: ["messages"],
    dialogue: ["messages"],
    chat: ["messages"],
    content: ["text"],
    document: ["text"],
    body: ["text"],
    ids: ["input_ids"],
    tokens: ["input_ids"],
  }),
);

/** The value of one of our fields; undefined when the row has no such column. */
export function fieldOf(row: Row, field: FieldName, columns: RowOptions["columns"]): unknown {
  const column = columns?.[field] ?? field;
  return Object.hasOwn(row.fields, column) ? row.fields[column] : undefined;
}

/**
 * The shape that the most rows have; where several have as many, the first of `rowFormats`.
 * @throws when no row has all columns of any shape: lists the columns found and what each may be meant to be.
 */
export function detectFormat(rows: readonly Row[], { format, columns }: RowOptions = {}): RowFormat {
  if (format !== undefined) return format;
  const names = Object.keys(rowFormats) as RowFormat[];
  let [best, mostRows] = [names[0]!, 0];
  for (const name of names) {
    const fitting = rows.filter((row) =>
      rowFormats[name].needs.every((field) => fieldOf(row, field, columns) !== undefined),
    ).length;
    if (fitting > mostRows) [best, mostRows] = [name, fitting];
  }
  if (mostRows === 0) return failAtColumns(rows);
  return best;
}

function failAtColumns(rows: readonly Row[]): never {
  const found = [...new Set(rows.slice(0, 1000).flatMap((row) => Object.keys(row.fields)))];
  const wanted = Object.values(rowFormats).map(({ needs }) => needs.join(" + "));
  const advice = suggestions(found).map(([column, field]) => `"${column}" to "${field}"`);
  return fail(
    "data",
    `the columns found are ${found.length === 0 ? "none" : found.join(", ")}; expected ${wanted.join(", or ")}`,
    {
      where: rows[0] ? `${rows[0].source}:${rows[0].line}` : undefined,
      fix:
        advice.length > 0
          ? `rename ${advice.join(" and ")}, or map the columns`
          : "rename the columns, or map them",
    },
  );
}

/** Found column -> the field that it may be meant to be, for the shape that then comes nearest to complete. */
function suggestions(found: readonly string[]): readonly (readonly [string, string])[] {
  let best: (readonly [string, string])[] = [];
  let bestShare = 0;
  for (const { needs } of Object.values(rowFormats)) {
    const renames = needs.flatMap((field) => {
      if (found.includes(field)) return [];
      const column =
        found.find((name) => synonyms.get(name.toLowerCase())?.includes(field)) ??
        found.find((name) => nearest(name, [field]) !== undefined);
      return column === undefined ? [] : [[column, field] as const];
    });
    const present = needs.filter((field) => found.includes(field)).length;
    const share = (present + renames.length) / needs.length + (renames.length > 0 ? 0.01 * present : 0);
    if (share > bestShare) [best, bestShare] = [renames, share];
  }
  return best;
}
