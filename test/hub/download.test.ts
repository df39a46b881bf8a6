// A server like the Hub, disturbed in every way that a network has -> snapshots in the cache, and errors that say what to do.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PhinetuneError } from "../../src/errors.js";
import { finished, type TransferProgress } from "../../src/hub/progress.js";
import { resolveAdapter, resolveModel } from "../../src/hub/resolve.js";
import type { HubServer } from "../fixtures/hub_server.js";
import { serveHub } from "./served.js";

const WEIGHTS = randomBytes(300_000);
const MODEL = {
  "config.json": '{"model_type":"phi"}',
  "tokenizer.json": "{}",
  "merges.txt": "#version: 0.2\n",
  "model.safetensors": WEIGHTS,
  "pytorch_model.bin": "a pickle",
  "onnx/model.onnx": "a graph",
  "README.md": "# Phi",
};
const NEEDED = ["config.json", "merges.txt", "model.safetensors", "tokenizer.json"];

let hub: HubServer;
let home: string;
serveHub((server, folder) => {
  [hub, home] = [server, folder];
});

const environment = (more: NodeJS.ProcessEnv = {}) => ({ HF_ENDPOINT: hub.url, HF_HOME: home, ...more });
/** Waits are a thousandth of what they are. */
const control = (more: NodeJS.ProcessEnv = {}, signal?: AbortSignal, idleLimit = 20_000) => ({
  env: environment(more),
  settings: { firstWait: 1, idleLimit },
  signal,
});
const seen: TransferProgress[] = [];
const model = (name: string, more: NodeJS.ProcessEnv = {}) => {
  seen.length = 0;
  return finished(resolveModel(name, control(more)), (progress) => seen.push(progress));
};
const repository = () => join(home, "hub", "models--org--phi");
const filesBelow = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();

describe("a model of the Hub", () => {
  it("is downloaded in the layout of Python's cache, without pickles and what else is not needed", async () => {
    const repo = hub.add("model", "org/phi", MODEL);
    const folder = await model("org/phi");
    const commit = repo.refs.get("main")!;
    expect(folder).toBe(join(repository(), "snapshots", commit));
    expect(filesBelow(folder)).toEqual(NEEDED);
    expect(readFileSync(join(folder, "model.safetensors")).equals(WEIGHTS)).toBe(true);
    expect(readFileSync(join(repository(), "refs", "main"), "utf8")).toBe(commit);
    expect(readdirSync(join(repository(), "blobs"))).toHaveLength(NEEDED.length);
    for (const name of NEEDED)
      expect(readlinkSync(join(folder, name))).toMatch(/^\.\.\/\.\.\/blobs\/[0-9a-f]{40,64}$/);
    expect(readFileSync(join(home, "hub", "CACHEDIR.TAG"), "utf8")).toMatch(/^Signature: 8a477f597d28d172/);
    expect(seen.at(-1)).toMatchObject({ name: "org/phi", filesDone: 4, files: 4 });
    expect(seen.at(-1)!.done).toBe(seen.at(-1)!.total);
  });

  it("is not downloaded again, and a commit is not even asked for", async () => {
    const repo = hub.add("model", "org/phi", MODEL);
    const folder = await model("org/phi");
    hub.requests.length = 0;
    expect(await model("org/phi")).toBe(folder);
    expect(hub.requests.every(({ path }) => path.startsWith("/api/"))).toBe(true);
    hub.requests.length = 0;
    expect(await model(`org/phi@${repo.refs.get("main")}`)).toBe(folder);
    expect(hub.requests).toEqual([]);
  });

  it("is taken at a branch, a tag or a commit", async () => {
    const repo = hub.add("model", "org/phi", MODEL);
    hub.add("model", "org/phi", { ...MODEL, "config.json": '{"model_type":"llama"}' }, "refs/pr/1");
    const folder = await model("org/phi@refs/pr/1");
    expect(readFileSync(join(folder, "config.json"), "utf8")).toContain("llama");
    expect(readFileSync(join(repository(), "refs/refs/pr/1"), "utf8")).toBe(repo.refs.get("refs/pr/1"));
    expect(existsSync(join(repository(), "refs/main"))).toBe(false);
    // The weights are those of main: they lie there once.
    await model("org/phi");
    expect(hub.requests.filter(({ server }) => server === "cdn")).toHaveLength(1);
  });

  it("of several weight files is taken whole, and only its configuration where no weights are needed", async () => {
    const index = JSON.stringify({
      weight_map: { a: "model-00001-of-00002.safetensors", b: "model-00002-of-00002.safetensors" },
    });
    hub.add("model", "org/phi", {
      "config.json": "{}",
      "model.safetensors.index.json": index,
      "model-00001-of-00002.safetensors": "one",
      "model-00002-of-00002.safetensors": "two",
      "model-00001-of-00002.bin": "pickle",
      "other.safetensors": "x",
    });
    const bare = await finished(resolveModel("org/phi", { ...control(), part: "config" }));
    expect(filesBelow(bare)).toEqual(["config.json"]);
    expect(filesBelow(await model("org/phi"))).toEqual([
      "config.json",
      "model-00001-of-00002.safetensors",
      "model-00002-of-00002.safetensors",
      "model.safetensors.index.json",
    ]);
  });

  it("gives way to a local folder of the same name", async () => {
    hub.add("model", "org/phi", MODEL);
    const before = process.cwd();
    mkdirSync(join(home, "org/phi"), { recursive: true });
    process.chdir(home);
    try {
      expect(await model("org/phi")).toBe(join(process.cwd(), "org/phi"));
    } finally {
      process.chdir(before);
    }
    expect(hub.requests).toEqual([]);
  });

  it("that was renamed is found, and its new name told", async () => {
    const repo = hub.add("model", "org/phi-new", MODEL);
    repo.refs.set("moved-from", "org/phi");
    expect(filesBelow(await model("org/phi"))).toEqual(NEEDED);
    expect(seen.map(({ note }) => note)).toContain("org/phi is called org/phi-new now");
  });

  it("is a copy where the disk takes no links", async () => {
    hub.add("model", "org/phi", MODEL);
    const folder = await model("org/phi", { HF_HUB_DISABLE_SYMLINKS: "1" });
    expect(lstatSync(join(folder, "model.safetensors")).isSymbolicLink()).toBe(false);
    expect(readFileSync(join(folder, "model.safetensors")).equals(WEIGHTS)).toBe(true);
  });

  it("can be an adapter, of which nothing but the adapter is taken", async () => {
    hub.add("model", "org/poet", {
      "adapter_config.json": "{}",
      "adapter_model.safetensors": "x",
      "README.md": "",
    });
    const folder = await finished(resolveAdapter("org/poet", control()));
    expect(filesBelow(folder)).toEqual(["adapter_config.json", "adapter_model.safetensors"]);
  });
});

