// Where a command writes: results to standard output, all else to standard error; colours and width as the terminal has them.

const STYLES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, magenta: 35, cyan: 36 } as const;
export type Style = keyof typeof STYLES;

/** One of the two output streams. */
export interface Output {
  /** Characters a line; undefined where there is no terminal. */
  readonly width: number | undefined;
  readonly hasColour: boolean;
  write(text: string): void;
  /** The text in a style, where there are colours. */
  paint(text: string, style: Style): string;
}

/** What a command gets to speak through. */
export interface Terminal {
  /** Results. */
  readonly out: Output;
  /** Progress, warnings, errors. */
  readonly log: Output;
  /** Whether standard output must be one JSON value. */
  readonly json: boolean;
}

/** Source of the rules: https://no-color.org and https://force-color.org */
export function wantsColour(isTerminal: boolean, env: NodeJS.ProcessEnv = process.env): boolean {
  if (env.NO_COLOR) return false;
  if (env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== "") return env.FORCE_COLOR !== "0";
  return isTerminal && env.TERM !== "dumb";
}

/** An output on a stream; also of a stream that is not the process's, for tests. */
export function createOutput(
  stream: Pick<NodeJS.WriteStream, "isTTY" | "columns"> & { write(text: string): unknown },
  hasColour = wantsColour(stream.isTTY === true),
): Output {
  return {
    get width() {
      return stream.isTTY ? stream.columns || 80 : undefined;
    },
    hasColour,
    write: (text) => void stream.write(text),
    paint: (text, style) => (hasColour ? `\u001b[${STYLES[style]}m${text}\u001b[0m` : text),
  };
}

/** The terminal of this process. A reader that goes away (`| head`) ends the process quietly; one of standard error is not missed. */
export function createTerminal({ json }: { readonly json: boolean }): Terminal {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(process.exitCode ?? 0);
  });
  process.stderr.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
  return { out: createOutput(process.stdout), log: createOutput(process.stderr), json };
}

/** Foreign text made safe to show: control characters other than newline and tab become visible signs. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach a terminal
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, (character) => {
    const code = character.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? "\u2421" : "\ufffd";
  });
}

/** Breaks words into lines that end before column `width`; all stand at column `indent.length`. */
export function wrap(text: string, width: number, indent = ""): string {
  const lines: string[] = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    if (line !== "" && line.length + 1 + word.length > width - indent.length) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines.join(`\n${indent}`);
}
