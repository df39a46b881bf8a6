// Folders of runs, adapters and models -> commits on a server like the Hub, read back; and refusals that say what to do.
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { finished, type TransferProgress } from "../../src/hub/progress.js";
import { resolveAdapter } from "../../src/hub/resolve.js";
import type { UploadResult } from "../../src/hub/upload.js";
import { checkPush, planPush, push } from "../../src/push.js";
import type { HubServer } from "../fixtures/hub_server.js";
import { serveHub } from "./served.js";

let hub: HubServer;
let home: string;
let run: string;
const TENSORS = randomBytes(200_000);
const CACHED = "/home/someone/.cache/secret-folder/hub/models--org--phi/snapshots/abc/config.json";
const PLACE = "/home/someone/models/secret-folder/phi";

serveHub((server, folder) => {
  [hub, home] = [server, folder];
  run = join(home, "run");
  mkdirSync(join(run, "checkpoint-5"), { recursive: true });
  const files = {
    "adapter_config.json": JSON.stringify({ base_model_name_or_path: "org/base", r: 8 }),
    "adapter_model.safetensors": TENSORS,
    "README.md": `---\nbase_model: "org/base"\n---\n# x\n\nnpx phinetune generate --model org/base --adapter . --instruction "…"\n\nfrom_pretrained(base, "this folder")\n`,
    "run.json": JSON.stringify({
      options: { model: PLACE },
      hashes: { [`${PLACE}/model.safetensors`]: "00", [CACHED]: "11" },
    }),
    "report.html": `<p>model: ${PLACE}</p>`,
    "events.jsonl": "{}",
    "pytorch_model.bin": "pickle",
    ".hidden": "x",
    "checkpoint-5/adapter_model.safetensors": "x",
  };
  for (const [path, content] of Object.entries(files)) writeFileSync(join(run, path), content);
});

const control = (token: string | undefined = hub.token) => ({
  env: { HF_ENDPOINT: hub.url, HF_HOME: home, ...(token ? { HF_TOKEN: token } : {}) },
  settings: { firstWait: 1 },
});
const seen: TransferProgress[] = [];
const pushed = async (
  folder = run,
  {
    repository = "me/poet",
    isPrivate = false,
    revision = "main",
    signal = undefined as AbortSignal | undefined,
    token = hub.token,
  } = {},
): Promise<UploadResult> => {
  seen.length = 0;
  const plan = await planPush(folder, { repository, revision });
  const options = { ...control(token), isPrivate, message: "Upload", signal };
  return finished(push(plan, options), (progress) => seen.push(progress));
};
const filesIn = (id = "me/poet", branch = "main") => {
  const repo = hub.repos.find((known) => known.id === id)!;
  return repo.commits.get(repo.refs.get(branch)!)!;
};

describe("push", () => {
  it("makes the repository and uploads what is for others, without checkpoints, logs and pickles", async () => {
    const result = await pushed(run, { isPrivate: true });
    const names = [
      "README.md",
      "adapter_config.json",
      "adapter_model.safetensors",
      "report.html",
      "run.json",
    ];
    expect(result).toMatchObject({ uploaded: names, skipped: [], isNew: true, url: `${hub.url}/me/poet` });
    expect([...filesIn().keys()].sort()).toEqual([".gitattributes", ...names]);
    expect(filesIn().get("adapter_model.safetensors")!.equals(TENSORS)).toBe(true);
    expect(hub.repos[0]).toMatchObject({ isPrivate: true, messages: ["Upload"] });
    expect(seen.at(-1)).toMatchObject({ direction: "up", filesDone: 5, files: 5 });
    expect(seen.at(-1)!.done).toBe(seen.at(-1)!.total);
    expect(hub.requests.filter(({ server }) => server === "cdn").map(({ method }) => method)).toEqual([
      "PUT",
    ]);
    const folder = await finished(resolveAdapter("me/poet", control()));
    expect(folder).toContain(result.commit);
  });

  it("tells nothing of the folders of this machine, and names the repository in the card", async () => {
    await pushed();
    const all = [...filesIn().values()].map(String).join("\n");
    expect(all).not.toContain("secret-folder");
    expect(filesIn().get("run.json")?.toString()).toBe(
      '{"options":{"model":"phi"},"hashes":{"model.safetensors":"00","models--org--phi/snapshots/abc/config.json":"11"}}',
    );
    const card = filesIn().get("README.md")!.toString();
    expect(card).toContain("--model org/base --adapter me/poet --instruction");
    expect(card).toContain('from_pretrained(base, "me/poet")');
  });

  it("sends nothing twice: not what is committed, nor what was stored before the upload broke", async () => {
    hub.disturb = ({ path }) =>
      path.includes("/commit/") ? { status: 400, body: '{"error":"not now"}' } : undefined;
    await expect(pushed()).rejects.toThrow(/answered 400: not now/);
    hub.disturb = undefined;
    hub.requests.length = 0;
    expect(await pushed()).toMatchObject({ isNew: false, skipped: [] });
    expect(hub.requests.some(({ server }) => server === "cdn")).toBe(false);
    expect(await pushed()).toMatchObject({ commit: null, uploaded: [] });
    writeFileSync(join(run, "report.html"), "<p>new</p>");
    expect(await pushed()).toMatchObject({ uploaded: ["report.html"] });
    expect(hub.repos[0]!.messages).toHaveLength(2);
  });

  it("sends large files in as many parts as the Hub wants, again where one breaks", async () => {
    hub.partSize = 60_000;
    let breaks = 2;
    hub.disturb = ({ server }) => (server === "cdn" && breaks-- > 0 ? { status: 500, body: "" } : undefined);
    await pushed();
    expect(filesIn().get("adapter_model.safetensors")!.equals(TENSORS)).toBe(true);
    const puts = hub.requests.filter(({ server }) => server === "cdn");
    expect(puts).toHaveLength(6);
    expect(puts.every(({ headers }) => headers.authorization === undefined)).toBe(true);
    expect(seen.at(-1)!.done).toBe(seen.at(-1)!.total);
  });

  it("goes to a branch, which it makes", async () => {
    await pushed();
    writeFileSync(join(run, "report.html"), "<p>branch</p>");
    await pushed(run, { revision: "v2" });
    expect(filesIn("me/poet", "v2").get("report.html")!.toString()).toBe("<p>branch</p>");
    expect(filesIn().get("report.html")!.toString()).not.toContain("branch");
  });

  it("writes a card for a model without one, but over none that is there", async () => {
    const model = join(home, "merged");
    mkdirSync(model);
    writeFileSync(join(model, "config.json"), "{}");
    writeFileSync(join(model, "model.safetensors"), TENSORS);
    const plan = await planPush(model, { repository: "me/merged", base: "org/base@v1" });
    const [card] = plan.files.filter(({ path }) => path === "README.md");
    expect(String((card!.content as { bytes: Uint8Array }).bytes)).toMatch(
      /^---\nbase_model: "org\/base"\nlibrary_name: transformers\n/,
    );
    await pushed(model, { repository: "me/merged" });
    expect(filesIn("me/merged").get("README.md")!.toString()).toContain("# merged");
    hub.add("model", "me/other", { "README.md": "mine" });
    expect((await pushed(model, { repository: "me/other" })).skipped).toEqual(["README.md"]);
    expect(filesIn("me/other").get("README.md")!.toString()).toBe("mine");
  });

  it("stops where it is told to", async () => {
    const stop = new AbortController();
    hub.disturb = ({ server }) => (server === "cdn" ? { delay: 5000 } : undefined);
    setTimeout(() => stop.abort(), 300);
    await expect(pushed(run, { signal: stop.signal })).rejects.toMatchObject({ exitCode: 130 });
  });
});

