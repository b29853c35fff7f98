/** Bytes that are read strictly: what both encodings, and the frames around them, are read with. */

import { CodecError } from "./codec_error.ts";
import { MAX_DEPTH } from "./writer.ts";

const SHORT_TEXT = 12;
const WIRE_TYPES = { varint: 0, i64: 1, block: 2, group: 3, groupEnd: 4, i32: 5 } as const;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const scratch = new DataView(new ArrayBuffer(8));

/** A position in bytes. Every method throws CodecError where the input ends too early. */
export class Reader {
  /** Where the next byte is read. */
  pos: number;
  /** Where the input ends, or the part of it that is being read. */
  end: number;
  /** How deep the message lies that is being read. */
  depth = 0;
  /** The field that is being read, for errors. */
  field = "";
  /** The lower half of the varint that was read last. */
  low = 0;
  /** The upper half of it. */
  high = 0;
  readonly buffer: Uint8Array;
  private readonly view: DataView;

  constructor(buffer: Uint8Array, pos = 0, end = buffer.length) {
    this.buffer = buffer;
    this.view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    this.pos = pos;
    this.end = end;
  }

  /** How many bytes are left. */
  get left(): number {
    return this.end - this.pos;
  }

  u8(): number {
    const at = this.step(1);
    return this.view.getUint8(at);
  }

  /** A byte of 0 or 1. */
  bool(): boolean {
    const at = this.step(1);
    const flag = this.view.getUint8(at);
    if (flag > 1) throw this.wrong(`the flag at byte ${at} is ${flag}, but must be 0 or 1`, at);
    return flag === 1;
  }

  u16(): number {
    const at = this.step(2);
    return this.view.getUint16(at, true);
  }

  u32(): number {
    const at = this.step(4);
    return this.view.getUint32(at, true);
  }

  i32(): number {
    const at = this.step(4);
    return this.view.getInt32(at, true);
  }

  u64(): bigint {
    const at = this.step(8);
    return this.view.getBigUint64(at, true);
  }

  i64(): bigint {
    const at = this.step(8);
    return this.view.getBigInt64(at, true);
  }

  f32(): number {
    const at = this.step(4);
    return this.view.getFloat32(at, true);
  }

  f64(): number {
    const at = this.step(8);
    return this.view.getFloat64(at, true);
  }

  /** A copy of so many bytes. */
  raw(size: number): Uint8Array {
    const at = this.step(size);
    const copy = new Uint8Array(size); // for what `slice` gives of Node's buffers is no copy
    copy.set(this.buffer.subarray(at, at + size));
    return copy;
  }

  /** So many bytes of UTF-8. */
  text(size: number): string {
    const at = this.step(size);
    return this.textAt(at, this.pos);
  }

  /**
   * A count of bincode, of elements that take so many bytes at the least.
   *
   * No more is believed than the input has room for.
   */
  length(least = 1): number {
    const at = this.step(8);
    const count = this.view.getUint32(at, true) + this.view.getUint32(at + 4, true) * 0x1_0000_0000;
    const room = Math.floor((this.end - this.pos) / least);
    if (count > room) {
      const exact = this.view.getBigUint64(at, true);
      throw this.wrong(`the length at byte ${at} is ${exact}, but the input has room for ${room}`, at);
    }
    return count;
  }

  /** Text of bincode. */
  string(): string {
    const size = this.length();
    return this.text(size);
  }

  /** Bytes of bincode. */
  bytes(): Uint8Array {
    const size = this.length();
    return this.raw(size);
  }

