/** Protobuf's well-known types, and what one does with them. Wrappers are the values that they wrap. */

import { repeated, single } from "./field.ts";
import type { Kind } from "./kind.ts";
import { boxed, message, type Message, type MessageDefinition, type MessageType } from "./message.ts";
import {
  bool,
  bytes,
  double,
  float,
  int32,
  int64,
  string,
  uint32,
  uint64,
} from "./scalar.ts";

export { ListValue, NullValue, Struct, Value } from "./json.ts";
export type { JsonObject, JsonValue } from "./json.ts";

const NANOS_PER_SECOND = 1_000_000_000n;
const NANOS_PER_MILLISECOND = 1_000_000n;

/** A point in time: seconds since the Unix epoch, and nanoseconds from 0 to 999,999,999 behind them. */
export interface Timestamp extends Message {
  seconds: bigint;
  nanos: number;
}
export type TimestampInit = Partial<Timestamp>;
export const Timestamp: MessageDefinition<Timestamp, TimestampInit> = /* @__PURE__ */ message(
  "google.protobuf.Timestamp",
  () => [single(1, "seconds", int64), single(2, "nanos", int32)],
);

/** The timestamp of a date. */
export function timestampFromDate(date: Date): Timestamp {
  return timestampFromMs(date.getTime());
}

/** The timestamp of now. */
export function timestampNow(): Timestamp {
  return timestampFromMs(Date.now());
}

/** The timestamp of milliseconds since the Unix epoch; a fraction of one counts. Throws RangeError for NaN. */
export function timestampFromMs(ms: number): Timestamp {
  return { ...divided(nanosOf(ms)) };
}

/** The date of a timestamp, to the millisecond. */
export function timestampDate(timestamp: Timestamp): Date {
  return new Date(timestampMs(timestamp));
}

/** Milliseconds since the Unix epoch, rounded down. */
export function timestampMs(timestamp: Timestamp): number {
  return Number(timestamp.seconds) * 1000 + Math.floor(timestamp.nanos / 1e6);
}

/** A span of time: seconds, and nanoseconds of the same sign. */
export interface Duration extends Message {
  seconds: bigint;
  nanos: number;
}
export type DurationInit = Partial<Duration>;
export const Duration: MessageDefinition<Duration, DurationInit> = /* @__PURE__ */ message(
  "google.protobuf.Duration",
  () => [single(1, "seconds", int64), single(2, "nanos", int32)],
);

/** The duration of milliseconds; a fraction of one counts. Throws RangeError for NaN. */
export function durationFromMs(ms: number): Duration {
  const nanos = nanosOf(ms);
  return { seconds: nanos / NANOS_PER_SECOND, nanos: Number(nanos % NANOS_PER_SECOND) };
}

/** The milliseconds of a duration. */
export function durationMs(duration: Duration): number {
  return Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}

/** A message of any type, packed. */
export interface Any extends Message {
  /** Ends in the full name of the type, as `type.googleapis.com/google.protobuf.Duration`. */
  typeUrl: string;
  /** The message in protobuf's encoding. */
  value: Uint8Array;
}
export type AnyInit = Partial<Any>;
export const Any: MessageDefinition<Any, AnyInit> = /* @__PURE__ */ message("google.protobuf.Any", () => [
  single(1, "typeUrl", string),
  single(2, "value", bytes),
]);

/** Packs a message. Throws CodecError for a value that its field cannot carry. */
export function anyPack<T, Init>(type: MessageType<T, Init>, message: T): Any {
  return { typeUrl: `type.googleapis.com/${type.typeName}`, value: type.toBinary(message) };
}

/** Whether a message of a type is packed there. */
export function anyIs<T, Init>(any: Pick<Any, "typeUrl">, type: MessageType<T, Init>): boolean {
  return any.typeUrl.slice(any.typeUrl.lastIndexOf("/") + 1) === type.typeName;
}

/** The message that is packed; undefined if it is of another type. Throws CodecError if it does not decode. */
export function anyUnpack<T, Init>(any: Pick<Any, "typeUrl" | "value">, type: MessageType<T, Init>): T | undefined {
  return anyIs(any, type) ? type.fromBinary(any.value) : undefined;
}

/** Nothing. */
export type Empty = Message;
export type EmptyInit = Message;
export const Empty: MessageDefinition<Empty, EmptyInit> = /* @__PURE__ */ message("google.protobuf.Empty", () => []);

/** The names of fields, by their paths in the IDL. */
export interface FieldMask extends Message {
  paths: string[];
}
export interface FieldMaskInit extends Message {
  paths?: Iterable<string> | undefined;
}
export const FieldMask: MessageDefinition<FieldMask, FieldMaskInit> = /* @__PURE__ */ message(
  "google.protobuf.FieldMask",
  () => [repeated(1, "paths", string)],
);

interface Box<T> {
  value: T;
}

function wrapper<T>(name: string, kind: Kind<T>): MessageDefinition<T> {
  return boxed<T, Box<T>>(
    message<Box<T>>(`google.protobuf.${name}`, () => [single(1, "value", kind)]),
    (value) => ({ value }),
    ({ value }) => value,
    (init) => init as T,
  );
}

export type BoolValue = boolean;
export const BoolValue: MessageDefinition<boolean> = /* @__PURE__ */ wrapper("BoolValue", bool);
export type BytesValue = Uint8Array;
export const BytesValue: MessageDefinition<Uint8Array> = /* @__PURE__ */ wrapper("BytesValue", bytes);
export type DoubleValue = number;
export const DoubleValue: MessageDefinition<number> = /* @__PURE__ */ wrapper("DoubleValue", double);
export type FloatValue = number;
export const FloatValue: MessageDefinition<number> = /* @__PURE__ */ wrapper("FloatValue", float);
export type Int32Value = number;
export const Int32Value: MessageDefinition<number> = /* @__PURE__ */ wrapper("Int32Value", int32);
export type Int64Value = bigint;
export const Int64Value: MessageDefinition<bigint> = /* @__PURE__ */ wrapper("Int64Value", int64);
export type StringValue = string;
export const StringValue: MessageDefinition<string> = /* @__PURE__ */ wrapper("StringValue", string);
export type UInt32Value = number;
export const UInt32Value: MessageDefinition<number> = /* @__PURE__ */ wrapper("UInt32Value", uint32);
export type UInt64Value = bigint;
export const UInt64Value: MessageDefinition<bigint> = /* @__PURE__ */ wrapper("UInt64Value", uint64);

function nanosOf(ms: number): bigint {
  const whole = Math.floor(ms);
  return BigInt(whole) * NANOS_PER_MILLISECOND + BigInt(Math.round((ms - whole) * 1e6));
}

/** Seconds rounded down, and the nanoseconds behind them. */
function divided(nanos: bigint): { seconds: bigint; nanos: number } {
  const rest = ((nanos % NANOS_PER_SECOND) + NANOS_PER_SECOND) % NANOS_PER_SECOND;
  return { seconds: (nanos - rest) / NANOS_PER_SECOND, nanos: Number(rest) };
}
