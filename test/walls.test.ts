// The source as it lies in its folders -> whether every room keeps to its place.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const SRC = fileURLToPath(new URL("../src", import.meta.url));
const MAX_LINES = 500;
const GENERATED = ["graph/onnx_pb.ts"];

/** Rooms in the order in which data flows: one imports only from those before it. Files that stand alone are rooms too. */
const ROOMS = [
  "errors.ts",
  "random.ts",
  "options",
  "formats",
  "hub",
  "data",
  "graph",
  "nn",
  "models",
  "adapters",
  "runtime",
  "quantize",
  "evaluate",
  "train",
  "export",
  "run",
  "subject.ts",
  "prepared_run.ts",
  "fine-tune.ts",
  "inspect.ts",
  "compare.ts",
  "merge.ts",
  "export.ts",
  "doctor.ts",
  "push.ts",
  "serve",
  "plan.ts",
  "cli",
  "index.ts",
];

/** What may touch the file system: all else also runs in a browser. `locate.ts` finds the weight files for onnxruntime, and rounded weights lie in a cache. */
const TOUCHES_FILES =
  /^(hub|formats|run|export|cli)\/|^train\/checkpoint\.ts$|^runtime\/locate\.ts$|^quantize\/cache\.ts$|^fine-tune\.ts$|^inspect\.ts$|^doctor\.ts$|^push\.ts$/;

/** Types that stand for what passes between rooms; they may be named by the rooms before. */
const CONTRACTS = ["data/types.ts"];

interface Import {
  /** Path below src for our own files, else the package. */
  readonly to: string;
  readonly isOwn: boolean;
  readonly typeOnly: boolean;
  /** Loaded only when the code comes there. */
  readonly lazy: boolean;
}

