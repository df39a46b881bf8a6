// Answers of held-out rows -> the section that shows them before and after the training, beside the reference.
import { type Html, html } from "./html.js";
import { count } from "./numbers.js";
import type { Sample, Story } from "./story.js";

const MAX_SAMPLES = 20;
/** Longest text that is shown whole, in characters. */
const MAX_TEXT = 4000;

/** Up to twenty rows; undefined when there is none. */
export function samplesSection({ samples, after }: Story): Html | undefined {
  if (samples.length === 0) return undefined;
  const shown = samples.slice(0, MAX_SAMPLES);
  return html`<section aria-labelledby="samples"><h2 id="samples">Sample answers</h2>
<p class="note">${samples.length > MAX_SAMPLES ? `${MAX_SAMPLES} of ${count(samples.length)} held-out rows` : "Held-out rows"}, answered by greedy decoding before the training and ${after?.phase === "during" ? `at step ${after.step}` : "after it"}.</p>
${shown.map(article)}</section>`;
}

function article({ prompt, reference, before, after }: Sample, index: number): Html {
  const answers = [
    ["Before", "before", before],
    ["After", "after", after],
    ["Reference", "reference", reference],
  ] as const;
  return html`<article class="sample" aria-labelledby="sample-${index + 1}"><h3 id="sample-${index + 1}">Row ${index + 1}</h3>
<div class="answers"><div class="prompt"><h4>Prompt</h4>${quoted(prompt)}</div>${answers.map(
    ([title, kind, text]) => {
      const isEqual = kind !== "reference" && text !== undefined && text.trim() === reference.trim();
      return html`<div class="${kind}"><h4>${title}${isEqual ? html` <span class="verdict good">equals the reference</span>` : undefined}</h4>${text === undefined ? html`<p class="none">not answered</p>` : quoted(text)}</div>`;
    },
  )}</div></article>`;
}

/** A text of a row or a model, cut where it is very long. */
export function quoted(text: string): Html {
  if (text.trim() === "") return html`<p class="none">empty</p>`;
  const cut = text.length > MAX_TEXT ? text.slice(0, MAX_TEXT) : text.trim();
  const rest = text.length - MAX_TEXT;
  return html`<blockquote dir="auto">${cut}</blockquote>${rest > 0 ? html`<p class="none">${count(rest)} more characters</p>` : undefined}`;
}
