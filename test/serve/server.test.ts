// A server with a base and an adapter -> what clients get, good ones and bad ones.
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fineTune } from "../../src/fine-tune.js";
import { resolveTrainOptions } from "../../src/options.js";
import { type Models, openModels } from "../../src/serve/models.js";
import { type CompletionServer, createCompletionServer } from "../../src/serve/server.js";
import { ROOT, START } from "../fixtures/binary.js";
import { temporaryFolder } from "../fixtures/tiny_model.js";

const KEY = "secret";
const folder = temporaryFolder();
let models: Models;
let served: CompletionServer;
let url: string;

beforeAll(async () => {
  const adapter = join(folder, "poet");
  const rows = join(folder, "rows.jsonl");
  writeFileSync(rows, JSON.stringify({ instruction: "Name a colour.", output: "blue" }));
  const options = { model: join(ROOT, START.model), dataset: rows, outputDir: adapter };
  const training = fineTune(resolveTrainOptions({ ...options, maxSteps: 20, learningRate: 0.03 }));
  for await (const event of training) if (event.type === "failed") throw new Error(event.message);
  models = await openModels({
    model: options.model,
    adapter: [adapter, `second=${adapter}`],
    maxNewTokens: 24,
    numThreads: 1,
  });
  served = createCompletionServer(models, {
    apiKey: KEY,
    maxRequestBytes: 20_000,
    maxConcurrent: 2,
    maxWaiting: 3,
    timeoutSeconds: 60,
  });
  served.server.listen(0, "127.0.0.1");
  await once(served.server, "listening");
  url = `http://127.0.0.1:${(served.server.address() as AddressInfo).port}`;
}, 60_000);

afterAll(async () => {
  await served.close();
  await models.release();
});

const headers = { authorization: `Bearer ${KEY}`, "content-type": "application/json" };
const post = (path: string, body: unknown, more: RequestInit = {}) =>
  fetch(url + path, {
    method: "POST",
    headers,
    body: typeof body === "string" ? body : JSON.stringify(body),
    ...more,
  });

const chat = { messages: [{ role: "user", content: "Name a colour." }], temperature: 0 };

interface Completion {
  readonly choices: readonly {
    readonly message?: { readonly content: string };
    readonly text?: string;
    readonly finish_reason: string;
  }[];
  readonly usage: Readonly<Record<string, number>>;
}
const complete = async (body: object, path = "/v1/chat/completions") => {
  const response = await post(path, body);
  expect(response.status).toBe(200);
  return (await response.json()) as Completion;
};

describe("completions", () => {
  it("name the model that a request chose; the base is the first", async () => {
    const response = await fetch(`${url}/v1/models`, { headers });
    const { data } = (await response.json()) as { data: readonly { id: string }[] };
    expect(data.map(({ id }) => id)).toEqual([join(ROOT, START.model), "poet", "second"]);
    const [base, poet, second] = [
      await complete(chat),
      await complete({ ...chat, model: "poet" }),
      await complete({ ...chat, model: "second" }),
    ];
    expect(poet.choices).toEqual(second.choices);
    expect(poet.choices).not.toEqual(base.choices);
    expect(poet.usage.total_tokens).toBe(poet.usage.prompt_tokens! + poet.usage.completion_tokens!);
    const one = await fetch(`${url}/v1/models/poet`, { headers });
    expect(await one.json()).toMatchObject({ id: "poet", object: "model" });
  });

  it("end at the limit, at a stop text, and are the same streamed", async () => {
    const prompt = { prompt: "Once", temperature: 0 };
    const whole = await complete({ ...prompt, max_tokens: 12 }, "/v1/completions");
    const text = whole.choices[0]!.text!;
    expect(whole.usage.completion_tokens).toBe(12);
    expect(whole.choices[0]!.finish_reason).toBe("length");
    const stop = text.slice(3, 5);
    const stopped = await complete({ ...prompt, max_tokens: 12, stop }, "/v1/completions");
    expect(stopped.choices[0]).toMatchObject({
      text: text.slice(0, text.indexOf(stop)),
      finish_reason: "stop",
    });

    const response = await post("/v1/completions", {
      ...prompt,
      max_tokens: 12,
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    const events = (await response.text()).trim().split("\n\n");
    expect(events.at(-1)).toBe("data: [DONE]");
    const chunks = events.slice(0, -1).map((line) => JSON.parse(line.slice("data: ".length)) as Completion);
    expect(chunks.map(({ choices }) => choices[0]?.text ?? "").join("")).toBe(text);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: whole.usage });
    expect(chunks.at(-2)!.choices[0]!.finish_reason).toBe("length");
  });

  it("with a seed can be had again, at any temperature", async () => {
    const drawn = { ...chat, temperature: 1.5, top_p: 0.9 };
    const [a, b, c] = [
      await complete({ ...drawn, seed: 7 }),
      await complete({ ...drawn, seed: 7 }),
      await complete({ ...drawn, seed: 8 }),
    ];
    expect(a.choices).toEqual(b.choices);
    expect(a.choices).not.toEqual(c.choices);
  });

  it("for several clients at once are those that each would get alone", async () => {
    const alone = (await complete({ ...chat, model: "poet" })).choices;
    const [base] = [(await complete(chat)).choices];
    const answers = await Promise.all(
      ["poet", undefined, "poet", undefined].map((model) => complete({ ...chat, model })),
    );
    expect(answers.map(({ choices }) => choices)).toEqual([alone, base, alone, base]);
  });
});

