// Names, folders and split expressions -> the rows that Python's datasets would take (goldens.json), or an error with what there is.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PhinetuneError } from "../../src/errors.js";
import { nextPage, parseTree } from "../../src/hub/api.js";
import { openDataset, testSplits, trainSplits } from "../../src/hub/dataset.js";
import { globPattern } from "../../src/hub/glob.js";
import { retryAfter } from "../../src/hub/http.js";
import { convertedLayout, layoutOf, missingShards } from "../../src/hub/layout.js";
import { isSafePath, parseHubName } from "../../src/hub/name.js";
import { finished } from "../../src/hub/progress.js";
import { parseSplit, rangeOf } from "../../src/hub/split.js";
import type { Files, HubServer } from "../fixtures/hub_server.js";
import { temporaryFolder } from "../fixtures/tiny_model.js";
import { serveHub } from "./served.js";

const ROWS = fileURLToPath(new URL("../fixtures/rows", import.meta.url));
const READABLE = [".json", ".jsonl", ".csv", ".parquet"];
interface Goldens {
  readonly splits: readonly { spec: string; n: number; rows: string | [number, number][] }[];
  readonly layouts: readonly { paths: string[]; splits: Record<string, string[]> }[];
  readonly configs: readonly { paths: string[]; data_files: unknown; splits: Record<string, string[]> }[];
}
const goldens = JSON.parse(
  readFileSync(fileURLToPath(new URL("goldens.json", import.meta.url)), "utf8"),
) as Goldens;

describe("split expressions", () => {
  it("take the rows that Python's datasets takes, and are refused where it refuses them", () => {
    expect(goldens.splits.length).toBeGreaterThan(300);
    for (const { spec, n, rows } of goldens.splits) {
      let ours: unknown;
      try {
        ours = parseSplit(spec).map((slice) => rangeOf(slice, n));
      } catch (error) {
        expect(error, spec).toBeInstanceOf(PhinetuneError);
        expect((error as PhinetuneError).exitCode, spec).toBe(2);
        ours = "refused";
      }
      expect([spec, n, ours]).toEqual([spec, n, typeof rows === "string" ? "refused" : rows]);
    }
  });

  it("are either read or refused in words, whatever they are", () => {
    const piece = fc.oneof(
      fc.string(),
      fc.constantFrom("train", "[", "]", ":", "%", "+", "-", "(closest)", "10", "_"),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), fc.nat(1000), (pieces, n) => {
        try {
          for (const slice of parseSplit(pieces.join(""))) {
            const [from, to] = rangeOf(slice, n);
            expect(from >= 0 && from <= n && to >= 0 && to <= n).toBe(true);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(PhinetuneError);
        }
      }),
    );
  });
});

