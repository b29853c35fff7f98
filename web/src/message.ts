/** What is read and written: growable buffers, and what a generated message type offers. */

const UTF8 = new TextEncoder();
const TEXT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class CodecError extends Error {
  override readonly name = "CodecError";
}

export interface MessageType<T, Init = T> {
  readonly typeName: string;
  create(init?: Init): T;
  writeNative(message: T, out: Writer): void;
  readNative(input: Reader): T;
  writeProtobuf(message: T, out: Writer): void;
  readProtobuf(input: Reader, end: number): T;
  toBinary(message: T): Uint8Array;
  fromBinary(bytes: Uint8Array): T;
}

export class Writer {
  pos = 0;
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);

  #need(size: number): void {
    if (this.pos + size <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.pos + size));
    grown.set(this.#bytes.subarray(0, this.pos));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }

  u8(value: number): void {
    this.#need(1);
    this.#bytes[this.pos++] = value;
  }

  u16(value: number): void {
    this.#need(2);
    this.#view.setUint16(this.pos, value, true);
    this.pos += 2;
  }

  u32(value: number): void {
    this.#need(4);
    this.#view.setUint32(this.pos, value, true);
    this.pos += 4;
  }

  i32(value: number): void {
    this.u32(value >>> 0);
  }

  u64(value: bigint): void {
    this.#need(8);
    this.#view.setBigUint64(this.pos, value, true);
    this.pos += 8;
  }

  i64(value: bigint): void {
    this.u64(BigInt.asUintN(64, value));
  }

  raw(bytes: Uint8Array): void {
    this.#need(bytes.length);
    this.#bytes.set(bytes, this.pos);
    this.pos += bytes.length;
  }

  bytes(bytes: Uint8Array): void {
    this.u64(BigInt(bytes.length));
    this.raw(bytes);
  }

  string(text: string): void {
    this.bytes(UTF8.encode(text));
  }

  varint(value: bigint): void {
    let left = BigInt.asUintN(64, value);
    while (left > 127n) {
      this.u8(Number(left & 127n) | 128);
      left >>= 7n;
    }
    this.u8(Number(left));
  }

  patchU32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#bytes.slice(0, this.pos);
    this.pos = 0;
    return taken;
  }
}

export class Reader {
  pos = 0;
  readonly end: number;
  readonly #view: DataView;

  readonly buffer: Uint8Array;

  constructor(buffer: Uint8Array) {
    this.buffer = buffer;
    this.end = buffer.length;
    this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  }

  #take(size: number): number {
    if (size > this.end - this.pos) throw new CodecError(`${size} bytes are due at ${this.pos} of ${this.end}`);
    this.pos += size;
    return this.pos - size;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  i64(): bigint {
    return this.#view.getBigInt64(this.#take(8), true);
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }

  raw(size: number): Uint8Array {
    const at = this.#take(size);
    return this.buffer.slice(at, at + size);
  }

  bytes(): Uint8Array {
    return this.raw(Number(this.u64()));
  }

  string(): string {
    return TEXT.decode(this.bytes());
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.u8();
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
    throw new CodecError(`a varint at ${this.pos} is over ten bytes`);
  }

  expectEnd(): void {
    if (this.pos !== this.end) throw new CodecError(`${this.end - this.pos} bytes are left at ${this.pos}`);
  }
}
