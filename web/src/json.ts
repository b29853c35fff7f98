/** Protobuf's `Struct`, `ListValue` and `Value`, which are plain values of JSON in messages. */

import { CodecError } from "./codec_error.ts";
import { choice, map, oneof, repeated, type Chosen } from "./field.ts";
import { boxed, message, type MessageDefinition } from "./message.ts";
import { bool, double, openEnum, string } from "./scalar.ts";
import { MAX_DEPTH, type Writer } from "./writer.ts";

/** A value of JSON. */
export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;

/** An object of JSON. */
export interface JsonObject {
  [key: string]: JsonValue;
}

interface StructBox {
  fields: Map<string, ValueBox>;
}

interface ListBox {
  values: ValueBox[];
}

interface ValueBox {
  kind: Chosen;
}

const structBox: MessageDefinition<StructBox> = /* @__PURE__ */ message("google.protobuf.Struct", () => [
  map(1, "fields", string, valueBox),
]);
const listBox: MessageDefinition<ListBox> = /* @__PURE__ */ message("google.protobuf.ListValue", () => [
  repeated(1, "values", valueBox),
]);
const valueBox: MessageDefinition<ValueBox> = /* @__PURE__ */ message("google.protobuf.Value", () => [
  oneof(
    "kind",
    choice(1, "null", openEnum),
    choice(2, "number", double),
    choice(3, "string", string),
    choice(4, "bool", bool),
    choice(5, "struct", structBox),
    choice(6, "list", listBox),
  ),
]);

/** An object of JSON. */
export type Struct = JsonObject;
export const Struct: MessageDefinition<JsonObject> = /* @__PURE__ */ boxed(
  structBox,
  (value, out) => boxObject(value, out, out.depth),
  ({ fields }) => unboxObject(fields),
  (init) => init as JsonObject,
);

/** A list of JSON. */
export type ListValue = JsonValue[];
export const ListValue: MessageDefinition<JsonValue[]> = /* @__PURE__ */ boxed(
  listBox,
  (value, out) => boxList(value, out, out.depth),
  ({ values }) => values.map(unboxValue),
  (init) => init as JsonValue[],
);

/** A value of JSON; one without a kind is null. */
export type Value = JsonValue;
export const Value: MessageDefinition<JsonValue> = /* @__PURE__ */ boxed(
  valueBox,
  (value, out) => boxValue(value, out, out.depth),
  unboxValue,
  (init) => init as JsonValue,
);

/** The null of JSON, where an IDL has it as an enum. */
export const NullValue = { NULL_VALUE: 0 } as const;
export type NullValue = (typeof NullValue)[keyof typeof NullValue] | (number & {});

function boxValue(value: unknown, out: Writer, depth: number): ValueBox {
  switch (typeof value) {
    case "boolean":
      return { kind: { case: "bool", value } };
    case "number":
      return { kind: { case: "number", value } };
    case "string":
      return { kind: { case: "string", value } };
    case "object":
      if (value === null) return { kind: { case: "null", value: 0 } };
      if (depth > MAX_DEPTH) throw new CodecError(`is nested more than ${MAX_DEPTH} levels deep`, out.field);
      if (Array.isArray(value)) return { kind: { case: "list", value: boxList(value, out, depth + 1) } };
      return { kind: { case: "struct", value: boxObject(value, out, depth + 1) } };
    default:
      throw out.misfit("null, a boolean, a number, a string, an array or an object", value);
  }
}

function boxList(value: unknown, out: Writer, depth: number): ListBox {
  if (!Array.isArray(value)) throw out.misfit("an array of values of JSON", value);
  return { values: Array.from(value, (each) => boxValue(each, out, depth + 1)) };
}

function boxObject(value: unknown, out: Writer, depth: number): StructBox {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw out.misfit("an object of JSON", value);
  }
  const fields = new Map<string, ValueBox>();
  for (const [key, each] of Object.entries(value)) fields.set(key, boxValue(each, out, depth + 2));
  return { fields };
}

function unboxValue({ kind }: ValueBox): JsonValue {
  switch (kind.case) {
    case "struct":
      return unboxObject((kind.value as StructBox).fields);
    case "list":
      return (kind.value as ListBox).values.map(unboxValue);
    case "null":
    case undefined:
      return null;
    default:
      return kind.value as JsonValue;
  }
}

function unboxObject(fields: ReadonlyMap<string, ValueBox>): JsonObject {
  const made: JsonObject = {};
  for (const [key, each] of fields) {
    // Assigning to this one key would set the object's prototype.
    if (key === "__proto__") Object.defineProperty(made, key, { value: unboxValue(each), ...OWN });
    else made[key] = unboxValue(each);
  }
  return made;
}

const OWN = { configurable: true, enumerable: true, writable: true };