  /** Reads a varint of protobuf into `low` and `high`, and returns the lower half, without a sign. */
  varint(): number {
    const { buffer } = this;
    let low = 0;
    let high = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = buffer[this.step(1)] ?? 0;
      if (shift < 28) {
        low |= (byte & 0x7f) << shift;
      } else if (shift === 28) {
        low |= (byte & 0x0f) << 28;
        high = (byte & 0x7f) >> 4;
      } else if (shift < 63) {
        high |= (byte & 0x7f) << (shift - 32);
      } else {
        if (byte >= 0x80) throw this.wrong("a number takes more than ten bytes", this.pos - 1);
        high |= (byte & 1) << 31;
      }
      if (byte < 0x80) break;
    }
    this.low = low >>> 0;
    this.high = high >>> 0;
    return this.low;
  }

  /** The varint that was read last, as 64 bits with a sign. */
  get signed(): bigint {
    scratch.setUint32(0, this.high);
    scratch.setUint32(4, this.low);
    return scratch.getBigInt64(0);
  }

  /** The same without a sign. */
  get unsigned(): bigint {
    scratch.setUint32(0, this.high);
    scratch.setUint32(4, this.low);
    return scratch.getBigUint64(0);
  }

  /** The tag of a record. */
  tag(): number {
    const at = this.pos;
    const tag = this.varint();
    if (this.pos - at > 5 || this.high !== 0) throw this.wrong("a tag takes more than 32 bits", at);
    return tag;
  }

  /** The length of a record, and so where it ends. */
  blockEnd(): number {
    const at = this.pos;
    const size = this.varint();
    if (this.pos - at > 5 || this.high !== 0 || size > 0x7fff_ffff) {
      throw this.wrong("a length takes more than 31 bits", at);
    }
    if (size > this.end - this.pos) {
      throw this.wrong(`the length at byte ${at} is ${size}, but ${this.end - this.pos} bytes are left`, at);
    }
    return this.pos + size;
  }

  /** Goes behind a record whose tag was read. */
  skip(tag: number, depth = this.depth): void {
    switch (tag & 7) {
      case WIRE_TYPES.varint:
        this.varint();
        return;
      case WIRE_TYPES.i64:
        this.step(8);
        return;
      case WIRE_TYPES.block:
        this.pos = this.blockEnd();
        return;
      case WIRE_TYPES.i32:
        this.step(4);
        return;
      case WIRE_TYPES.group:
        this.skipGroup(tag, depth + 1);
        return;
      case WIRE_TYPES.groupEnd:
        throw this.wrong("a group ends that has not begun", this.pos);
      default:
        throw this.wrong(`there is no wire type ${tag & 7}`, this.pos);
    }
  }

  /** Goes one level deeper. Throws CodecError where that is too deep. */
  enter(): void {
    if (this.depth >= MAX_DEPTH) throw this.wrong(`is nested more than ${MAX_DEPTH} levels deep`, this.pos);
    this.depth += 1;
  }

  /** Throws CodecError if the input goes on. */
  expectEnd(): void {
    if (this.pos !== this.end) {
      throw this.wrong(`ends at byte ${this.pos}, but the input goes on to byte ${this.end}`, this.pos);
    }
  }

  /** An error about the field that is being read. */
  wrong(message: string, offset: number): CodecError {
    return new CodecError(message, this.field, offset);
  }

  private textAt(begin: number, end: number): string {
    if (end - begin <= SHORT_TEXT) {
      let text = "";
      let at = begin;
      for (; at < end; at++) {
        const byte = this.buffer[at] ?? 0;
        if (byte >= 0x80) break;
        text += String.fromCharCode(byte);
      }
      if (at === end) return text;
    }
    try {
      return utf8.decode(this.buffer.subarray(begin, end));
    } catch {
      throw this.wrong(`the text from byte ${begin} to ${end} is not UTF-8`, begin);
    }
  }

  private skipGroup(opened: number, depth: number): void {
    if (depth > MAX_DEPTH) throw this.wrong(`is nested more than ${MAX_DEPTH} levels deep`, this.pos);
    for (;;) {
      const tag = this.tag();
      if ((tag & 7) === WIRE_TYPES.groupEnd) {
        if (tag >>> 3 !== opened >>> 3) throw this.wrong("a group ends that has not begun", this.pos);
        return;
      }
      this.skip(tag, depth);
    }
  }

  /** Goes on by so many bytes, and returns where they begin. */
  private step(size: number): number {
    const at = this.pos;
    if (size > this.end - at) {
      throw this.wrong(`begins at byte ${at}, but the input ends at byte ${this.end}`, at);
    }
    this.pos = at + size;
    return at;
  }
}
