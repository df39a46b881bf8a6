// What one option is, and what its values look like in TypeScript.

/** Headings of the help, in their order. */
export const sections = [
  "Model and data",
  "Adapter",
  "Training",
  "Evaluation",
  "Generation",
  "Output",
  "Machine",
] as const;

interface Common {
  readonly section: (typeof sections)[number];
  /** One line, without a full stop. */
  readonly help: string;
  /** Hidden in `--help`, shown in `--help-all`. */
  readonly advanced?: true;
  /** Other names, in camelCase. */
  readonly aliases?: readonly string[];
  /** What stands for the value in the help: DIR, FILE. */
  readonly placeholder?: string;
}

interface NumberSpec<Type extends string> extends Common {
  readonly type: Type;
  readonly default?: number;
  readonly min?: number;
  readonly max?: number;
  /** Exclusive bounds. */
  readonly above?: number;
  readonly below?: number;
  /** A range that bounds cannot say, with its words: `accepts` is asked besides the bounds. */
  readonly accepts?: (value: number) => boolean;
  readonly expected?: string;
  /** What no value means, in words. */
  readonly defaultText?: string;
}

interface TextSpec extends Common {
  readonly type: "text";
  /** The value that the bare flag stands for. */
  readonly implied?: string;
  readonly default?: string;
  readonly required?: true;
  /** A default that depends on the other options. */
  readonly defaultFrom?: (given: Readonly<Record<string, unknown>>) => string;
  readonly defaultText?: string;
}

interface ListSpec<Type extends string> extends Common {
  readonly type: Type;
  readonly required?: true;
  readonly defaultText?: string;
}

interface ChoiceSpec extends Common {
  readonly type: "choice";
  readonly choices: readonly string[];
  readonly default: string;
  /** Values that other programs know -> why they are not taken. */
  readonly refused?: Readonly<Record<string, string>>;
}

/** One entry of a table of options; its key is the name in camelCase. */
export type OptionSpec =
  | TextSpec
  | ChoiceSpec
  | NumberSpec<"integer">
  | NumberSpec<"number">
  | (Common & { readonly type: "flag"; readonly default: boolean })
  | ListSpec<"words">
  | ListSpec<"integers">
  /** Names; or one text that is a regular expression or `all-linear`. */
  | ListSpec<"modules">
  /** key=number. */
  | ListSpec<"numbers">;

export type OptionType = OptionSpec["type"];
export type SpecOf<Type extends OptionType> = Extract<OptionSpec, { readonly type: Type }>;
export type OptionTable = Readonly<Record<string, OptionSpec>>;

export interface ValueTypes {
  readonly text: string;
  readonly choice: string;
  readonly integer: number;
  readonly number: number;
  readonly flag: boolean;
  readonly words: readonly string[];
  readonly integers: readonly number[];
  readonly modules: readonly string[] | string;
  readonly numbers: Readonly<Record<string, number>>;
}

type ValueOf<Spec extends OptionSpec> = Spec extends { readonly choices: readonly (infer Choice)[] }
  ? Choice
  : ValueTypes[Spec["type"]];
type IsKnown<Spec> = Spec extends
  | { readonly default: unknown }
  | { readonly required: true }
  | { readonly defaultFrom: unknown }
  ? true
  : false;

/** All options with their values: those without a default may be undefined. */
export type Resolved<Table extends OptionTable> = {
  readonly [Name in keyof Table]: IsKnown<Table[Name]> extends true
    ? ValueOf<Table[Name]>
    : ValueOf<Table[Name]> | undefined;
};

/** What a caller of the library gives: only required options are needed. */
export type Given<Table extends OptionTable> = {
  readonly [Name in keyof Table as Table[Name] extends { readonly required: true } ? Name : never]: ValueOf<
    Table[Name]
  >;
} & {
  readonly [Name in keyof Table as Table[Name] extends { readonly required: true } ? never : Name]?:
    | ValueOf<Table[Name]>
    | undefined;
};
