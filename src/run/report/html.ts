// Foreign text in a template -> HTML in which it is nothing but text.

/** Text that is HTML already. Only `html` makes it. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Insertable = Html | string | number | undefined | readonly Insertable[];

/** A template whose insertions are escaped, but for those that are `Html`; `undefined` is nothing. */
export function html(texts: TemplateStringsArray, ...values: readonly Insertable[]): Html {
  return new Html(texts.map((text, i) => text + (i < values.length ? insert(values[i]) : "")).join(""));
}

function insert(value: Insertable): string {
  if (value === undefined) return "";
  if (value instanceof Html) return value.text;
  return typeof value === "object" ? value.map(insert).join("") : escapeText(String(value));
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Escapes for content and quoted attributes; control characters, which HTML forbids, become their pictures. */
export function escapeText(text: string): string {
  return (
    text
      .replace(/\r\n?/g, "\n")
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
      .replace(/[\u0000-\u0008\u000b-\u001f]/g, (sign) => String.fromCharCode(0x2400 + sign.charCodeAt(0)))
      .replace(/[\u007f-\u009f\ufdd0-\ufdef\ufffe\uffff]/g, "\ufffd")
      .replace(/\p{Surrogate}/gu, "\ufffd")
      .replace(/[&<>"']/g, (sign) => ENTITIES[sign]!)
  );
}

/** A long name that a line may break behind each of its separators. */
export function breakable(name: string, separator: string): Html {
  const parts = name.split(separator);
  const last = parts.length - 1;
  return html`<bdi>${parts.map((part, i) => (i < last ? html`${part}${separator}<wbr>` : html`${part}`))}</bdi>`;
}

/** JSON for a script element: no `<` can end the element, no line separator the line. */
export function scriptJson(value: unknown): Html {
  const json = JSON.stringify(value);
  return new Html(
    json.replace(/[<>&\u2028\u2029]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`),
  );
}
