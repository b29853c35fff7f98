/**
 * Errors that a package declares in its options: classes with fields, carried as `google.rpc.ErrorInfo`.
 *
 * The fields travel as texts, those of proto3's JSON mapping: https://protobuf.dev/programming-guides/json/.
 */

import { RpcError, type Code } from "./error.ts";
import { map, single } from "./field.ts";
import type { JsonValue } from "./json.ts";
import { message, type MessageDefinition } from "./message.ts";
import { string } from "./scalar.ts";

/** Reads one value: a text of the metadata, or an element of a list. Throws for what is none. */
export type ErrorValue = (found: unknown) => unknown;

/** A field of an error. */
export interface ErrorField {
  /** On the wire. */
  readonly name: string;
  /** In the class. */
  readonly property: string;
  readonly read: ErrorValue;
  readonly isList: boolean;
  /** What it holds where the error does not tell it. */
  readonly absent: unknown;
}

/** What an error is known by. */
export interface ErrorDeclaration {
  readonly reason: string;
  readonly domain: string;
  readonly code: Code;
  readonly fields: readonly ErrorField[];
}

/** What the detail of an error says. */
export interface ErrorInfo {
  reason: string;
  domain: string;
  metadata: Map<string, string>;
}
export const ErrorInfo: MessageDefinition<ErrorInfo> = /* @__PURE__ */ message("google.rpc.ErrorInfo", () => [
  single(1, "reason", string),
  single(2, "domain", string),
  map(3, "metadata", string, string),
]);

/** The base of declared errors. A call that fails with one that its method names rejects with its class. */
export class DeclaredError extends RpcError {
  /** The same failure, with the fields that were read of it. */
  constructor(error: RpcError, fields: object) {
    super(error.rawMessage, error.code, error);
    Object.assign(this, fields);
  }
}

/** Makes a declaration. */
export function declaration(reason: string, domain: string, code: Code, ...fields: ErrorField[]): ErrorDeclaration {
  return { reason, domain, code, fields };
}

/** A field with one value. */
export function errorField(name: string, property: string, read: ErrorValue, absent: unknown): ErrorField {
  return { name, property, read, isList: false, absent };
}

/** A field with a list of values. */
export function errorList(name: string, property: string, read: ErrorValue): ErrorField {
  return { name, property, read, isList: true, absent: [] };
}

/** The fields of an error; undefined where it tells of none of the declaration that can be read. */
export function readDeclared(declared: ErrorDeclaration, error: RpcError): object | undefined {
  if (error.code !== declared.code) return undefined;
  for (const info of error.findDetails(ErrorInfo)) {
    if (info.reason !== declared.reason || info.domain !== declared.domain) continue;
    try {
      return Object.fromEntries(declared.fields.map((field) => [field.property, readField(field, info.metadata)]));
    } catch {
      continue; // whoever sent it has other fields of that name; the code still tells
    }
  }
  return undefined;
}

function readField(field: ErrorField, metadata: ReadonlyMap<string, string>): unknown {
  const text = metadata.get(field.name);
  if (text === undefined) return field.isList ? [] : field.absent;
  if (!field.isList) return field.read(text);
  const found: unknown = JSON.parse(text);
  if (!Array.isArray(found)) throw wrong("a list", found);
  return found.map((each) => field.read(each));
}

export function errorString(found: unknown): string {
  if (typeof found !== "string") throw wrong("a string", found);
  return found;
}

export function errorBytes(found: unknown): Uint8Array {
  const text = errorString(found);
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw wrong("base64", found);
  return Uint8Array.from(atob(text), (unit) => unit.charCodeAt(0));
}

export function errorBool(found: unknown): boolean {
  if (found === true || found === "true") return true;
  if (found === false || found === "false") return false;
  throw wrong("true or false", found);
}

export const errorInt32: ErrorValue = (found) => whole(found, -(2 ** 31), 2 ** 31 - 1);
export const errorUint32: ErrorValue = (found) => whole(found, 0, 2 ** 32 - 1);
export const errorInt64: ErrorValue = (found) => long(found, (value) => BigInt.asIntN(64, value));
export const errorUint64: ErrorValue = (found) => long(found, (value) => BigInt.asUintN(64, value));

export function errorDouble(found: unknown): number {
  if (typeof found === "number") return found;
  const special = { NaN, Infinity, "-Infinity": -Infinity }[String(found)];
  if (special !== undefined) return special;
  if (typeof found !== "string" || !/^-?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,4})?$/.test(found)) {
    throw wrong("a number", found);
  }
  const number = Number(found);
  if (!Number.isFinite(number)) throw wrong("a number", found);
  return number;
}

export function errorFloat(found: unknown): number {
  const number = errorDouble(found);
  if (Number.isFinite(number) && !Number.isFinite(Math.fround(number))) throw wrong("a number of 32 bits", found);
  return number;
}

/** An enum, by the names that its numbers have in the IDL. */
export function errorEnum(names: Readonly<Record<string, number>>): ErrorValue {
  const known = new Map(Object.entries(names));
  return (found) => (typeof found === "string" ? known.get(found) : undefined) ?? errorInt32(found);
}

/** A message, as it is in JSON. */
export function errorJson(found: unknown): JsonValue {
  return (typeof found === "string" ? JSON.parse(found) : found) as JsonValue;
}

function whole(found: unknown, least: number, most: number): number {
  const number = typeof found === "string" && /^-?[0-9]{1,20}$/.test(found) ? Number(found) : found;
  if (typeof number !== "number" || !Number.isInteger(number) || number < least || number > most) {
    throw wrong(`a whole number from ${least} to ${most}`, found);
  }
  return number;
}

function long(found: unknown, fitted: (value: bigint) => bigint): bigint {
  const isWhole = typeof found === "string" ? /^-?[0-9]{1,20}$/.test(found) : Number.isSafeInteger(found);
  if (!isWhole) throw wrong("a whole number", found);
  const value = BigInt(found as string | number);
  if (fitted(value) !== value) throw wrong("a whole number of 64 bits", found);
  return value;
}

function wrong(expected: string, found: unknown): TypeError {
  return new TypeError(`expected ${expected}, not ${String(found).slice(0, 80)}`);
}