describe("layouts", () => {
  it.each(goldens.layouts)("of $paths are found as Python finds them", ({ paths, splits }) => {
    const found = layoutOf(paths, undefined, { where: "x", readable: READABLE });
    expect(Object.fromEntries(found)).toEqual(splits);
  });

  it.each(goldens.configs)("with data_files $data_files are found as Python finds them", (golden) => {
    const metadata = { configs: [{ config_name: "a", data_files: golden.data_files }] };
    const found = layoutOf(golden.paths, metadata, { where: "x", readable: READABLE });
    expect(Object.fromEntries(found)).toEqual(golden.splits);
  });

  it("come from the configuration that is asked for, else from the default one", () => {
    const paths = ["en/train.json", "en/test.json", "fr/train.json", "all.json"];
    const metadata = {
      configs: [
        { config_name: "en", data_dir: "en" },
        { config_name: "fr", data_dir: "./fr/" },
        { config_name: "whole", data_files: "all.json", default: true },
      ],
    };
    const found = (config?: string) =>
      Object.fromEntries(layoutOf(paths, metadata, { where: "x", config, readable: READABLE }));
    expect(found()).toEqual({ train: ["all.json"] });
    expect(found("en")).toEqual({ train: ["en/train.json"], test: ["en/test.json"] });
    expect(found("fr")).toEqual({ train: ["fr/train.json"] });
    expect(() => found("eng")).toThrow(/no configuration "eng", but en, fr, whole.*did you mean en/);
    const two = { configs: metadata.configs.slice(0, 2) };
    expect(() => layoutOf(paths, two, { where: "x", readable: READABLE })).toThrow(
      /2 configurations, and none is the default: en, fr.*--dataset-config en/,
    );
    expect(() => layoutOf(paths, undefined, { where: "x", config: "en", readable: READABLE })).toThrow(
      /no configurations/,
    );
  });

  it("name every fault of the front matter at once, and follow no path that leads out", () => {
    const configs = [
      { data_files: "a.json" },
      { config_name: "b", data_files: ["../../etc/passwd", "https://elsewhere/x.json", 7] },
      { config_name: "c", data_files: [{ split: "train", path: "a" }, { split: "train", path: "b" }, {}] },
    ];
    const read = () => layoutOf(["a.json"], { configs }, { where: "org/x", readable: READABLE });
    for (const message of [
      /entry 1 of configs has no config_name/,
      /passwd leads out of the data set/,
      /elsewhere\/x.json lies outside/,
      /7 is no path/,
      /names the split train twice/,
      /names no split/,
    ])
      expect(read).toThrow(message);
  });

  it("are either found or refused in words, whatever the front matter says", () => {
    const metadata = fc.oneof(
      fc.jsonValue(),
      fc.record({ configs: fc.jsonValue() }),
      fc.record({
        configs: fc.array(
          fc.record({ config_name: fc.jsonValue(), data_files: fc.jsonValue(), data_dir: fc.jsonValue() }),
        ),
      }),
    );
    fc.assert(
      fc.property(fc.array(fc.string(), { maxLength: 5 }), metadata, (names, given) => {
        const paths = [...names.filter(isSafePath), "train.json"];
        try {
          for (const files of layoutOf(paths, given, { where: "x", readable: READABLE }).values())
            for (const file of files) expect(paths).toContain(file);
        } catch (error) {
          expect(error).toBeInstanceOf(PhinetuneError);
        }
      }),
    );
  });

  it("tell of shards that are missing, and leave conversions out that were cut", () => {
    expect(
      missingShards(["data/train-00000-of-00003.parquet", "data/train-00002-of-00003-a.parquet"]),
    ).toEqual(["data/train-00001"]);
    const converted = convertedLayout([
      "default/train/0001.parquet",
      "default/train/0000.parquet",
      "big/partial-train/0000.parquet",
      "README.md",
    ]);
    expect([...converted.keys()]).toEqual(["default"]);
    expect([...converted.get("default")!]).toEqual([
      ["train", ["default/train/0000.parquet", "default/train/0001.parquet"]],
    ]);
  });
});

