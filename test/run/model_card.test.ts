// The story of a run -> a model card that the Hub can read.
import { expect, it } from "vitest";
import { parse } from "yaml";
import { modelCard } from "../../src/run/model_card.js";
import { tellStory } from "../../src/run/report/story.js";
import { evaluated, finished, manifest, started, steps } from "./story.js";

const story = tellStory([
  started(),
  evaluated("before", 0, 3, { eval_exact_match: 0.1 }),
  ...steps(20),
  evaluated("after", 20, 2, {
    eval_exact_match: 0.5,
    eval_change: { exact_match: { low: 0.3, value: 0.4, high: 0.5 } },
  }),
  finished(20),
]);

const frontMatter = (card: string) => parse(card.split("---\n")[1]!) as Record<string, unknown>;

it("names base, library and metrics in its front matter", () => {
  const options = { ...manifest.options, dataset: "/home/me/rows.jsonl", loraTargetModules: [".*\\.fc[12]"] };
  const card = modelCard(story, { ...manifest, options });
  expect(frontMatter(card)).toMatchObject({
    base_model: "org/base",
    library_name: "peft",
    tags: ["lora", "phinetune"],
    "model-index": [
      {
        results: [
          {
            task: { type: "text-generation" },
            dataset: { name: "rows.jsonl", split: "held-out" },
            metrics: [
              { type: "loss", value: 2 },
              { type: "perplexity", value: Math.exp(2) },
              { type: "token_accuracy", value: 0.25 },
              { type: "exact_match", value: 0.5 },
            ],
          },
        ],
      },
    ],
  });
  expect(card).toContain("| exact_match | 0.100 | 0.500 | +0.400 | +0.300 to +0.500 |");
  expect(card).toContain(
    "npx phinetune train --model org/base --dataset rows.jsonl --lora-r 16 --lora-target-modules '.*\\.fc[12]'",
  );
  expect(card).toContain("1,000 of 100,000 parameters");
  expect(card).not.toContain("/home/me");
});

it("of a whole model is one of transformers, and of a run without held-out rows has no metrics", () => {
  const card = modelCard(tellStory([started({ eval_rows: 0 }), finished(0)]), {
    ...manifest,
    options: { ...manifest.options, method: "full", model: '/models/a "b"/' },
  });
  expect(frontMatter(card)).toEqual({
    base_model: 'a "b"',
    library_name: "transformers",
    pipeline_tag: "text-generation",
    tags: ["phinetune"],
  });
  expect(card).not.toMatch(/undefined|NaN|\n\n\n/);
});
