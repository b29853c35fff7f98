/**
 * What generated code may import of the runtime, and nothing else.
 *
 * The number in the module's name is the version of this contract: a runtime that lacks it does not load with code that
 * was generated for it.
 */

export type { CallOptions, Transport } from "./channel.ts";
export {
  DeclaredError,
  declaration,
  errorBool,
  errorBytes,
  errorDouble,
  errorEnum,
  errorField,
  errorFloat,
  errorInt32,
  errorInt64,
  errorJson,
  errorList,
  errorString,
  errorUint32,
  errorUint64,
  readDeclared,
} from "./declared_error.ts";
export { Code, RpcError } from "./error.ts";
export type { Requests } from "./feed.ts";
export { choice, explicitMap, map, oneof, optional, packed, repeated, required, single } from "./field.ts";
export { message } from "./message.ts";
export type { MapInit, Message, MessageDefinition } from "./message.ts";
export { callBidiStream, callClientStream, callServerStream, callUnary, method } from "./method.ts";
export type { Method } from "./method.ts";
export {
  bool,
  bytes,
  closedEnum,
  double,
  fixed32,
  fixed64,
  float,
  int32,
  int64,
  openEnum,
  sfixed32,
  sfixed64,
  sint32,
  sint64,
  string,
  uint32,
  uint64,
} from "./scalar.ts";
export {
  Any,
  BoolValue,
  BytesValue,
  DoubleValue,
  Duration,
  Empty,
  FieldMask,
  FloatValue,
  Int32Value,
  Int64Value,
  ListValue,
  NullValue,
  StringValue,
  Struct,
  Timestamp,
  UInt32Value,
  UInt64Value,
  Value,
} from "./wellknown.ts";
export type {
  AnyInit,
  DurationInit,
  EmptyInit,
  FieldMaskInit,
  JsonObject,
  JsonValue,
  TimestampInit,
} from "./wellknown.ts";