describe("a push that cannot be", () => {
  it("says what to do", async () => {
    await expect(pushed(run, { token: "" })).rejects.toThrow(/without a token.*settings\/tokens.*HF_TOKEN/);
    await expect(checkPush({ repository: "me/poet" }, control("wrong"))).rejects.toThrow(
      /does not know the token from HF_TOKEN/,
    );
    await checkPush({ repository: "me/poet" }, control());
    await expect(pushed(run, { repository: "strangers/poet" })).rejects.toThrow(
      /strangers\/poet cannot be made.*rights.*may write to strangers/,
    );
    await expect(pushed(run, { repository: "poet" })).rejects.toThrow(/no name of a repository.*org\/name/);
    await expect(pushed(join(home, "none"))).rejects.toThrow(/there is no folder/);
    await expect(pushed(join(run, ".."))).rejects.toThrow(/neither an adapter nor a model/);
    const offline = { ...control(), env: { ...control().env, HF_HUB_OFFLINE: "1" } };
    await expect(checkPush({ repository: "me/poet" }, offline)).rejects.toThrow(/HF_HUB_OFFLINE is set/);
  });

  it.each([
    ["modes that are missing", "/preupload/", { body: "{}" }, /does not say how it wants README.md/],
    ["an answer that is no JSON", "/preupload/", { body: "<html>" }, /not JSON/],
    [
      "a storage that refuses",
      "/objects/batch",
      {
        body: JSON.stringify({
          objects: [
            {
              oid: createHash("sha256").update(TENSORS).digest("hex"),
              size: 1,
              error: { code: 422, message: "too large" },
            },
          ],
        }),
      },
      /does not take adapter_model.safetensors: too large/,
    ],
    [
      "parts that do not fit",
      "/objects/batch",
      {
        body: JSON.stringify({
          objects: [
            {
              oid: createHash("sha256").update(TENSORS).digest("hex"),
              size: 1,
              actions: {
                upload: {
                  href: "http://127.0.0.1:1/x",
                  header: { chunk_size: "7", "1": "http://127.0.0.1:1/y" },
                },
              },
            },
          ],
        }),
      },
      /in 1 parts of 7 bytes, which do not fit/,
    ],
    [
      "no address",
      "/objects/batch",
      {
        body: JSON.stringify({
          objects: [
            {
              oid: createHash("sha256").update(TENSORS).digest("hex"),
              size: 1,
              actions: { upload: { href: "file:///etc/passwd" } },
            },
          ],
        }),
      },
      /names no address for adapter_model/,
    ],
  ])("for %s is told", async (_, part, disturbance, message) => {
    hub.disturb = ({ path }) => (path.includes(part) ? disturbance : undefined);
    await expect(pushed()).rejects.toThrow(message);
  });

  it("warns of a base that is nowhere but here", async () => {
    writeFileSync(join(run, "adapter_config.json"), JSON.stringify({ base_model_name_or_path: PLACE }));
    const plan = await planPush(run, { repository: "me/poet" });
    expect(plan.warnings.join()).toMatch(/the base model is the local folder .*need its name on the Hub/);
  });
});