describe("what strangers write", () => {
  it("never makes a name, a path or a commit that leads elsewhere", () => {
    const text = fc.oneof(
      fc.string(),
      fc
        .array(fc.constantFrom("..", ".", "/", "a", "--", "@", "\\", "C:", "main", "\0"), { maxLength: 8 })
        .map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(text, (given) => {
        const name = parseHubName(given, "model");
        for (const part of [name?.id, name?.revision])
          if (part !== undefined) expect(isSafePath(part)).toBe(true);
        if (isSafePath(given)) {
          const base = join("/cache", "snapshots", "c");
          expect(join(base, given).startsWith(`${base}/`)).toBe(true);
        }
      }),
    );
    for (const path of ["../x", "a/../../x", "/etc/passwd", "a//b", "C:\\x", "a\\..\\b", "a\0b", "", "."])
      expect(isSafePath(path)).toBe(false);
  });

  it("is no listing unless each entry has a path, a hash and a size", () => {
    const entry = fc.record({
      type: fc.constantFrom("file", "directory", 1),
      path: fc.oneof(fc.string(), fc.integer()),
      oid: fc.oneof(fc.string(), fc.constant("a".repeat(40))),
      size: fc.oneof(fc.integer(), fc.string()),
      lfs: fc.oneof(fc.constant(undefined), fc.record({ oid: fc.string(), size: fc.double() })),
    });
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.array(entry)), (json) => {
        const files = parseTree(json);
        if (typeof files === "string") return;
        for (const { blob, size } of files) {
          expect(blob).toMatch(/^[0-9a-f]{40}$|^[0-9a-f]{64}$/);
          expect(Number.isSafeInteger(size) && size >= 0).toBe(true);
        }
      }),
    );
  });

  it("in headers is read as the standards say", () => {
    const header = (value: Record<string, string>) => retryAfter(new Headers(value), Date.UTC(2026, 0, 1));
    expect(header({ "retry-after": "7" })).toBe(7);
    expect(header({ "retry-after": "Thu, 01 Jan 2026 00:00:09 GMT" })).toBe(9);
    expect(header({ "retry-after": "soon" })).toBeUndefined();
    expect(header({ ratelimit: '"api";r=0;t=55', "retry-after": "7" })).toBe(55);
    expect(nextPage('<https://a/x?b=1,2>; rel="prev", </y>; rel="next"', "https://a/z")).toBe("https://a/y");
    expect(nextPage(null, "https://a")).toBeUndefined();
    fc.assert(
      fc.property(fc.string(), (link) => {
        const page = nextPage(link, "https://a/z");
        if (page !== undefined) expect(URL.canParse(page)).toBe(true);
      }),
    );
    fc.assert(
      fc.property(fc.string(), (pattern) => {
        globPattern(pattern).test("data/train.json");
      }),
    );
  });
});

