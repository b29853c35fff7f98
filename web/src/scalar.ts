/** The kinds of scalar values and of enums: one row for each type of the IDL. */

import { BLOCK, type Kind, type Wire } from "./kind.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

const VARINT = 0;
const I64 = 1;
const I32 = 5;

interface Row<T> {
  readonly zero: T;
  readonly least: number;
  readonly wire: Wire;
  readonly numbers?: ReadonlySet<number>;
  isZero?(value: T): boolean;
  check(value: unknown, out: Writer): T;
  writeNative(value: T, out: Writer): void;
  readNative(input: Reader): T;
  writeRecord(value: T, out: Writer): void;
  readRecord(input: Reader, end: number): T;
}

function scalar<T>(row: Row<T>): Kind<T> {
  return {
    wire: row.wire,
    isMessage: false,
    numbers: row.numbers,
    zero: () => row.zero,
    from: (init) => init as T,
    least: () => row.least,
    isZero: row.isZero ?? ((value) => value === row.zero),
    writeNative: (value, out) => row.writeNative(row.check(value, out), out),
    readNative: row.readNative,
    writeRecord: (value, out) => row.writeRecord(row.check(value, out), out),
    readRecord: row.readRecord,
  };
}

export const string: Kind<string> = /* @__PURE__ */ scalar<string>({
  zero: "",
  least: 8,
  wire: BLOCK,
  check(value, out) {
    if (typeof value !== "string") throw out.misfit("a string", value);
    return value;
  },
  writeNative: (value, out) => out.string(value),
  readNative: (input) => input.string(),
  writeRecord(value, out) {
    const at = out.fork();
    out.text(value);
    out.join(at);
  },
  readRecord: (input, end) => input.text(end - input.pos),
});

export const bytes: Kind<Uint8Array> = /* @__PURE__ */ scalar<Uint8Array>({
  zero: new Uint8Array(0),
  least: 8,
  wire: BLOCK,
  isZero: (value) => value instanceof Uint8Array && value.length === 0,
  check(value, out) {
    if (!(value instanceof Uint8Array)) throw out.misfit("a Uint8Array", value);
    return value;
  },
  writeNative: (value, out) => out.bytes(value),
  readNative: (input) => input.bytes(),
  writeRecord(value, out) {
    out.varint(value.length);
    out.raw(value);
  },
  readRecord: (input, end) => input.raw(end - input.pos),
});

export const bool: Kind<boolean> = /* @__PURE__ */ scalar<boolean>({
  zero: false,
  least: 1,
  wire: VARINT,
  check(value, out) {
    if (typeof value !== "boolean") throw out.misfit("a boolean", value);
    return value;
  },
  writeNative: (value, out) => out.bool(value),
  readNative: (input) => input.bool(),
  writeRecord: (value, out) => out.bool(value),
  readRecord: (input) => input.varint() !== 0 || input.high !== 0,
});

function checkI32(value: unknown, out: Writer): number {
  if (typeof value !== "number" || (value | 0) !== value) {
    throw out.misfit("a whole number from -2147483648 to 2147483647", value);
  }
  return value;
}

function checkU32(value: unknown, out: Writer): number {
  if (typeof value !== "number" || value >>> 0 !== value) {
    throw out.misfit("a whole number from 0 to 4294967295", value);
  }
  return value;
}

function checkI64(value: unknown, out: Writer): bigint {
  if (typeof value !== "bigint" || BigInt.asIntN(64, value) !== value) {
    throw out.misfit("a bigint of 64 bits with a sign", value);
  }
  return value;
}

function checkU64(value: unknown, out: Writer): bigint {
  if (typeof value !== "bigint" || BigInt.asUintN(64, value) !== value) {
    throw out.misfit("a bigint of 64 bits without a sign", value);
  }
  return value;
}

/** The 32-bit types: alike in the native layout, and told apart by what protobuf's encoding makes of them. */
function i32(
  wire: Wire,
  writeRecord: (value: number, out: Writer) => void,
  readRecord: (input: Reader) => number,
  numbers?: readonly number[],
): Kind<number> {
  const closed = numbers === undefined ? undefined : new Set(numbers);
  return scalar<number>({
    zero: numbers?.[0] ?? 0,
    least: 4,
    wire,
    ...(closed === undefined ? {} : { numbers: closed }),
    check(value, out) {
      if (closed !== undefined && !closed.has(value as number)) throw out.misfit("a number of its enum", value);
      return checkI32(value, out);
    },
    writeNative: (value, out) => out.i32(value),
    readNative(input) {
      const at = input.pos;
      const value = input.i32();
      if (closed !== undefined && !closed.has(value)) {
        throw input.wrong(`the number at byte ${at} is ${value}, which its enum does not have`, at);
      }
      return value;
    },
    writeRecord,
    readRecord,
  });
}

