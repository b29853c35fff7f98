/**
 * Message types made of tables at run time. They are slow, and written apart from the generated ones, so that the tests
 * have a second opinion, and messages that no generator made: of older and newer versions of an IDL.
 */

import { CodecError, Reader, Writer, type MessageType } from "../../src/message.ts";

export type Kind = "string" | "bytes" | "bool" | "i32" | "i64" | "f32" | "message";

export interface Field {
  readonly name: string;
  readonly number: number;
  readonly kind: Kind;
  readonly label?: "repeated" | "map";
  readonly type?: MessageType<any>;
}

const DEFAULTS = { string: "", bytes: new Uint8Array(0), bool: false, i32: 0, i64: 0n, f32: 0, message: undefined };
const VARINT = 0;
const BLOCK = 2;
const FIXED32 = 5;

export function field(name: string, number: number, kind: Kind, rest: Partial<Field> = {}): Field {
  return { name, number, kind, ...rest };
}

/** A type whose messages are plain objects with these fields, in the order of their declaration. */
export function table<T extends object>(typeName: string, fields: readonly Field[]): MessageType<T, Partial<T>> {
  const type: MessageType<any, any> = {
    typeName,
    create(init = {}) {
      const made: Record<string, unknown> = {};
      for (const { name, kind, label } of fields) {
        made[name] = label === "repeated" ? [] : label === "map" ? {} : DEFAULTS[kind];
      }
      return Object.assign(made, init);
    },
    writeNative(message, out) {
      for (const one of fields) writeNative(one, message[one.name], out);
    },
    readNative(input) {
      const made = type.create();
      for (const one of fields) made[one.name] = readNative(one, input);
      return made;
    },
    writeProtobuf(message, out) {
      for (const one of fields) writeProtobuf(one, message[one.name], out);
    },
    readProtobuf(input, end) {
      const made = type.create();
      while (input.pos < end) readProtobuf(fields, made, input);
      return made;
    },
    toBinary(message) {
      const out = new Writer();
      type.writeProtobuf(message, out);
      return out.take();
    },
    fromBinary(bytes) {
      const input = new Reader(bytes);
      return type.readProtobuf(input, input.end);
    },
  };
  return type;
}

function writeNative(field: Field, value: any, out: Writer): void {
  if (field.label === "repeated") {
    out.u64(BigInt(value.length));
    for (const item of value) nativeValue(field, item, out);
  } else if (field.label === "map") {
    const entries = Object.entries(value);
    out.u64(BigInt(entries.length));
    for (const [key, item] of entries) {
      out.string(key);
      nativeValue(field, item, out);
    }
  } else if (field.kind === "message") {
    out.u8(value === undefined ? 0 : 1);
    if (value !== undefined) field.type?.writeNative(value, out);
  } else {
    nativeValue(field, value, out);
  }
}

function nativeValue({ kind, type }: Field, value: any, out: Writer): void {
  if (kind === "string") out.string(value);
  else if (kind === "bytes") out.bytes(value);
  else if (kind === "bool") out.u8(value ? 1 : 0);
  else if (kind === "i32") out.i32(value);
  else if (kind === "i64") out.i64(value);
  else if (kind === "f32") out.raw(new Uint8Array(Float32Array.of(value).buffer));
  else type?.writeNative(value, out);
}

function readNative(field: Field, input: Reader): unknown {
  if (field.label === "repeated") {
    return Array.from({ length: Number(input.u64()) }, () => nativeRead(field, input));
  }
  if (field.label === "map") {
    const entries = Array.from({ length: Number(input.u64()) }, () => [input.string(), nativeRead(field, input)]);
    return Object.fromEntries(entries);
  }
  if (field.kind === "message" && input.u8() === 0) return undefined;
  return nativeRead(field, input);
}

