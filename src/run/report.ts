// The run folder -> report.html in it, one page that shows the whole run and works without a network, and README.md, its model card.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PhinetuneError } from "../errors.js";
import { writeFileAtomically } from "../formats/atomic.js";
import { fileFault } from "../formats/file_error.js";
import type { TrainEvent } from "../train/events.js";
import type { Manifest } from "./manifest.js";
import { modelCard } from "./model_card.js";
import { comparisonPage } from "./report/comparison.js";
import { page } from "./report/page.js";
import { tellStory } from "./report/story.js";

export interface ReportInput {
  readonly manifest: Manifest;
  readonly events: readonly TrainEvent[];
}

/** The report as text. */
export function renderReport({ manifest, events }: ReportInput): string {
  return page(tellStory(events), manifest);
}

/** The page that shows what `eval` found out. */
export const renderComparison = comparisonPage;

/** Writes report.html from the run.json and events.jsonl of a folder, and gives its path. */
export async function writeReport(folder: string): Promise<string> {
  const path = join(folder, "report.html");
  await writeFileAtomically(path, renderReport(readRun(folder)));
  return path;
}

/** Writes README.md, the model card, from the same files. */
export async function writeModelCard(folder: string): Promise<void> {
  const { manifest, events } = readRun(folder);
  await writeFileAtomically(join(folder, "README.md"), modelCard(tellStory(events), manifest));
}

function readRun(folder: string): ReportInput {
  const read = (name: string) => {
    const path = join(folder, name);
    try {
      return readFileSync(path, "utf8");
    } catch (error) {
      throw new PhinetuneError(fileFault("a file of the run cannot be read", path, error), error);
    }
  };
  return { manifest: JSON.parse(read("run.json")) as Manifest, events: parseEvents(read("events.jsonl")) };
}

/** A line that a killed run left unfinished is passed over. */
function parseEvents(text: string): TrainEvent[] {
  return text.split("\n").flatMap((line) => {
    try {
      return line === "" ? [] : [JSON.parse(line) as TrainEvent];
    } catch {
      return [];
    }
  });
}
