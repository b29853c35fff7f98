/** What a codec asks of a value, whatever its type is. */

import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/** The types that records have in protobuf's encoding. */
export type Wire = 0 | 1 | 2 | 5;

/** A record that begins with its length. */
export const BLOCK = 2;

/** A type of values: how each encoding has one. Writers throw CodecError for what is no such value. */
export interface Kind<T> {
  readonly wire: Wire;
  /** Whether it is a message by itself in protobuf's encoding, so that its parts are merged. */
  readonly isMessage: boolean;
  /** The numbers of an enum that takes no others. */
  readonly numbers: ReadonlySet<number> | undefined;
  /** What a field without presence holds before it is set. */
  zero(): T;
  /** The value that an init object gives. */
  from(init: unknown): T;
  /** The least bytes of one in the native layout. */
  least(): number;
  /** Whether a field without presence leaves it out in protobuf's encoding. */
  isZero(value: T): boolean;
  writeNative(value: T, out: Writer): void;
  readNative(input: Reader): T;
  /** Writes what comes behind the tag of a record, a length included. */
  writeRecord(value: T, out: Writer): void;
  /** Reads it from the position of the input, which for a record with a length is behind that; it ends at `end`. */
  readRecord(input: Reader, end: number): T;
}

/** Any value, as codecs handle it: that it fits its kind is checked as it is written. */
export type AnyKind = Kind<unknown>;

/** A kind, or a message type, which has one. */
export type KindSource = AnyKind | { readonly kind: AnyKind };

export function kindOf(source: KindSource): AnyKind {
  return "kind" in source ? source.kind : source;
}
