/** Metadata: what travels beside the messages of a call, as ordered pairs of a key and a text or bytes. */

/** What a key may hold: text, or for keys that end in `-bin` bytes (or their base64 text). */
export type MetadataValue = string | Uint8Array;

/** What metadata can be made of: pairs, a record, or a `Headers` of the browser. */
export type MetadataInit = Metadata | Iterable<readonly [string, MetadataValue]> | Readonly<Record<string, MetadataValue>>;

const KEY = /^[a-z0-9_.-]{1,255}$/;
const TEXT = /^[\x20-\x7e]*$/;
const ADMITTED = new Set(["grpc-retry-pushback-ms", "grpc-previous-rpc-attempts"]);

/** Why a key cannot be one; undefined if it can. */
export function keyFault(key: string): string | undefined {
  if (!KEY.test(key)) return `metadata key ${JSON.stringify(key)} has to be 1 to 255 of the characters a-z 0-9 _ . -`;
  if (key.startsWith("grpc-") && !ADMITTED.has(key)) return `metadata key ${key} is reserved: choose one without grpc-`;
  return undefined;
}

/** Why a text cannot be the value of a key; undefined if it can. */
export function textFault(key: string, text: string): string | undefined {
  if (!TEXT.test(text)) return `metadata of ${key} is not printable ASCII: give bytes under a key that ends in -bin`;
  if (text.startsWith(" ") || text.endsWith(" ")) return `metadata of ${key} has spaces at its ends: strip them`;
  return undefined;
}

/** Whether the values of a key are bytes. */
export function isBinaryKey(key: string): boolean {
  return key.endsWith("-bin");
}

/**
 * Ordered pairs of metadata; a key may stand more than once. Keys are lower-case. The values of keys that end in `-bin`
 * are bytes: `getBinary` gives them, and what gives text gives their base64.
 */
export class Metadata implements Iterable<readonly [string, string]> {
  readonly #pairs: (readonly [string, MetadataValue])[] = [];

  /** @throws TypeError a key or a value cannot travel; the text says why. */
  constructor(init?: MetadataInit) {
    if (init === undefined) return;
    if (init instanceof Metadata) this.#pairs.push(...init.#pairs);
    else for (const [key, value] of Symbol.iterator in init ? init : Object.entries(init)) this.append(key, value);
  }

  /** How many pairs there are. */
  get size(): number {
    return this.#pairs.length;
  }

  /** The pairs as they are, with bytes under keys that end in `-bin`. */
  get pairs(): readonly (readonly [string, MetadataValue])[] {
    return this.#pairs;
  }

  /**
   * Adds a pair behind the others.
   * @throws TypeError the key or the value cannot travel; the text says why.
   */
  append(key: string, value: MetadataValue): this {
    const name = key.toLowerCase();
    const fault = keyFault(name);
    if (fault !== undefined) throw new TypeError(fault);
    if (isBinaryKey(name)) {
      this.#pairs.push([name, typeof value === "string" ? decodeBase64(name, value) : value.slice()]);
      return this;
    }
    if (typeof value !== "string") throw new TypeError(`metadata of ${name} is no text: end the key in -bin for bytes`);
    const text = value.trim();
    const wrong = textFault(name, text);
    if (wrong !== undefined) throw new TypeError(wrong);
    this.#pairs.push([name, text]);
    return this;
  }

  /** Whether a key is there. */
  has(key: string): boolean {
    return this.#pairs.some(([name]) => name === key.toLowerCase());
  }

  /** The last value of a key as text, or null. */
  get(key: string): string | null {
    return this.getAll(key).at(-1) ?? null;
  }

  /** All values of a key as text. */
  getAll(key: string): string[] {
    const name = key.toLowerCase();
    return this.#pairs.filter((pair) => pair[0] === name).map((pair) => textOf(pair[1]));
  }

  /** The last value of a key that ends in `-bin`, or null. */
  getBinary(key: string): Uint8Array | null {
    const name = key.toLowerCase();
    const value = this.#pairs.filter((pair) => pair[0] === name).at(-1)?.[1];
    return value instanceof Uint8Array ? value : null;
  }

  *[Symbol.iterator](): Iterator<readonly [string, string]> {
    for (const [key, value] of this.#pairs) yield [key, textOf(value)];
  }

  /** Pairs that are known to be right, as those that came over the wire and were checked there. */
  static fromChecked(pairs: Iterable<readonly [string, MetadataValue]>): Metadata {
    const metadata = new Metadata();
    metadata.#pairs.push(...pairs);
    return metadata;
  }
}

function textOf(value: MetadataValue): string {
  if (typeof value === "string") return value;
  let text = "";
  for (const byte of value) text += String.fromCharCode(byte);
  return btoa(text);
}

function decodeBase64(key: string, text: string): Uint8Array {
  let raw: string;
  try {
    raw = atob(text);
  } catch {
    throw new TypeError(`metadata of ${key} is not base64: give a Uint8Array, or its base64 text`);
  }
  return Uint8Array.from(raw, (character) => character.charCodeAt(0));
}
