/** Blocks within frames: metadata, and the full status of a call. */

import { Code, codeOf, type ErrorDetail } from "./error.ts";
import { type FieldReader, ProtocolError } from "./frame.ts";
import type { Writer } from "./writer.ts";
import { isBinaryKey, keyFault, Metadata, type MetadataValue, textFault } from "./metadata.ts";

export const MAX_PAIRS = 32_767;
const UTF8 = new TextEncoder();

/** How a call ended, as the server says. */
export interface Status {
  /** 0 is OK. */
  readonly code: Code | 0;
  readonly text: string;
  readonly details: readonly ErrorDetail[];
  readonly trailers: Metadata;
}

/** A status without FULL. */
export function okStatus(): Status {
  return { code: 0, text: "", details: [], trailers: new Metadata() };
}

/** How long the block of metadata is, as its first four bytes count it. */
export function metadataBytes(metadata: Metadata): number {
  let size = 2;
  for (const [key, value] of metadata.pairs) size += 5 + key.length + value.length;
  return size;
}

/** Appends a block. Keys and values were checked when they were put into the metadata; its length is the caller's. */
export function writeMetadata(metadata: Metadata, out: Writer): void {
  out.u32(metadataBytes(metadata));
  out.u16(metadata.size);
  for (const [key, value] of metadata.pairs) {
    out.u8(key.length);
    out.raw(UTF8.encode(key));
    out.u32(value.length);
    out.raw(typeof value === "string" ? UTF8.encode(value) : value);
  }
}

/** Reads a block. @throws ProtocolError it is over `limit`, or breaks the rules of metadata. */
export function readMetadata(input: FieldReader, limit: number): Metadata {
  const size = input.u32();
  if (size > limit) {
    const text = `a metadata block of ${size} bytes is over our max_metadata_bytes of ${limit}`;
    throw new ProtocolError(text, Code.ResourceExhausted);
  }
  if (size < 2 || size > input.left) {
    throw new ProtocolError(`a metadata block of ${size} bytes in a frame with ${input.left} left`);
  }
  const end = input.end;
  const blockEnd = input.pos + size;
  input.end = blockEnd;
  const count = input.u16();
  if (count > MAX_PAIRS) throw new ProtocolError(`a metadata block of ${count} pairs is over the limit of ${MAX_PAIRS}`);
  const pairs: [string, MetadataValue][] = [];
  for (let index = 0; index < count; index++) pairs.push(readPair(input));
  input.expectEnd();
  input.end = end;
  return Metadata.fromChecked(pairs);
}

function readPair(input: FieldReader): [string, MetadataValue] {
  const key = input.text(input.u8());
  const keyWrong = keyFault(key);
  if (keyWrong !== undefined) throw new ProtocolError(keyWrong);
  const size = input.u32();
  if (isBinaryKey(key)) return [key, input.raw(size)];
  const text = input.text(size);
  const textWrong = textFault(key, text);
  if (textWrong !== undefined) throw new ProtocolError(textWrong);
  return [key, text];
}

/** Reads a full status. @throws ProtocolError it is cut short or contradicts its frame. */
export function readStatus(input: FieldReader, maxMetadataBytes: number): Status {
  const number = input.u8();
  const text = input.text(input.u32());
  const details: ErrorDetail[] = [];
  for (let left = input.u16(); left > 0; left--) {
    const typeUrl = input.text(input.u16());
    details.push({ typeUrl, value: input.raw(input.u32()) });
  }
  const trailers = readMetadata(input, maxMetadataBytes);
  return { code: number === 0 ? 0 : codeOf(number), text, details, trailers };
}