describe("the token", () => {
  it("goes to the Hub and never to the server of the files", async () => {
    hub.add("model", "org/phi", MODEL).isPrivate = true;
    await model("org/phi", { HF_TOKEN: `${hub.token}\n` });
    const [asked, fetched] = [
      hub.requests.filter(({ server }) => server === "hub"),
      hub.requests.filter(({ server }) => server === "cdn"),
    ];
    expect(asked.length).toBeGreaterThan(4);
    expect(fetched).toHaveLength(1);
    expect(asked.every(({ headers }) => headers.authorization === `Bearer ${hub.token}`)).toBe(true);
    expect(fetched.every(({ headers }) => headers.authorization === undefined)).toBe(true);
  });

  it("is read from where hf auth login puts it", async () => {
    hub.add("model", "org/phi", MODEL).isPrivate = true;
    writeFileSync(join(home, "token"), hub.token);
    expect(filesBelow(await model("org/phi"))).toEqual(NEEDED);
    writeFileSync(join(home, "other"), "wrong");
    await expect(
      model("org/phi", { HF_TOKEN_PATH: join(home, "other"), HF_HOME: join(home, "new") }),
    ).rejects.toThrow(/does not know the token from .*other/);
  });
});

describe("a refusal says what to do", () => {
  it.each([
    [
      "a name that the Hub lacks",
      "org/none",
      /"org\/none" is no path of a model here.*no model org\/none.*HF_TOKEN/,
    ],
    ["a name that is a mistyped path", "./nowhere", /it is no path, and not of the form/],
    ["a name of three parts", "a/b/c", /not of the form of a name of the Hub.*org\/name/],
    ["a revision that is not there", "org/phi@v9", /no revision "v9".*leave @v9 out/],
    ["a gated model", "org/gated", /gated.*accept its terms at http:.*org\/gated.*HF_TOKEN/],
    ["an adapter", "org/adapter", /no model of transformers.*--adapter/],
    [
      "nothing but pickles",
      "org/pickle",
      /only as pickle \(pytorch_model.bin\), which runs code.*safe_serialization/,
    ],
    ["no weights at all", "org/empty", /holds no weights: no model.safetensors/],
  ])("%s", async (_, name, message) => {
    hub.add("model", "org/phi", MODEL);
    hub.add("model", "org/gated", MODEL).isGated = true;
    hub.add("model", "org/adapter", { "adapter_config.json": "{}", "adapter_model.safetensors": "x" });
    hub.add("model", "org/pickle", { "config.json": "{}", "pytorch_model.bin": "x" });
    hub.add("model", "org/empty", { "config.json": "{}" });
    const message2 = await model(name).then(
      () => "nothing was refused",
      (error: Error) => error.message,
    );
    expect(message2).toMatch(message);
    expect(existsSync(join(repository(), "snapshots"))).toBe(false);
  });

  it.each([
    ["a page for browsers", { body: "<html>Log in</html>" }, /not JSON but begins with "<html>Log in/],
    ["half an answer", { body: '{"sha": "0123' }, /not JSON/],
    ["another kind of JSON", { body: "[]" }, /names no commit/],
    ["too much", { body: Buffer.alloc(17 * 2 ** 20, " ") }, /more than 16777216 bytes/],
    ["an answer that breaks off", { body: '{"sha": "0123456789"}', cutAfter: 5 }, /broke off/],
    ["a server that stays busy", { status: 503, body: "" }, /answered 503 again and again/],
    [
      "too many requests",
      { status: 429, headers: { "retry-after": "4000" }, body: "" },
      /too many requests.*in 4000 s.*HF_TOKEN/,
    ],
    [
      "forbidden",
      { status: 403, body: '{"error":"Not for you\\u001b[31m"}' },
      /forbids this: Not for you \[31m/,
    ],
    [
      "a circle of redirects",
      { status: 302, headers: { location: "/api/x" }, body: "" },
      /redirects more than 10 times/,
    ],
  ])("%s", async (_, disturbance, message) => {
    hub.add("model", "org/phi", MODEL);
    hub.disturb = () => disturbance;
    await expect(model("org/phi")).rejects.toThrow(message);
  });

  it("a server that is not there", async () => {
    await expect(model("org/phi", { HF_ENDPOINT: "http://127.0.0.1:9" })).rejects.toThrow(
      /127\.0\.0\.1:9 cannot be reached.*HF_ENDPOINT/,
    );
    await expect(model("org/phi", { HF_ENDPOINT: "huggingface" })).rejects.toThrow(/no address of a server/);
  });
});

describe("what breaks on the way", () => {
  it("goes on where it broke, as often as bytes come", async () => {
    hub.add("model", "org/phi", MODEL);
    hub.disturb = ({ server }) => (server === "cdn" ? { cutAfter: 70_000 } : undefined);
    const folder = await model("org/phi");
    expect(readFileSync(join(folder, "model.safetensors")).equals(WEIGHTS)).toBe(true);
    const ranges = hub.requests.filter(({ server }) => server === "cdn").map(({ headers }) => headers.range);
    expect(ranges.length).toBeGreaterThanOrEqual(5);
    expect(ranges[0]).toBeUndefined();
    expect(ranges.slice(1).every((range) => /^bytes=\d+-$/.test(range!))).toBe(true);
    expect(seen.some(({ note }) => note?.includes("the connection broke"))).toBe(true);
  });

  it("begins anew where the server does not continue files, and gives up where that leads nowhere", async () => {
    hub.add("model", "org/phi", MODEL);
    let cuts = 1;
    hub.disturb = ({ server }) =>
      server === "cdn" ? { ignoresRange: true, ...(cuts-- > 0 ? { cutAfter: 70_000 } : {}) } : undefined;
    expect(readFileSync(join(await model("org/phi"), "model.safetensors")).equals(WEIGHTS)).toBe(true);
    hub.add("model", "org/phi", { ...MODEL, "model.safetensors": randomBytes(300_000) });
    hub.disturb = ({ server }) => (server === "cdn" ? { ignoresRange: true, cutAfter: 70_000 } : undefined);
    await expect(model("org/phi")).rejects.toThrow(/cannot be reached/);
  });

  it("waits for a busy server as long as that asks", async () => {
    hub.add("model", "org/phi", MODEL);
    let refusals = 3;
    hub.disturb = ({ path }) =>
      path.includes("resolve") && refusals-- > 0
        ? { status: refusals === 1 ? 429 : 502, headers: { "retry-after": "2" }, body: "" }
        : undefined;
    expect(filesBelow(await model("org/phi"))).toEqual(NEEDED);
    expect(seen.some(({ note }) => /answered 502: trying again in/.test(note ?? ""))).toBe(true);
  });

  it("does not believe a server that falls silent", async () => {
    hub.add("model", "org/phi", MODEL);
    let silences = 1;
    hub.disturb = ({ server }) => (server === "cdn" && silences-- > 0 ? { delay: 8000 } : undefined);
    const folder = await finished(resolveModel("org/phi", control({}, undefined, 1000)));
    expect(filesBelow(folder)).toEqual(NEEDED);
  });

  it("refuses content of another hash or length, and keeps nothing of it", async () => {
    hub.add("model", "org/phi", MODEL);
    hub.disturb = ({ server }) => (server === "cdn" ? { body: randomBytes(300_000) } : undefined);
    await expect(model("org/phi")).rejects.toThrow(/model.safetensors came twice with another hash/);
    hub.disturb = ({ server }) => (server === "cdn" ? { body: randomBytes(300_001) } : undefined);
    await expect(model("org/phi")).rejects.toThrow(/more bytes than the 300000/);
    hub.disturb = undefined;
    expect(readFileSync(join(await model("org/phi"), "model.safetensors")).equals(WEIGHTS)).toBe(true);
  });

  it("takes what the cache has where the Hub cannot be reached, and says so", async () => {
    hub.add("model", "org/phi", MODEL);
    const folder = await model("org/phi");
    expect(await model("org/phi", { HF_ENDPOINT: "http://127.0.0.1:9" })).toBe(folder);
    expect(seen.map(({ note }) => note).join()).toMatch(/cannot be reached.*what the cache has is taken/);
    expect(await model("org/phi", { HF_HUB_OFFLINE: "1" })).toBe(folder);
    // A snapshot without its weights is not what was asked for.
    rmSync(join(folder, "model.safetensors"));
    await expect(model("org/phi", { HF_HUB_OFFLINE: "1" })).rejects.toThrow(
      /whole in .*HF_HUB_OFFLINE is set/,
    );
  });
});

describe("stopping", () => {
  it("keeps what has come for the next try", async () => {
    hub.add("model", "org/phi", MODEL);
    hub.disturb = ({ server }) => (server === "cdn" ? { speed: 200_000 } : undefined);
    const stop = new AbortController();
    const transfer = finished(resolveModel("org/phi", control({}, stop.signal)), ({ done }) => {
      if (done > 50_000) stop.abort();
    });
    await expect(transfer).rejects.toMatchObject({ exitCode: 130, message: /goes on where it stopped/ });
    expect(existsSync(join(repository(), "snapshots"))).toBe(false);
    const [partial] = readdirSync(join(repository(), "blobs")).filter((name) => name.endsWith(".incomplete"));
    const { size } = statSync(join(repository(), "blobs", partial!));
    expect(size).toBeGreaterThan(20_000);
    hub.disturb = undefined;
    hub.requests.length = 0;
    expect(readFileSync(join(await model("org/phi"), "model.safetensors")).equals(WEIGHTS)).toBe(true);
    expect(hub.requests.find(({ server }) => server === "cdn")!.headers.range).toBe(`bytes=${size}-`);
    expect(readdirSync(join(repository(), "blobs")).some((name) => name.includes("incomplete"))).toBe(false);
  });

  it("leaves room for others: two at once fetch each file once", async () => {
    hub.add("model", "org/phi", MODEL);
    hub.disturb = ({ server }) => (server === "cdn" ? { speed: 600_000 } : undefined);
    const folders = await Promise.all([1, 2, 3].map(() => finished(resolveModel("org/phi", control()))));
    expect(new Set(folders).size).toBe(1);
    expect(hub.requests.filter(({ server }) => server === "cdn")).toHaveLength(1);
    expect(readFileSync(join(folders[0]!, "model.safetensors")).equals(WEIGHTS)).toBe(true);
  });

  it("takes over from a process that was killed", async () => {
    const repo = hub.add("model", "org/phi", MODEL);
    const dead = spawn(process.execPath, ["-e", ""]);
    await new Promise((resolve) => dead.on("exit", resolve));
    const { hostname } = await import("node:os");
    const locks = join(home, "hub/.locks/models--org--phi");
    mkdirSync(locks, { recursive: true });
    const blob = repo.commits.get(repo.refs.get("main")!)!.get("model.safetensors")!;
    const { createHash } = await import("node:crypto");
    const lock = join(locks, `${createHash("sha256").update(blob).digest("hex")}.owner`);
    writeFileSync(lock, JSON.stringify({ pid: dead.pid, host: hostname(), id: "x" }));
    expect(filesBelow(await model("org/phi"))).toEqual(NEEDED);
    expect(existsSync(lock)).toBe(false);
  });
});

describe("a hostile server", () => {
  const tree = (path: string) =>
    JSON.stringify([
      { type: "file", path, size: 4, oid: "0".repeat(40) },
      { type: "file", path: "config.json", size: 2, oid: "9e26dfeeb6e641a33dae4961196235bdb965b21b" },
    ]);
  it.each([
    [
      "no hash",
      JSON.stringify([{ type: "file", path: "config.json", size: 4, oid: "../../x" }]),
      /is no SHA-1/,
    ],
    [
      "no size",
      JSON.stringify([{ type: "file", path: "config.json", size: -1, oid: "0".repeat(40) }]),
      /no number of bytes/,
    ],
    [
      "an LFS hash that leads elsewhere",
      JSON.stringify([{ type: "file", path: "model.safetensors", lfs: { oid: "/etc/passwd", size: 1 } }]),
      /is no SHA-256/,
    ],
    ["no list", "{}", /must be a list/],
  ])("with %s is refused", async (_, body, message) => {
    hub.add("model", "org/phi", MODEL);
    hub.disturb = ({ path }) => (path.includes("/tree/") ? { body } : undefined);
    await expect(model("org/phi")).rejects.toThrow(message);
  });

  it("is understood or refused in words, whatever of its answers is cut, moved or made up", async () => {
    const repo = hub.add("model", "org/phi", MODEL);
    const answers: Record<string, string> = {
      revision: JSON.stringify({ id: "org/phi", sha: repo.refs.get("main"), siblings: [] }),
      tree: tree("model.safetensors"),
    };
    const edit = fc.record({
      part: fc.constantFrom("revision", "tree"),
      from: fc.double({ min: 0, max: 1, noNaN: true }),
      length: fc.nat(40),
      put: fc.oneof(fc.string(), fc.constantFrom("../", '"', "null", "[", "}", "\\u0000", "1e999", "//")),
    });
    const outcomes = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 3 }), async (edits) => {
        const bodies = { ...answers };
        for (const { part, from, length, put } of edits) {
          const body = bodies[part]!;
          const at = Math.floor(from * body.length);
          bodies[part] = body.slice(0, at) + put + body.slice(at + length);
        }
        hub.disturb = ({ path }) => {
          const part = /\/(revision|tree)\//.exec(path)?.[1];
          return part === undefined ? undefined : { body: bodies[part]! };
        };
        await model("org/phi").then(
          (folder) => {
            outcomes.add("understood");
            expect(folder.startsWith(join(repository(), "snapshots"))).toBe(true);
          },
          (error) => {
            outcomes.add("refused");
            expect(error).toBeInstanceOf(PhinetuneError);
          },
        );
      }),
      { numRuns: 60 },
    );
    expect(outcomes).toContain("refused");
    expect(readdirSync(home)).toEqual(existsSync(join(home, "hub")) ? ["hub"] : []);
  });

  it("cannot name a commit that leads out of the cache, nor a page on another server", async () => {
    hub.add("model", "org/phi", MODEL);
    hub.disturb = ({ path }) =>
      path.includes("/revision/") ? { body: '{"sha":"../../../etc"}' } : undefined;
    await expect(model("org/phi")).rejects.toThrow(/names no commit/);
    hub.disturb = ({ path }) =>
      path.includes("/tree/")
        ? { headers: { link: `<${hub.cdn}/next>; rel="next"` }, body: tree("a") }
        : undefined;
    await expect(model("org/phi")).rejects.toThrow(/next page is on another server/);
  });
});
