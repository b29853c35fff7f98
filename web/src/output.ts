/** The frames that a client sends, one behind the other, until the socket takes them. */

import { metadataBytes, writeMetadata } from "./block.ts";
import type { Code } from "./error.ts";
import type { Opening } from "./event.ts";
import { Flag, FrameType, MAX_REASON_BYTES } from "./frame.ts";
import { Writer } from "./writer.ts";

const OPEN_FIXED_BYTES = 10;
const BLOCK_LENGTH_BYTES = 4;
const PING_BYTES = 8;
const UTF8 = new TextEncoder();

export class FrameOutput {
  readonly writer = new Writer();

  /** Writes OPEN; whether the request, if there is one, has gone along in a frame of so many bytes at most. */
  open(stream: number, opening: Opening, frameBytes: number): boolean {
    const { request, metadata } = opening;
    const blockBytes = metadata.size > 0 ? BLOCK_LENGTH_BYTES + metadataBytes(metadata) : 0;
    const rides = request !== undefined && OPEN_FIXED_BYTES + blockBytes + request.length <= frameBytes;
    let flags = rides ? Flag.Message | Flag.End : 0;
    if (blockBytes > 0) flags |= Flag.Metadata;
    if (opening.isProtobuf) flags |= Flag.Protobuf;
    const { writer } = this;
    this.#header(OPEN_FIXED_BYTES + blockBytes + (rides ? request.length : 0), FrameType.Open, flags, stream);
    writer.u16(opening.method);
    writer.i64(opening.timeoutUs);
    if (blockBytes > 0) writeMetadata(metadata, writer);
    if (rides) writer.raw(request);
    return rides;
  }

  message(stream: number, flags: number, part: Uint8Array): void {
    this.#frame(FrameType.Message, flags, stream, part);
  }

  halfClose(stream: number): void {
    this.#header(0, FrameType.HalfClose, 0, stream);
  }

  credit(stream: number, increment: number): void {
    this.#header(4, FrameType.Credit, 0, stream);
    this.writer.u32(increment);
  }

  reset(stream: number, code: Code, reason: string): void {
    const text = cut(reason);
    this.#header(1 + text.length, FrameType.Reset, 0, stream);
    this.writer.u8(code);
    this.writer.raw(text);
  }

  ping(): void {
    this.#frame(FrameType.Ping, 0, 0, new Uint8Array(PING_BYTES));
  }

  pong(payload: Uint8Array): void {
    this.#frame(FrameType.Pong, 0, 0, payload);
  }

  /** A client's go-away names no stream. */
  goAway(code: Code | 0, reason: string): void {
    const text = cut(reason);
    this.#header(5 + text.length, FrameType.GoAway, 0, 0);
    this.writer.u32(0);
    this.writer.u8(code);
    this.writer.raw(text);
  }

  #frame(type: number, flags: number, stream: number, payload: Uint8Array): void {
    this.#header(payload.length, type, flags, stream);
    this.writer.raw(payload);
  }

  #header(size: number, type: number, flags: number, stream: number): void {
    const { writer } = this;
    writer.u32(size);
    writer.u8(type);
    writer.u8(flags);
    writer.u32(stream);
  }
}

/** A reason as it travels: of a length that the server takes, and not cut within a character. */
function cut(reason: string): Uint8Array {
  const text = UTF8.encode(reason);
  let end = Math.min(text.length, MAX_REASON_BYTES);
  while (end < text.length && ((text[end] ?? 0) & 0xc0) === 0x80) end--;
  return text.subarray(0, end);
}
