// `phinetune serve` with a base and an adapter -> whether OpenAI's own client gets what it expects from several clients at once.
// Run: npm run build && cd interop && npm install && node check_openai.mjs
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import OpenAI from "openai";
import { planAdapter } from "../dist/adapters/attach.js";
import { defaultLoraConfig } from "../dist/adapters/config.js";
import { savePeftAdapter } from "../dist/export/peft.js";
import { openBaseModel } from "../dist/models/base_model.js";
import { createRandom } from "../dist/random.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const model = join(root, "assets/tiny-phi");
const work = mkdtempSync(join(tmpdir(), "phinetune-openai-"));
const KEY = "a key for this check";

// An adapter that changes every answer.
const base = await openBaseModel(model);
const plan = planAdapter(base, { ...defaultLoraConfig, targetModules: "all-linear" });
const random = createRandom(1, "adapter");
const values = new Map(
  plan.parameters.map(({ name, shape }) => [
    name,
    Float32Array.from({ length: shape.reduce((n, size) => n * size, 1) }, () => 0.2 * random.normal()),
  ]),
);
await savePeftAdapter(join(work, "changed"), { plan, values }, model);

const words = ["serve", "--model", model, "--adapter", join(work, "changed"), "--port", "0", "--api-key", KEY];
const server = spawn(process.execPath, [join(root, "dist/cli/main.js"), ...words], {
  stdio: ["ignore", "pipe", "pipe"],
});
const checks = [];
const check = async (name, run) => {
  await run();
  checks.push(name);
  console.log(`right: ${name}`);
};
try {
  const url = await new Promise((resolve, reject) => {
    let text = "";
    const listen = (piece) => {
      text += piece;
      const found = /https?:\/\/[\w.:[\]]+/.exec(text);
      if (found) resolve(found[0]);
    };
    server.stdout.on("data", listen);
    server.stderr.on("data", listen);
    server.on("close", () => reject(new Error(`the server ended: ${text}`)));
  });
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: KEY, maxRetries: 0 });
  const prompt = "### Instruction:\nWhat is the capital of France?\n\n### Response:\n";
  const greedy = { temperature: 0, max_tokens: 12 };
  const names = (await client.models.list()).data.map(({ id }) => id);

  await check("models.list names the base and the adapter", () => {
    assert.equal(names.length, 2);
    assert.ok(names.includes("changed"));
  });
  const [baseName] = names.filter((name) => name !== "changed");
  const complete = async (name) =>
    (await client.completions.create({ model: name, prompt, ...greedy })).choices[0];

  let answers;
  await check("completions of base and adapter differ, and repeat", async () => {
    const [one, other, again] = [await complete(baseName), await complete("changed"), await complete(baseName)];
    assert.notEqual(one.text, other.text);
    assert.equal(one.text, again.text);
    answers = { [baseName]: one.text, changed: other.text };
  });
  await check("usage counts tokens", async () => {
    const { usage } = await client.completions.create({ model: baseName, prompt, ...greedy });
    assert.ok(usage.prompt_tokens > 5 && usage.completion_tokens > 0 && usage.completion_tokens <= 12);
    assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
  });
  await check("a stream adds up to the answer", async () => {
    const stream = await client.completions.create({ model: baseName, prompt, ...greedy, stream: true });
    let text = "";
    for await (const { choices } of stream) text += choices[0]?.text ?? "";
    assert.equal(text, answers[baseName]);
  });
  const messages = [{ role: "user", content: "What is the capital of France?" }];
  await check("chat.completions, whole and streamed, are the same", async () => {
    const whole = await client.chat.completions.create({ model: baseName, messages, ...greedy });
    assert.equal(whole.choices[0].message.role, "assistant");
    const stream = await client.chat.completions.create({ model: baseName, messages, ...greedy, stream: true });
    let text = "";
    let reason;
    for await (const { choices } of stream) {
      text += choices[0]?.delta.content ?? "";
      reason = choices[0]?.finish_reason ?? reason;
    }
    assert.equal(text, whole.choices[0].message.content);
    assert.equal(reason, whole.choices[0].finish_reason);
  });
  await check("eight clients at once, of both models, each get their own answer", async () => {
    const asked = Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? baseName : "changed"));
    const got = await Promise.all(asked.map(complete));
    for (const [i, { text }] of got.entries()) assert.equal(text, answers[asked[i]]);
  });
  await check("a stop text ends the answer", async () => {
    const [first] = answers[baseName].trim().split(/\s+/);
    const { choices } = await client.completions.create({ model: baseName, prompt, ...greedy, stop: [first] });
    assert.equal(choices[0].finish_reason, "stop");
    assert.ok(!choices[0].text.includes(first));
  });
  await check("an unknown model is a NotFoundError", () =>
    assert.rejects(complete("nobody"), (error) => error instanceof OpenAI.NotFoundError));
  await check("a wrong key is an AuthenticationError", () => {
    const other = new OpenAI({ baseURL: `${url}/v1`, apiKey: "wrong", maxRetries: 0 });
    return assert.rejects(other.models.list(), (error) => error instanceof OpenAI.AuthenticationError);
  });
  await check("a wrong request is a BadRequestError that names the field", () =>
    assert.rejects(
      client.completions.create({ model: baseName, prompt, temperature: -1 }),
      (error) => error instanceof OpenAI.BadRequestError && /temperature/.test(error.message),
    ));
  await check("a client that leaves stops its answer, and the next one is served", async () => {
    const stream = await client.completions.create({ model: baseName, prompt, max_tokens: 400, stream: true });
    for await (const _ of stream) break;
    assert.equal((await complete(baseName)).text, answers[baseName]);
  });
  console.log(`${checks.length} checks passed`);
} finally {
  server.kill();
  rmSync(work, { recursive: true, force: true });
}