function u32(
  wire: Wire,
  writeRecord: (value: number, out: Writer) => void,
  readRecord: (input: Reader) => number,
): Kind<number> {
  return scalar<number>({
    zero: 0,
    least: 4,
    wire,
    check: checkU32,
    writeNative: (value, out) => out.u32(value),
    readNative: (input) => input.u32(),
    writeRecord,
    readRecord,
  });
}

function i64(
  wire: Wire,
  writeRecord: (value: bigint, out: Writer) => void,
  readRecord: (input: Reader) => bigint,
): Kind<bigint> {
  return scalar<bigint>({
    zero: 0n,
    least: 8,
    wire,
    check: checkI64,
    writeNative: (value, out) => out.i64(value),
    readNative: (input) => input.i64(),
    writeRecord,
    readRecord,
  });
}

function u64(
  wire: Wire,
  writeRecord: (value: bigint, out: Writer) => void,
  readRecord: (input: Reader) => bigint,
): Kind<bigint> {
  return scalar<bigint>({
    zero: 0n,
    least: 8,
    wire,
    check: checkU64,
    writeNative: (value, out) => out.u64(value),
    readNative: (input) => input.u64(),
    writeRecord,
    readRecord,
  });
}

const writeSigned = (value: number, out: Writer): void => out.varint64(value, value < 0 ? -1 : 0);
const readSigned = (input: Reader): number => input.varint() | 0;
const writeLong = (value: bigint, out: Writer): void =>
  out.varint64(Number(BigInt.asUintN(32, value)), Number(BigInt.asUintN(32, value >> 32n)));

export const int32: Kind<number> = /* @__PURE__ */ i32(VARINT, writeSigned, readSigned);
export const sint32: Kind<number> = /* @__PURE__ */ i32(
  VARINT,
  (value, out) => out.varint(((value << 1) ^ (value >> 31)) >>> 0),
  (input) => {
    const bits = input.varint();
    return (bits >>> 1) ^ -(bits & 1);
  },
);
export const sfixed32: Kind<number> = /* @__PURE__ */ i32(
  I32,
  (value, out) => out.i32(value),
  (input) => input.i32(),
);
export const uint32: Kind<number> = /* @__PURE__ */ u32(
  VARINT,
  (value, out) => out.varint(value),
  (input) => input.varint(),
);
export const fixed32: Kind<number> = /* @__PURE__ */ u32(
  I32,
  (value, out) => out.u32(value),
  (input) => input.u32(),
);
export const int64: Kind<bigint> = /* @__PURE__ */ i64(VARINT, writeLong, (input) => {
  input.varint();
  return input.signed;
});
export const sint64: Kind<bigint> = /* @__PURE__ */ i64(
  VARINT,
  (value, out) => writeLong((value << 1n) ^ (value >> 63n), out),
  (input) => {
    input.varint();
    const bits = input.unsigned;
    return (bits >> 1n) ^ -(bits & 1n);
  },
);
export const sfixed64: Kind<bigint> = /* @__PURE__ */ i64(
  I64,
  (value, out) => out.i64(value),
  (input) => input.i64(),
);
export const uint64: Kind<bigint> = /* @__PURE__ */ u64(VARINT, writeLong, (input) => {
  input.varint();
  return input.unsigned;
});
export const fixed64: Kind<bigint> = /* @__PURE__ */ u64(
  I64,
  (value, out) => out.u64(value),
  (input) => input.u64(),
);

function checkFloat(value: unknown, out: Writer): number {
  if (typeof value !== "number") throw out.misfit("a number", value);
  return value;
}

const isPlainZero = (value: number): boolean => Object.is(value, 0);

export const float: Kind<number> = /* @__PURE__ */ scalar<number>({
  zero: 0,
  least: 4,
  wire: I32,
  isZero: isPlainZero,
  check(value, out) {
    const number = checkFloat(value, out);
    if (Number.isFinite(number) && !Number.isFinite(Math.fround(number))) {
      throw out.misfit("a number that 32 bits can hold", value);
    }
    return number;
  },
  writeNative: (value, out) => out.f32(value),
  readNative: (input) => input.f32(),
  writeRecord: (value, out) => out.f32(value),
  readRecord: (input) => input.f32(),
});

export const double: Kind<number> = /* @__PURE__ */ scalar<number>({
  zero: 0,
  least: 8,
  wire: I64,
  isZero: isPlainZero,
  check: checkFloat,
  writeNative: (value, out) => out.f64(value),
  readNative: (input) => input.f64(),
  writeRecord: (value, out) => out.f64(value),
  readRecord: (input) => input.f64(),
});

/** An enum that takes any number. */
export const openEnum: Kind<number> = int32;

/** An enum that takes no other numbers than these; the first is what stands for an absent value. */
export function closedEnum(...numbers: readonly [number, ...number[]]): Kind<number> {
  return i32(VARINT, writeSigned, readSigned, numbers);
}