interface SourceFile {
  /** Path below src, with slashes. */
  readonly path: string;
  readonly lines: readonly string[];
  readonly imports: readonly Import[];
}

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s+(type\s+)?(?:[\w*{][^;"]*?\sfrom\s+)?"([^"]+)"|\bimport\(\s*"([^"]+)"\s*\)/g;

function importsOf(path: string, text: string): Import[] {
  return [...text.matchAll(IMPORT)].map((match) => {
    const target = (match[2] ?? match[3])!;
    const isOwn = target.startsWith(".");
    const to = isOwn
      ? relative(SRC, resolve(SRC, dirname(path), target))
          .split(sep)
          .join("/")
          .replace(/\.js$/, ".ts")
      : target;
    return { to, isOwn, typeOnly: match[1] !== undefined, lazy: match[3] !== undefined };
  });
}

const files: readonly SourceFile[] = readdirSync(SRC, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
  .map((entry) => relative(SRC, join(entry.parentPath, entry.name)).split(sep).join("/"))
  .sort()
  .map((path) => {
    const text = readFileSync(join(SRC, path), "utf8");
    return { path, lines: text.split("\n"), imports: importsOf(path, text) };
  });

const roomOf = (path: string) => (path === "options.ts" ? "options" : path.split("/")[0]!);

describe("walls", () => {
  it("finds files and imports at all", () => {
    expect(files.length).toBeGreaterThan(60);
    expect(files.flatMap(({ imports }) => imports).length).toBeGreaterThan(200);
    expect(
      importsOf(
        "train/a.ts",
        'import type { A } from "../b.js";\nconst x = await import("onnxruntime-node");',
      ),
    ).toEqual([
      { to: "b.ts", isOwn: true, typeOnly: true, lazy: false },
      { to: "onnxruntime-node", isOwn: false, typeOnly: false, lazy: true },
    ]);
  });

  it("has a place for every room", () => {
    expect(files.map(({ path }) => roomOf(path)).filter((room) => !ROOMS.includes(room))).toEqual([]);
  });

  it("imports only from rooms above", () => {
    const offenders = files.flatMap(({ path, imports }) =>
      imports
        .filter(({ to, typeOnly }) => !(typeOnly && CONTRACTS.includes(to)))
        .filter(({ isOwn, to }) => isOwn && ROOMS.indexOf(roomOf(to)) > ROOMS.indexOf(roomOf(path)))
        .map(({ to }) => `${path} imports ${to}`),
    );
    expect(offenders).toEqual([]);
  });

  it("imports only files that exist", () => {
    const known = new Set(files.map(({ path }) => path));
    const offenders = files.flatMap(({ path, imports }) =>
      imports.filter(({ isOwn, to }) => isOwn && !known.has(to)).map(({ to }) => `${path} imports ${to}`),
    );
    expect(offenders).toEqual([]);
  });

  it("imports onnxruntime only in runtime/", () => {
    const offenders = files
      .filter(
        ({ path, imports }) =>
          !path.startsWith("runtime/") && imports.some(({ to }) => /^onnxruntime/.test(to)),
      )
      .map(({ path }) => path);
    expect(offenders).toEqual([]);
  });

  it("shows help without loading a package, or more than options and words", () => {
    const loaded = new Set(["cli/main.ts"]);
    for (const path of loaded) {
      for (const { to, typeOnly, lazy } of files.find((file) => file.path === path)?.imports ?? [])
        if (!typeOnly && !lazy) loaded.add(to);
    }
    const offenders = [...loaded].filter(
      (to) => !/^(cli\/|options\b|errors\.ts$|run\/version\.ts$|node:)/.test(to),
    );
    expect(offenders).toEqual([]);
    expect(loaded.size).toBeGreaterThan(10);
  });

  it("touches the file system only where it may", () => {
    const offenders = files
      .filter(
        ({ path, imports }) =>
          !TOUCHES_FILES.test(path) && imports.some(({ to }) => /^(node:)?fs(\/|$)/.test(to)),
      )
      .map(({ path }) => path);
    expect(offenders).toEqual([]);
  });

  it("has no cycle of imports", () => {
    expect(
      findCycle(
        new Map(files.map(({ path, imports }) => [path, imports.filter((i) => i.isOwn).map((i) => i.to)])),
      ),
    ).toEqual([]);
    expect(
      findCycle(
        new Map([
          ["a", ["b"]],
          ["b", ["c"]],
          ["c", ["a"]],
        ]),
      ),
    ).toEqual(["a", "b", "c", "a"]);
  });

  it(`has no file above ${MAX_LINES} lines`, () => {
    const offenders = files
      .filter(({ path, lines }) => lines.length > MAX_LINES && !GENERATED.includes(path))
      .map(({ path, lines }) => `${path}: ${lines.length} lines`);
    expect(offenders).toEqual([]);
  });

  it("opens every file with a sentence that says what it is for", () => {
    const offenders = files
      .filter(({ path }) => !GENERATED.includes(path))
      .filter(({ lines }) => !/^\/[/*]+ \S/.test(lines[0]!.startsWith("#!") ? lines[1]! : lines[0]!))
      .map(({ path }) => path);
    expect(offenders).toEqual([]);
  });

  it.each(["graph/ops", "models", "adapters"])("registers every entry of %s in its index.ts", (folder) => {
    const inFolder = files.filter(({ path }) => dirname(path) === folder && path !== `${folder}/index.ts`);
    const registered = files.find(({ path }) => path === `${folder}/index.ts`)!.imports.map(({ to }) => to);
    // Files that export no entry are parts which entries share.
    const entry = {
      "graph/ops": /^export const \w+Op\b/m,
      models: /^export const \w+ = defineFamily</m,
      adapters: /^export const \w+: Method = /m,
    }[folder]!;
    const entries = inFolder.filter(({ lines }) => entry.test(lines.join("\n")));
    expect(entries.length).toBeGreaterThan(0);
    expect(entries.map(({ path }) => path).filter((path) => !registered.includes(path))).toEqual([]);
  });
});

/** The first cycle found, as a path that ends where it began; empty when there is none. */
function findCycle(graph: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const done = new Set<string>();
  const visit = (node: string, path: readonly string[]): readonly string[] => {
    if (path.includes(node)) return [...path.slice(path.indexOf(node)), node];
    if (done.has(node)) return [];
    for (const next of graph.get(node) ?? []) {
      const cycle = visit(next, [...path, node]);
      if (cycle.length > 0) return cycle;
    }
    done.add(node);
    return [];
  };
  for (const node of graph.keys()) {
    const cycle = visit(node, []);
    if (cycle.length > 0) return cycle;
  }
  return [];
}
