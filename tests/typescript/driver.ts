/**
 * Reads and writes messages by generated TypeScript, as lines of JSON on standard input ask for it.
 *
 * A line names a module of messages and a type, and has bytes in hex in one encoding. The answer has what they mean, and
 * what each encoding makes of that again; or what is wrong with them.
 */

import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

import { CodecError, Reader, Writer, type MessageType } from "../src/message.ts";

interface Request {
  readonly module: string;
  readonly type: string;
  readonly encoding: "native" | "protobuf";
  readonly bytes: string;
}

type Described = null | boolean | string | Described[] | { [mark: string]: Described };

const modules = new Map<string, Map<string, MessageType<unknown>>>();

async function typeOf({ module, type }: Request): Promise<MessageType<unknown>> {
  let found = modules.get(module);
  if (found === undefined) {
    const exported: object = await import(pathToFileURL(module).href);
    const types = Object.values(exported).filter((each) => typeof each?.typeName === "string");
    found = new Map(types.map((each: MessageType<unknown>) => [each.typeName, each]));
    modules.set(module, found);
  }
  const known = found.get(type);
  if (known === undefined) throw new Error(`${module} has no ${type}`);
  return known;
}

function read(type: MessageType<unknown>, { encoding, bytes }: Request): unknown {
  const data = Buffer.from(bytes, "hex");
  if (encoding === "protobuf") return type.fromBinary(data);
  const input = new Reader(data);
  const message = type.readNative(input);
  input.expectEnd();
  return message;
}

function written(write: (out: Writer) => void): string {
  const out = new Writer();
  try {
    write(out);
    return Buffer.from(out.take()).toString("hex");
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    return `refused: ${error.message}`;
  }
}

/** A value with its type, without what is undefined: numbers as texts, because JSON has no room for all of them. */
function describe(value: unknown): Described {
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (typeof value === "bigint") return { bigint: String(value) };
  if (typeof value === "number") return { number: describeNumber(value) };
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString("hex") };
  if (Array.isArray(value)) return value.map(describe);
  if (value instanceof Map) return { map: [...value].map(([key, each]) => [describe(key), describe(each)]) };
  const properties = Object.entries(value as object).filter(([, each]) => each !== undefined);
  properties.sort(([one], [other]) => (one < other ? -1 : 1));
  return { object: properties.map(([name, each]) => [name, describe(each)]) };
}

function describeNumber(value: number): string {
  if (Number.isInteger(value) && !Object.is(value, -0)) return String(BigInt(value));
  if (Number.isNaN(value)) return "nan";
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, value);
  return bits.getBigUint64(0).toString(16).padStart(16, "0");
}

async function answer(request: Request): Promise<object> {
  const type = await typeOf(request);
  try {
    const message = read(type, request);
    const copy = type.create(message);
    const value = describe(message);
    if (JSON.stringify(describe(copy)) !== JSON.stringify(value)) throw new Error("create makes another message of it");
    return {
      value,
      native: written((out) => type.writeNative(message, out)),
      protobuf: written((out) => type.writeProtobuf(message, out)),
    };
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    return { refusal: error.message, field: error.field, offset: error.offset };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`);
}