function nativeRead({ kind, type }: Field, input: Reader): unknown {
  if (kind === "string") return input.string();
  if (kind === "bytes") return input.bytes();
  if (kind === "bool") return input.u8() === 1;
  if (kind === "i32") return input.i32();
  if (kind === "i64") return input.i64();
  if (kind === "f32") return new DataView(input.raw(4).buffer).getFloat32(0, true);
  return type?.readNative(input);
}

function varint(out: Writer, value: bigint): void {
  let left = BigInt.asUintN(64, value);
  for (; left > 127n; left >>= 7n) out.u8(Number(left & 127n) | 128);
  out.u8(Number(left));
}

function readVarint(input: Reader): bigint {
  let value = 0n;
  for (let shift = 0n; ; shift += 7n) {
    const byte = input.u8();
    value |= BigInt(byte & 127) << shift;
    if (byte < 128) return BigInt.asIntN(64, value);
  }
}

function tag(out: Writer, number: number, wire: number): void {
  varint(out, BigInt((number << 3) | wire));
}

function block(out: Writer, number: number, bytes: Uint8Array): void {
  tag(out, number, BLOCK);
  varint(out, BigInt(bytes.length));
  out.raw(bytes);
}

function writeProtobuf(field: Field, value: any, out: Writer): void {
  if (field.label === "repeated") {
    for (const item of value) protobufValue(field, item, out);
  } else if (field.label === "map") {
    for (const [key, item] of Object.entries(value)) {
      const entry = new Writer();
      protobufValue({ name: "key", number: 1, kind: "string" }, key, entry);
      protobufValue({ ...field, number: 2 }, item, entry);
      block(out, field.number, entry.take());
    }
  } else if (value !== undefined && value !== DEFAULTS[field.kind] && value.length !== 0) {
    protobufValue(field, value, out);
  }
}

function protobufValue({ kind, number, type }: Field, value: any, out: Writer): void {
  if (kind === "string") block(out, number, new TextEncoder().encode(value));
  else if (kind === "bytes") block(out, number, value);
  else if (kind === "message") block(out, number, type?.toBinary(value) ?? new Uint8Array(0));
  else if (kind === "f32") {
    tag(out, number, FIXED32);
    out.raw(new Uint8Array(Float32Array.of(value).buffer));
  } else {
    tag(out, number, VARINT);
    varint(out, BigInt(value));
  }
}

function readProtobuf(fields: readonly Field[], made: any, input: Reader): void {
  const key = Number(readVarint(input));
  const one = fields.find(({ number }) => number === key >> 3);
  const wire = key & 7;
  let value: unknown;
  if (wire === VARINT) {
    const number = readVarint(input);
    value = one?.kind === "i64" ? number : one?.kind === "bool" ? number !== 0n : Number(BigInt.asIntN(32, number));
  } else if (wire === BLOCK) {
    const bytes = input.raw(Number(readVarint(input)));
    value = one === undefined ? undefined : blockRead(one, bytes);
  } else if (wire === FIXED32) value = new DataView(input.raw(4).buffer).getFloat32(0, true);
  else if (wire === 1) input.raw(8);
  else throw new CodecError(`wire type ${wire} at ${input.pos}`);
  if (one === undefined) return;
  if (one.label === "map") Object.assign(made[one.name], value);
  else if (one.label === "repeated") made[one.name].push(...(Array.isArray(value) ? value : [value]));
  else made[one.name] = value;
}

function blockRead({ kind, label, type }: Field, bytes: Uint8Array): unknown {
  if (label === "map") {
    const entry: any = table("", [field("key", 1, "string"), field("value", 2, kind)]).fromBinary(bytes);
    return { [entry.key]: entry.value };
  }
  if (kind === "string") return new TextDecoder().decode(bytes);
  if (kind === "bytes") return bytes;
  if (kind === "message") return type?.fromBinary(bytes);
  const packed = new Reader(bytes);
  const numbers: number[] = [];
  while (packed.pos < packed.end) numbers.push(Number(BigInt.asIntN(32, readVarint(packed))));
  return numbers;
}
