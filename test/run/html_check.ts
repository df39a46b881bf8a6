// A page -> its elements, when it is well formed: all closed in order, ids once, references to ids that exist.

export interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** Its text and that of the elements in it, with entities read. */
  text: string;
}

const VOID = new Set(["meta", "wbr", "input", "br", "hr", "img", "link"]);
const RAW = new Set(["script", "style"]);
const TAG = /<(\/?)([a-z][a-z0-9]*)((?:\s+[a-zA-Z-]+(?:="[^"<]*")?)*)\s*(\/?)>/y;
const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };

/** @throws where the page is not well formed, with what stands there */
export function readHtml(page: string): Element[] {
  const doctype = "<!doctype html>\n";
  if (!page.startsWith(doctype)) throw new Error("no doctype");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: HTML forbids them
  const forbidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.exec(page);
  if (forbidden) throw new Error(`a control character at ${forbidden.index}`);
  const elements: Element[] = [];
  const open: Element[] = [];
  let at = doctype.length;
  while (at < page.length) {
    if (page[at] !== "<") {
      const end = page.indexOf("<", at) < 0 ? page.length : page.indexOf("<", at);
      const text = page.slice(at, end);
      if (/>/.test(text) || /&(?!(amp|lt|gt|quot|#39);)/.test(text)) throw new Error(`not escaped: ${text}`);
      for (const element of open) element.text += decode(text);
      at = end;
      continue;
    }
    TAG.lastIndex = at;
    const match = TAG.exec(page);
    if (!match) throw new Error(`not a tag: ${page.slice(at, at + 60)}`);
    const [tag, slash, name, attributes] = match as unknown as [string, string, string, string];
    at += tag.length;
    if (slash) {
      const last = open.pop();
      if (last?.name !== name) throw new Error(`</${name}> ends <${last?.name}>`);
      continue;
    }
    const element: Element = { name, attributes: readAttributes(attributes), text: "" };
    elements.push(element);
    if (RAW.has(name)) {
      const end = page.indexOf(`</${name}`, at);
      element.text = page.slice(at, end);
      at = end + `</${name}>`.length;
    } else if (!VOID.has(name) && match[4] !== "/") open.push(element);
  }
  if (open.length > 0) throw new Error(`left open: ${open.map(({ name }) => name).join(" ")}`);
  checkIds(elements);
  return elements;
}

function checkIds(elements: readonly Element[]): void {
  const ids = elements.flatMap(({ attributes }) => attributes.id ?? []);
  const twice = ids.filter((id, i) => ids.indexOf(id) !== i);
  if (twice.length > 0) throw new Error(`ids that occur twice: ${twice.join(" ")}`);
  for (const { attributes } of elements) {
    const targets = [attributes["aria-labelledby"], attributes.href?.replace(/^#/, "")];
    for (const target of targets)
      if (target !== undefined && !ids.includes(target)) throw new Error(`there is no id ${target}`);
  }
}

function readAttributes(text: string): Record<string, string> {
  const pairs = [...text.matchAll(/([a-zA-Z-]+)(?:="([^"]*)")?/g)];
  return Object.fromEntries(pairs.map(([, name, value]) => [name!, decode(value ?? "")]));
}

function decode(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => ENTITIES[name]!);
}
