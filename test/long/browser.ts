// A page on the disk -> what a real browser makes of it, spoken to by Chromium's own protocol over a pipe.
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { pathToFileURL } from "node:url";

/** The browser of the environment variable CHROMIUM, or one on PATH. */
export function findChromium(): string | undefined {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.flatMap((folder) => names.map((name) => join(folder, name))).find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** How a page is looked at. */
export interface View {
  readonly width: number;
  readonly height: number;
  readonly scheme: "light" | "dark";
}

type Place = readonly [x: number, y: number];

export interface Page {
  /** What went wrong in the page: exceptions, errors of the console, blocked requests. */
  readonly complaints: readonly string[];
  /** Requests that the page made, but for itself. */
  readonly requests: readonly string[];
  look(view: View): Promise<void>;
  evaluate<Result>(expression: string): Promise<Result>;
  press(key: string): Promise<void>;
  /** Moves the mouse to a place of the window; or drags it there from another. */
  point(to: Place, from?: Place): Promise<void>;
  /** PNG of the window. */
  screenshot(): Promise<Buffer>;
  pdf(): Promise<Buffer>;
}

export interface Browser {
  open(path: string, view: View): Promise<Page>;
  close(): Promise<void>;
}

interface Message {
  readonly id?: number;
  readonly sessionId?: string;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

type Send = (method: string, params?: object, sessionId?: string) => Promise<unknown>;
type Listener = (message: Message) => void;

/** Starts a browser without a window. */
export async function startBrowser(program: string): Promise<Browser> {
  const profile = mkdtempSync(join(tmpdir(), "phinetune-browser-"));
  const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"];
  const child = spawn(program, [...flags, "--remote-debugging-pipe", `--user-data-dir=${profile}`], {
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
  });
  const { send, listen } = connect(child);
  return {
    open: (path, view) => openPage(send, listen, path, view),
    close: async () => {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      void send("Browser.close").catch(() => undefined);
      await ended;
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Messages are JSON texts, each ended by a zero byte. */
function connect(child: ChildProcess): { readonly send: Send; readonly listen: (to: Listener) => void } {
  const [input, output] = [child.stdio[3] as Writable, child.stdio[4] as Readable];
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  const listeners: Listener[] = [];
  let sent = 0;
  let rest = Buffer.alloc(0);
  output.on("data", (piece: Buffer) => {
    rest = Buffer.concat([rest, piece]);
    for (let end = rest.indexOf(0); end >= 0; end = rest.indexOf(0)) {
      const message = JSON.parse(rest.subarray(0, end).toString()) as Message;
      rest = rest.subarray(end + 1);
      for (const listener of listeners) listener(message);
      const waiter = message.id === undefined ? undefined : waiting.get(message.id);
      if (message.error) waiter?.reject(new Error(message.error.message));
      else waiter?.resolve(message.result);
    }
  });
  const fail = (why: string) => {
    for (const { reject } of waiting.values()) reject(new Error(why));
  };
  child.once("error", (error) => fail(error.message));
  child.once("exit", (code) => fail(`the browser ended with code ${code}`));
  input.on("error", () => undefined);
  return {
    send: (method, params = {}, sessionId) => {
      const id = ++sent;
      input.write(`${JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) })}\0`);
      return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
    },
    listen: (to) => void listeners.push(to),
  };
}

async function openPage(
  sendAny: Send,
  listen: (to: Listener) => void,
  path: string,
  first: View,
): Promise<Page> {
  const { targetId } = (await sendAny("Target.createTarget", { url: "about:blank" })) as { targetId: string };
  const { sessionId } = (await sendAny("Target.attachToTarget", { targetId, flatten: true })) as {
    sessionId: string;
  };
  const send: Send = (method, params) => sendAny(method, params, sessionId);
  const url = pathToFileURL(path).href;
  const [complaints, requests]: [string[], string[]] = [[], []];
  let loaded: (() => void) | undefined;
  listen(({ sessionId: from, method, params }) => {
    if (from !== sessionId) return;
    if (method === "Page.loadEventFired") loaded?.();
    if (method === "Network.requestWillBeSent") {
      const to = (params as { request: { url: string } }).request.url;
      if (to !== url) requests.push(to);
    }
    if (method === "Runtime.exceptionThrown" || method === "Log.entryAdded")
      complaints.push(JSON.stringify(params));
    if (
      method === "Runtime.consoleAPICalled" &&
      /error|assert|warning/.test((params as { type: string }).type)
    )
      complaints.push(JSON.stringify(params));
  });
  for (const domain of ["Page", "Runtime", "Log", "Network"]) await send(`${domain}.enable`);
  const look = async ({ width, height, scheme }: View) => {
    const size = { width, height, deviceScaleFactor: 1, mobile: width < 600 };
    await send("Emulation.setDeviceMetricsOverride", size);
    const features = [{ name: "prefers-color-scheme", value: scheme }];
    await send("Emulation.setEmulatedMedia", { features });
    await evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 150)))");
  };
  const evaluate = async <Result>(expression: string) => {
    const { result, exceptionDetails } = (await send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    })) as { result: { value: Result }; exceptionDetails?: object };
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
    return result.value;
  };
  await look(first);
  const ready = new Promise<void>((resolve) => {
    loaded = resolve;
  });
  await send("Page.navigate", { url });
  await ready;
  await look(first);
  const image = async (method: string, params: object) =>
    Buffer.from(((await send(method, params)) as { data: string }).data, "base64");
  return {
    complaints,
    requests,
    look,
    evaluate,
    press: async (key) => {
      const text = key.length === 1 ? { text: key } : {};
      await send("Input.dispatchKeyEvent", { type: "keyDown", key, ...text });
      await send("Input.dispatchKeyEvent", { type: "keyUp", key });
    },
    point: async (to, from) => {
      const mouse = (type: string, [x, y]: Place) =>
        send("Input.dispatchMouseEvent", { type, x, y, button: from ? "left" : "none", clickCount: 1 });
      if (from) await mouse("mousePressed", from);
      await mouse("mouseMoved", to);
      if (from) await mouse("mouseReleased", to);
    },
    screenshot: () => image("Page.captureScreenshot", {}),
    pdf: () => image("Page.printToPDF", { printBackground: false }),
  };
}
