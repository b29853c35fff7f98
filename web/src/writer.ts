/** Bytes that grow: what both encodings, and the frames around them, are written with. */

import { CodecError } from "./codec_error.ts";

/** How deep messages, and entries of maps, may lie below the outermost message. */
export const MAX_DEPTH = 100;

const FIRST_BYTES = 256;
const KEPT_BYTES = 65_536;
const SHOWN_LENGTH = 80;

const utf8 = new TextEncoder();

/**
 * A growing buffer. Integers are little-endian.
 *
 * A writer that a message was refused by holds a part of it: `rewind` takes that back.
 */
export class Writer {
  /** Where the next byte goes, counted from the first one since the last `take`. */
  pos = 0;
  /** How deep the message lies that is being written. */
  depth = 0;
  /** The field that is being written, for errors. */
  field = "";
  private buffer = new Uint8Array(FIRST_BYTES);
  private view = new DataView(this.buffer.buffer);

  u8(value: number): void {
    const at = this.room(1);
    this.buffer[at] = value;
  }

  bool(value: boolean): void {
    this.u8(value ? 1 : 0);
  }

  u16(value: number): void {
    const at = this.room(2);
    this.view.setUint16(at, value, true);
  }

  u32(value: number): void {
    const at = this.room(4);
    this.view.setUint32(at, value, true);
  }

  i32(value: number): void {
    const at = this.room(4);
    this.view.setInt32(at, value, true);
  }

  u64(value: bigint): void {
    const at = this.room(8);
    this.view.setBigUint64(at, value, true);
  }

  i64(value: bigint): void {
    const at = this.room(8);
    this.view.setBigInt64(at, value, true);
  }

  f32(value: number): void {
    const at = this.room(4);
    this.view.setFloat32(at, value, true);
  }

  f64(value: number): void {
    const at = this.room(8);
    this.view.setFloat64(at, value, true);
  }

  /** Bytes as they are. */
  raw(value: Uint8Array): void {
    const at = this.room(value.length);
    this.buffer.set(value, at);
  }

  /** A length or count of bincode: a u64. */
  length(value: number): void {
    this.u32(value >>> 0);
    this.u32(Math.floor(value / 0x1_0000_0000));
  }

  /** Text in bincode: its length, then UTF-8. Throws CodecError for lone surrogates. */
  string(value: string): void {
    const at = this.room(8);
    const size = this.text(value);
    this.view.setUint32(at, size, true);
    this.view.setUint32(at + 4, 0, true);
  }

  /** Bytes in bincode: their length ahead of them. */
  bytes(value: Uint8Array): void {
    this.length(value.length);
    this.raw(value);
  }

  /** UTF-8 without anything ahead of it; returns how many bytes that are. Throws CodecError for lone surrogates. */
  text(value: string): number {
    const length = value.length;
    const start = this.room(length);
    const { buffer } = this;
    for (let index = 0; index < length; index++) {
      const unit = value.charCodeAt(index);
      if (unit >= 0x80) {
        this.pos = start;
        return this.longText(value);
      }
      buffer[start + index] = unit;
    }
    return length;
  }

  /** A varint of protobuf, of up to 32 bits without a sign. */
  varint(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      this.u8((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.u8(rest);
  }

  /** A varint of 64 bits, given as its halves. */
  varint64(low: number, high: number): void {
    let rest = low >>> 0;
    let more = high >>> 0;
    while (more !== 0) {
      this.u8((rest & 0x7f) | 0x80);
      rest = ((rest >>> 7) | (more << 25)) >>> 0;
      more >>>= 7;
    }
    this.varint(rest);
  }

  /** The tag of a record. */
  tag(number: number, wire: number): void {
    this.varint(((number << 3) | wire) >>> 0);
  }

  /** Begins a record with a length ahead of it; what comes back is for `join`. */
  fork(): number {
    const at = this.room(1);
    return at;
  }

  /** Ends a record that `fork` began: puts its length where it belongs. */
  join(at: number): void {
    const size = this.pos - at - 1;
    if (size < 0x80) {
      this.buffer[at] = size;
      return;
    }
    let width = 1;
    for (let rest = size; rest > 0x7f; rest >>>= 7) width += 1;
    this.room(width - 1);
    this.buffer.copyWithin(at + width, at + 1, at + 1 + size);
    const end = this.pos;
    this.pos = at;
    this.varint(size);
    this.pos = end;
  }

  /** Puts a u32 where one was left room for, such as the length of a frame. */
  patchU32(at: number, value: number): void {
    this.view.setUint32(at, value, true);
  }

  /** Goes back to a position, after a message was refused that begins there. */
  rewind(pos: number): void {
    this.pos = pos;
    this.depth = 0;
    this.field = "";
  }

  /** A copy of all that was written; the writer is empty then. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.buffer.slice(0, this.pos);
    if (this.buffer.length > KEPT_BYTES) this.grow(0, FIRST_BYTES);
    this.rewind(0);
    return taken;
  }

  /** Goes one level deeper. Throws CodecError where that is too deep. */
  enter(): void {
    if (this.depth >= MAX_DEPTH) throw new CodecError(`is nested more than ${MAX_DEPTH} levels deep`, this.field);
    this.depth += 1;
  }

  /** The error for a value that its field cannot carry. */
  misfit(expected: string, found: unknown): CodecError {
    return new CodecError(`expected ${expected}; found ${shown(found)}`, this.field);
  }

  private longText(value: string): number {
    if (/\p{Surrogate}/u.test(value)) throw this.misfit("a string that UTF-8 can encode", value);
    const start = this.room(value.length * 3);
    const { written } = utf8.encodeInto(value, this.buffer.subarray(start));
    this.pos = start + written;
    return written;
  }

  /** Makes room for so many bytes, and returns where they begin. */
  private room(size: number): number {
    const at = this.pos;
    const end = at + size;
    if (end > this.buffer.length) this.grow(at, Math.max(end, this.buffer.length * 2));
    this.pos = end;
    return at;
  }

  private grow(kept: number, size: number): void {
    const grown = new Uint8Array(size);
    grown.set(this.buffer.subarray(0, kept));
    this.buffer = grown;
    this.view = new DataView(grown.buffer);
  }
}

/** A value in an error, cut short. */
function shown(value: unknown): string {
  if (typeof value === "string") return cut(JSON.stringify(value));
  if (typeof value === "bigint") return cut(`${value}n`);
  if (typeof value === "object" && value !== null) return value.constructor?.name ?? "an object";
  return typeof value === "symbol" || typeof value === "function" ? typeof value : String(value);
}

function cut(text: string): string {
  return text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}...` : text;
}
