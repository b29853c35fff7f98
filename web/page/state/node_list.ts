import type { Store } from "./store.ts";

const KEY = "nodes";
const MOST_NODES = 50;

/** The nodes that the user has added, by their URLs, in the order in which they were. */
export class NodeList {
  private readonly store: Store;
  private kept: readonly string[];

  constructor(store: Store) {
    this.store = store;
    this.kept = readUrls(store.read(KEY));
  }

  get urls(): readonly string[] {
    return this.kept;
  }

  /** Adds a node and returns its URL. Throws an `Error` that says what is wrong with the text. */
  add(text: string, own: string, isSecurePage: boolean): string {
    const url = nodeUrl(text, isSecurePage);
    if (url === own) throw new Error("this is the node that serves the page: it is in the list already");
    if (this.kept.includes(url)) throw new Error("this node is in the list already");
    if (this.kept.length >= MOST_NODES) throw new Error(`the list takes ${MOST_NODES} nodes: remove one first`);
    this.keep([...this.kept, url]);
    return url;
  }

  remove(url: string): void {
    this.keep(this.kept.filter((one) => one !== url));
  }

  private keep(urls: readonly string[]): void {
    this.kept = urls;
    this.store.write(KEY, JSON.stringify(urls));
  }
}

/** The URL that a text says; the scheme may be left out. Throws an `Error` that says what is wrong with it. */
export function nodeUrl(text: string, isSecurePage: boolean): string {
  const trimmed = text.trim();
  if (trimmed === "") throw new Error("write the node's URL, such as ws://10.0.0.7:7070");
  const url = parsed(trimmed.includes("://") ? trimmed : `${isSecurePage ? "wss" : "ws"}://${trimmed}`);
  if (url === undefined) throw new Error(`${trimmed} is no URL: write it as ws://HOST:PORT`);
  if (url.protocol !== "ws:" && url.protocol !== "wss:") {
    throw new Error(`a browser reaches nodes by ws:// and wss:// only, not by ${url.protocol}//`);
  }
  if (isSecurePage && url.protocol === "ws:") {
    throw new Error("this page came over https, so the browser lets it use wss:// only");
  }
  if (url.username !== "" || url.password !== "") throw new Error("a node's URL has no user name and no password");
  url.hash = "";
  return url.href;
}

function parsed(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined; // the caller says so
  }
}

/** What was kept, as far as it is a list of URLs: anybody may have written into the browser's storage. */
function readUrls(text: string | undefined): readonly string[] {
  try {
    const value: unknown = JSON.parse(text ?? "[]");
    if (!Array.isArray(value)) return [];
    const urls = value.filter((one): one is string => typeof one === "string" && /^wss?:/u.test(one));
    return [...new Set(urls)].slice(0, MOST_NODES);
  } catch {
    return [];
  }
}
