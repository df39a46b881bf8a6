// A server like the Hub -> whether phinetune and Python's huggingface_hub leave the same caches, read each other's, and see each other's uploads.
// Run: pip install huggingface_hub datasets transformers torch && npm run build && PYTHON=python3 node interop/check_hub.mjs
import { cpSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDataset, trainSplits } from "../dist/hub/dataset.js";
import { finished } from "../dist/hub/progress.js";
import { resolveAdapter, resolveModel } from "../dist/hub/resolve.js";
import { planPush, push } from "../dist/push.js";
import { inPython as runPython, startLocalHub, environment as surroundings } from "./hub.mjs";
import { root } from "./models.mjs";

const work = mkdtempSync(join(tmpdir(), "phinetune-hub-"));
const START = join(root, "test/fixtures/start");

let failures = 0;
function check(what, isRight, detail = "") {
  console.log(`${isRight ? "ok  " : "FAIL"}  ${what}${isRight ? "" : `  ${detail}`}`);
  if (!isRight) failures++;
}

const filesOf = (folder) => Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]));
const rows = readFileSync(join(START, "data.jsonl"), "utf8").trim().split("\n");
const hub = await startLocalHub(work);
hub.add("model", "org/start", { ...filesOf(join(START, "model")), "pytorch_model.bin": "pickle", "README.md": "# Start" });
hub.add("dataset", "org/rows", {
  "README.md": "---\nlicense: mit\n---\n",
  "data/train-00000-of-00002.parquet": readFileSync(join(root, "test/fixtures/rows/small_snappy.parquet")),
  "data/train-00001-of-00002.parquet": readFileSync(join(root, "test/fixtures/rows/small_zstd.parquet")),
  "data/test-00000-of-00001.parquet": readFileSync(join(root, "test/fixtures/rows/small_none.parquet")),
});
hub.add("dataset", "org/lines", { "train.jsonl": rows.slice(0, 37).join("\n"), "test.jsonl": rows.slice(37, 50).join("\n") });

const environment = (home, more = {}) => surroundings(hub, home, more);
/** Runs Python; what it prints last is JSON. */
const inPython = (home, code, more = {}) => runPython(environment(home, more), ["-c", `import json\n${code}`]);
const control = (home, more = {}) => ({ env: environment(home, more) });

/** Every file and link below a folder, with what is in it. */
function treeOf(folder) {
  return Object.fromEntries(
    readdirSync(folder, { recursive: true })
      .map(String)
      .sort()
      .flatMap((name) => {
        const path = join(folder, name);
        const stats = lstatSync(path);
        if (stats.isDirectory() || name.startsWith("trees")) return [];
        return [[name, stats.isSymbolicLink() ? `-> ${readlinkSync(path)}` : readFileSync(path).toString("base64")]];
      }),
  );
}
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

