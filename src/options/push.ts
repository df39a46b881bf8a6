// The options of `phinetune push`.
import type { OptionSchema } from "./resolve.js";

const pushTable = {
  folder: {
    type: "text",
    required: true,
    section: "Model and data",
    placeholder: "DIR",
    help: "folder of a run, an adapter or a model; may stand first, without --folder",
  },
  repository: {
    type: "text",
    required: true,
    section: "Output",
    placeholder: "ORG/NAME",
    aliases: ["hubModelId", "repoId"],
    help: "where to on the Hugging Face Hub; it is made where it does not exist. May stand second, without --repository",
  },
  private: {
    type: "flag",
    default: false,
    section: "Output",
    help: "make a repository that only you see; one that exists stays as it is",
  },
  revision: {
    type: "text",
    default: "main",
    section: "Output",
    help: "branch to upload to; it is made from main where it does not exist",
  },
  message: {
    type: "text",
    default: "Upload with phinetune",
    section: "Output",
    advanced: true,
    aliases: ["commitMessage"],
    help: "headline of the commit",
  },
  yes: {
    type: "flag",
    default: false,
    section: "Output",
    help: "upload without asking; needed where there is no terminal to ask in",
  },
} as const;

export const pushSchema: OptionSchema<typeof pushTable> = {
  table: pushTable,
  positional: ["folder", "repository"],
};