describe("a client", () => {
  const errorOf = async (response: Response) =>
    ((await response.json()) as { error: { message: string; code: string | null; param: string | null } })
      .error;

  it("without the key is refused, but sees that the server lives", async () => {
    const response = await post("/v1/chat/completions", chat, { headers: { authorization: "Bearer wrong" } });
    expect(response.status).toBe(401);
    expect(await errorOf(response)).toMatchObject({ code: "invalid_api_key" });
    expect((await fetch(`${url}/health`)).status).toBe(200);
  });

  it.each([
    ["{", 400, /not JSON/],
    ['"\ud800', 400, /not JSON/],
    [[1], 400, /JSON object/],
    [{ ...chat, model: "poeet" }, 404, /did you mean poet/],
    [{ ...chat, temperature: -1 }, 400, /temperature is -1/],
    [{ messages: [{ role: "system", content: "x" }] }, 400, /no message of a user/],
    [{ messages: [{ role: "user", content: "word ".repeat(3500) }] }, 400, /the prompt has \d+ tokens/],
    [{ messages: [{ role: "user", content: "x".repeat(30_000) }] }, 413, /up to 20000 bytes/],
  ])("that sends %.60j gets %i", async (body, status, message) => {
    const response = await post("/v1/chat/completions", body);
    expect(response.status).toBe(status);
    expect((await errorOf(response)).message).toMatch(message);
  });

  it("that asks for what is not there is told so", async () => {
    expect((await fetch(`${url}/v2/chat`, { headers })).status).toBe(404);
    expect((await fetch(`${url}/v1/chat/completions`, { headers })).status).toBe(405);
    expect((await fetch(`${url}/v1/models/nobody`, { headers })).status).toBe(404);
  });

  it("that vanishes in the middle, or speaks no HTTP, does no harm", async () => {
    const leaving = new AbortController();
    const response = await post(
      "/v1/chat/completions",
      { ...chat, stream: true },
      { signal: leaving.signal },
    );
    await response.body!.getReader().read();
    leaving.abort();
    const raw = connect(Number(new URL(url).port), "127.0.0.1");
    raw.write("\u0000\u0001 nonsense\r\n\r\n");
    await once(raw.resume(), "close");
    const half = connect(Number(new URL(url).port), "127.0.0.1");
    half.write("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{");
    await new Promise((resolve) => setTimeout(resolve, 20));
    half.destroy();
    await complete(chat);
  });

  it("is sent away with 429 where too many wait, and the others are answered", async () => {
    const all = await Promise.all(Array.from({ length: 9 }, () => post("/v1/chat/completions", chat)));
    const statuses = all.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(5);
    expect(new Set(statuses)).toEqual(new Set([200, 429]));
    const away = all.find(({ status }) => status === 429)!;
    expect(away.headers.get("retry-after")).toBe("1");
    await complete(chat);
  });
});
