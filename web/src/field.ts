/** The rows that describe the fields of a message: data that both codecs go by. */

import { type AnyKind, type KindSource, kindOf } from "./kind.ts";

/** A field with one value, or none, or a list of them. */
export interface ValueField {
  readonly shape: "single" | "optional" | "required" | "repeated";
  readonly number: number;
  readonly name: string;
  /** The name behind that of its message, for errors. */
  readonly path: string;
  readonly kind: AnyKind;
  /** Whether a list is one record in protobuf's encoding. */
  readonly isPacked: boolean;
}

/** A map. */
export interface MapField {
  readonly shape: "map";
  readonly number: number;
  readonly name: string;
  readonly path: string;
  readonly key: AnyKind;
  readonly kind: AnyKind;
  /** Whether an entry knows which of its parts were given. */
  readonly isExplicit: boolean;
}

/** One choice of a oneof. */
export interface Choice {
  readonly number: number;
  readonly name: string;
  readonly kind: AnyKind;
}

/** A oneof. */
export interface OneofField {
  readonly shape: "oneof";
  readonly name: string;
  readonly path: string;
  readonly choices: readonly Choice[];
}

export type Field = ValueField | MapField | OneofField;

/** What a oneof holds. */
export interface Chosen {
  readonly case?: string | undefined;
  readonly value?: unknown;
}

/** A message as codecs see it. */
export type Fields = Record<string, unknown>;

/** A field without presence. */
export function single(number: number, name: string, kind: KindSource): ValueField {
  return valueField("single", number, name, kind);
}

/** A field that may be absent. */
export function optional(number: number, name: string, kind: KindSource): ValueField {
  return valueField("optional", number, name, kind);
}

/** A field without which no message is valid. */
export function required(number: number, name: string, kind: KindSource): ValueField {
  return valueField("required", number, name, kind);
}

/** A list. */
export function repeated(number: number, name: string, kind: KindSource): ValueField {
  return valueField("repeated", number, name, kind);
}

/** A list whose elements are one record in protobuf's encoding. */
export function packed(number: number, name: string, kind: KindSource): ValueField {
  return { ...valueField("repeated", number, name, kind), isPacked: true };
}

/** A map. */
export function map(number: number, name: string, key: KindSource, value: KindSource): MapField {
  return { shape: "map", number, name, path: name, key: kindOf(key), kind: kindOf(value), isExplicit: false };
}

/** A map of proto2, whose entries know which of their parts were given. */
export function explicitMap(number: number, name: string, key: KindSource, value: KindSource): MapField {
  return { ...map(number, name, key, value), isExplicit: true };
}

/** A oneof, with its choices in their order. */
export function oneof(name: string, ...choices: readonly Choice[]): OneofField {
  return { shape: "oneof", name, path: name, choices };
}

/** A choice of a oneof. */
export function choice(number: number, name: string, kind: KindSource): Choice {
  return { number, name, kind: kindOf(kind) };
}

/** The rows of a message. */
export function rowsOf(typeName: string, fields: readonly Field[]): readonly Field[] {
  return fields.map((field) => ({ ...field, path: `${typeName}.${field.name}` }));
}

function valueField(shape: ValueField["shape"], number: number, name: string, kind: KindSource): ValueField {
  return { shape, number, name, path: name, kind: kindOf(kind), isPacked: false };
}