try {
  const [ours, theirs, both] = ["ours", "theirs", "both"].map((name) => join(work, name));
  const folder = await finished(resolveModel("org/start", control(ours)));
  const taken = readdirSync(folder).sort();
  await inPython(theirs, `from huggingface_hub import snapshot_download
print(json.dumps(snapshot_download("org/start", allow_patterns=${JSON.stringify(taken)})))`);
  const repository = (home, kind, name) => join(home, "hub", `${kind}s--org--${name}`);
  const [a, b] = [treeOf(repository(ours, "model", "start")), treeOf(repository(theirs, "model", "start"))];
  check(`a model: the same blobs, snapshots and refs (${Object.keys(a).length} files and links)`, same(a, b), `${JSON.stringify(Object.keys(a))} against ${JSON.stringify(Object.keys(b))}`);

  await Promise.all([
    finished(resolveModel("org/start", control(both))),
    finished(resolveModel("org/start", control(both))),
    inPython(both, `from huggingface_hub import snapshot_download
print(json.dumps(snapshot_download("org/start", allow_patterns=${JSON.stringify(taken)})))`),
  ]);
  check("both at once into one cache: the same again", same(treeOf(repository(both, "model", "start")), a));

  const offline = { HF_HUB_OFFLINE: "1" };
  const read = await inPython(
    ours,
    `import os
from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download
from transformers import AutoModelForCausalLM, AutoTokenizer
folder = snapshot_download("org/start")
files = {name: os.path.getsize(hf_hub_download("org/start", name)) for name in ${JSON.stringify(taken)}}
model = AutoModelForCausalLM.from_pretrained("org/start")
ids = AutoTokenizer.from_pretrained("org/start")("The dog")["input_ids"]
scan = scan_cache_dir()
print(json.dumps({"folder": folder, "files": files, "parameters": sum(p.numel() for p in model.parameters()), "ids": ids, "warnings": [str(w) for w in scan.warnings], "repos": [r.repo_id for r in scan.repos]}))`,
    offline,
  );
  check("Python reads our snapshot offline, with model and tokenizer", read.folder === folder && read.parameters > 1000 && read.ids.length > 0, JSON.stringify(read));
  check("Python finds nothing to warn of in our cache", same(read.warnings, []) && same(read.repos, ["org/start"]), JSON.stringify(read));
  const found = await finished(resolveModel("org/start", control(theirs, offline)));
  check("we read Python's snapshot offline", same(readdirSync(found).sort(), taken));

  for (const [name, split] of [
    ["rows", "train"],
    ["rows", "test"],
    ["rows", "train[:50%]+test[-1:]"],
    ["lines", "train[:10%]"],
    ["lines", "train[33%:66%]"],
    ["lines", "test[-5%:]+train[2:4]"],
    ["lines", "train+test"],
  ]) {
    const dataset = await finished(openDataset(`org/${name}`, { split, preferred: trainSplits }, control(ours)));
    const mine = [];
    for await (const { fields } of dataset.rows()) mine.push(fields);
    const home = join(work, "datasets");
    const python = await inPython(
      home,
      `from datasets import load_dataset
from huggingface_hub import snapshot_download
folder = snapshot_download("org/${name}", repo_type="dataset")
rows = load_dataset(folder, split=${JSON.stringify(split)})
exact = lambda value: str(value) if isinstance(value, int) and abs(value) >= 2**53 else value
print(json.dumps([{key: exact(value) for key, value in row.items()} for row in rows]))`,
    );
    check(`${name} ${split}: ${mine.length} rows, as Python's datasets has them`, same(mine, python), `${mine.length} against ${python.length} rows`);
    const again = await finished(openDataset(`org/${name}`, { split, preferred: trainSplits }, control(home, offline)));
    const cached = [];
    for await (const { fields } of again.rows()) cached.push(fields);
    check(`${name} ${split}: the same rows from Python's cache, offline`, same(cached, mine));
  }
  // Uploads: of both, of the same folder, with content above and below the size of a part.
  const adapter = join(work, "adapter");
  mkdirSync(adapter);
  writeFileSync(join(adapter, "adapter_config.json"), JSON.stringify({ base_model_name_or_path: "org/start", peft_type: "LORA" }));
  writeFileSync(join(adapter, "README.md"), '---\nbase_model: "org/start"\n---\n# Adapter\n');
  cpSync(join(START, "model/model.safetensors"), join(adapter, "adapter_model.safetensors"));
  const token = { HF_TOKEN: hub.token };
  for (const partSize of [undefined, 100_000]) {
    hub.partSize = partSize;
    const how = partSize === undefined ? "in one part" : "in parts";
    const [mine, python] = [`me/ours-${partSize ?? 0}`, `me/theirs-${partSize ?? 0}`];
    const plan = await planPush(adapter, { repository: mine });
    const result = await finished(push(plan, { ...control(work, token), isPrivate: false, message: "Upload" }));
    await inPython(
      work,
      `from huggingface_hub import HfApi
api = HfApi()
api.create_repo("${python}", exist_ok=True)
print(json.dumps(api.upload_folder(repo_id="${python}", folder_path=${JSON.stringify(adapter)}).oid))`,
      token,
    );
    const read = await inPython(
      join(work, `reader-${partSize ?? 0}`),
      `from huggingface_hub import HfApi, snapshot_download
from pathlib import Path
def read(repo):
    folder = Path(snapshot_download(repo))
    return {path.name: path.read_bytes().hex() for path in sorted(folder.iterdir())}
api = HfApi()
print(json.dumps({"ours": read("${mine}"), "theirs": read("${python}"), "commit": api.model_info("${mine}").sha, "files": sorted(api.list_repo_files("${mine}"))}))`,
    );
    check(`an upload ${how}: Python reads our commit`, read.commit === result.commit && same(read.files, [".gitattributes", ...result.uploaded]), JSON.stringify(read.files));
    check(`an upload ${how}: the same files as Python uploads`, same(read.ours, read.theirs));
    const back = await finished(resolveAdapter(python, control(join(work, "back"))));
    check(`an upload ${how}: we read Python's commit`, readFileSync(join(back, "adapter_model.safetensors")).equals(readFileSync(join(adapter, "adapter_model.safetensors"))));
  }
} finally {
  await hub.close();
  rmSync(work, { recursive: true, force: true });
}
console.log(failures === 0 ? "all is as it should be" : `${failures} failures`);
process.exitCode = failures === 0 ? 0 : 1;