describe("a data set", () => {
  let hub: HubServer;
  let home: string;
  serveHub((server, folder) => {
    [hub, home] = [server, folder];
  });

  const lines = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => `${JSON.stringify({ n: from + i })}\n`).join("");
  const rowsOf = async (
    name: string,
    choice: { split?: string; config?: string; preferred?: readonly string[] } = {},
    more: NodeJS.ProcessEnv = {},
  ): Promise<unknown[]> => {
    const control = {
      env: { HF_ENDPOINT: hub.url, HF_HOME: home, ...more },
      settings: { firstWait: 1 },
    };
    const dataset = await finished(openDataset(name, { preferred: trainSplits, ...choice }, control));
    const rows: unknown[] = [];
    for await (const { fields } of dataset.rows()) rows.push(fields.n);
    return rows;
  };
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
  const SHARDS: Files = {
    "README.md": "---\nlicense: mit\n---\n# Numbers",
    "train-00000-of-00002.jsonl": lines(0, 10),
    "train-00001-of-00002.jsonl": lines(10, 25),
    "test.jsonl": lines(100, 104),
    "notes.txt": "x",
  };

  it("of the Hub gives the rows of its shards in order, and fetches no split that is not wanted", async () => {
    hub.add("dataset", "org/numbers", SHARDS);
    expect(await rowsOf("org/numbers")).toEqual(range(0, 25));
    expect(hub.requests.some(({ path }) => path.includes("test.jsonl"))).toBe(false);
    expect(await rowsOf("org/numbers", { preferred: testSplits })).toEqual(range(100, 104));
    expect(await rowsOf("org/numbers", { split: "train[5:8]" })).toEqual(range(5, 8));
    expect(await rowsOf("org/numbers", { split: "train[:10%]+test[-50%:]+train[-1:]" })).toEqual([
      0, 1, 102, 103, 24,
    ]);
    expect(await rowsOf("org/numbers", { split: "all" })).toHaveLength(29);
    // What is there serves without the network as well.
    expect(await rowsOf("org/numbers", { split: "train[20:]" }, { HF_HUB_OFFLINE: "1" })).toEqual(
      range(20, 25),
    );
    await expect(rowsOf("org/numbers", { split: "tests" })).rejects.toThrow(
      /no split "tests", but .*did you mean test/,
    );
    await expect(rowsOf("org/numbers", { split: "train[30:]" })).rejects.toThrow(
      /train\[30:\] takes no rows/,
    );
    await expect(rowsOf("org/nothing")).rejects.toThrow(/the Hub has no data set org\/nothing/);
  });

  it("with configurations in its README.md follows them", async () => {
    const front =
      "---\nconfigs:\n- config_name: small\n  data_files:\n  - {split: train, path: s/*}\n- config_name: large\n  data_files: l/*\n---\n";
    hub.add("dataset", "org/sizes", {
      "README.md": front,
      "s/a.jsonl": lines(0, 2),
      "l/b.jsonl": lines(5, 9),
    });
    await expect(rowsOf("org/sizes")).rejects.toThrow(/configurations.*small, large.*--dataset-config/);
    expect(await rowsOf("org/sizes", { config: "large" })).toEqual(range(5, 9));
    hub.add("dataset", "org/odd", { "README.md": "---\nconfigs: [\n---\n", "a.jsonl": lines(0, 1) });
    await expect(rowsOf("org/odd")).rejects.toThrow(/front matter of README.md is no YAML/);
  });

  it("that cannot be read itself is taken from the Hub's conversion to Parquet", async () => {
    const parquet = readFileSync(join(ROWS, "small_snappy.parquet"));
    hub.add("dataset", "org/zipped", { "data.zip": "x", "README.md": "" });
    await expect(rowsOf("org/zipped")).rejects.toThrow(/holds no file that is read.*data.zip/);
    hub.add("dataset", "org/zipped", { "default/train/0000.parquet": parquet }, "refs/convert/parquet");
    expect(await rowsOf("org/zipped")).not.toEqual([]);
    await expect(rowsOf("org/zipped", { config: "other" })).rejects.toThrow(/configurations default/);
  });

  it("with names that lead out of its folder is refused", async () => {
    const repo = hub.add("dataset", "org/evil", { "README.md": "" });
    repo.commits.get(repo.refs.get("main")!)!.set("data\\evil.jsonl", Buffer.from(lines(0, 1)));
    await expect(rowsOf("org/evil")).rejects.toThrow(/outside of its folder.*do not trust/);
  });

  it("listed on many pages is found whole", async () => {
    const files = Object.fromEntries(
      range(0, 120).map((i) => [`train/${String(i).padStart(3, "0")}.jsonl`, lines(i, i + 1)]),
    );
    hub.add("dataset", "org/many", files);
    expect(await rowsOf("org/many", { split: "train[:3]+train[-2:]" })).toEqual([0, 1, 2, 118, 119]);
  });

  it("in a local folder is laid out in the same way; loose files are not mixed", async () => {
    const write = (files: Files): string => {
      const folder = temporaryFolder();
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(folder, path)), { recursive: true });
        writeFileSync(join(folder, path), text);
      }
      return folder;
    };
    expect(await rowsOf(write(SHARDS), { split: "train[:2]+test[:1]" })).toEqual([0, 1, 100]);
    const parquet = readFileSync(join(ROWS, "small_none.parquet"));
    const shards = write({ "0000.parquet": parquet, "0001.parquet": parquet });
    const one = await rowsOf(join(shards, "0000.parquet"));
    expect(await rowsOf(shards)).toEqual([...one, ...one]);
    expect(await rowsOf(shards, { split: "train[:50%]" })).toEqual(one);
    await expect(rowsOf(write({ "a.json": "[]", "b.json": "[]" }))).rejects.toThrow(
      /2 data files: a.json, b.json.*name one/,
    );
    await expect(rowsOf(write({ "x.txt": "" }))).rejects.toThrow(/no data file/);
    await expect(rowsOf(write({ "train-00001-of-00002.jsonl": lines(0, 1) }))).rejects.toThrow(
      /missing \(1\): .*train-00000/,
    );
    const file = join(write({ "a.jsonl": lines(0, 5) }), "a.jsonl");
    expect(await rowsOf(file, { split: "train[1:3]" })).toEqual([1, 2]);
    await expect(rowsOf(file, { split: "test" })).rejects.toThrow(/no split "test", but train/);
    await expect(rowsOf(file, { config: "en" })).rejects.toThrow(/a single file has no configurations/);
    await expect(rowsOf(`${file}l`)).rejects.toThrow(/did you mean .*a\.jsonl/);
  });
});
