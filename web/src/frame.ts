/** Frames: their numbers, how a stream of bytes is cut into them, and how fields are read out of one. */

import { Code } from "./error.ts";

export const PREFACE = Uint8Array.of(0x45, 0x46, 0x54, 0x31);
export const HEADER_BYTES = 10;
/** What a MESSAGE frame costs beside its payload, so that empty messages are not free. */
export const FRAME_COST = 64;
export const MAX_STREAM_ID = 2 ** 31 - 1;
/** The most that a CREDIT adds. */
export const MAX_INCREMENT = 2 ** 31 - 1;
/** Credit above this is an error. */
export const CREDIT_CEILING = 2 ** 40;
export const MAX_SERVER_HELLO_BYTES = 1_048_576;
export const MAX_REASON_BYTES = 1024;

export const FrameType = {
  Hello: 1,
  Open: 2,
  Headers: 3,
  Message: 4,
  HalfClose: 5,
  Status: 6,
  Reset: 7,
  Credit: 8,
  Ping: 9,
  Pong: 10,
  GoAway: 11,
} as const;

const NAMES = ["", "HELLO", "OPEN", "HEADERS", "MESSAGE", "HALF_CLOSE", "STATUS", "RESET", "CREDIT", "PING", "PONG"];
/** Types from here on are for extensions: who does not know one ignores it. */
export const FIRST_EXTENSION = 128;

export const Flag = {
  End: 0x01,
  Message: 0x02,
  Metadata: 0x04,
  Compressed: 0x08,
  More: 0x10,
  Protobuf: 0x20,
  Full: 0x40,
  /** Of RESET alone. */
  Unprocessed: 0x01,
} as const;

/** The name of a frame's type, for texts. */
export function frameName(type: number): string {
  return type === FrameType.GoAway ? "GOAWAY" : (NAMES[type] ?? `type ${type}`);
}

/** The server broke the protocol; the connection ends. `code` goes into our GOAWAY. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  readonly code: Code;

  constructor(message: string, code: Code = Code.Internal) {
    super(message);
    this.code = code;
  }
}

/** One frame; `payload` is only good until the next bytes are pushed. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Uint8Array;
}

/**
 * Cuts bytes, as they arrive, into frames. A frame's length is checked when its header is there, before anything of it
 * is kept; what is kept is one frame at most, in a buffer that grows with what has arrived.
 */
export class FrameSplitter {
  readonly #maxFrameBytes: number;
  #held = new Uint8Array(64);
  #size = 0;
  #hasPreface = false;
  #hasHello = false;

  constructor(maxFrameBytes: number) {
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** Whether the server has sent anything that only this protocol begins with. */
  get hasPreface(): boolean {
    return this.#hasPreface;
  }

  /** Whether a frame has begun and is not whole. */
  get isWithinFrame(): boolean {
    return this.#size > 0;
  }

  /**
   * The frames that `data` completes. They are made one at a time, so what the first one changes holds for the second.
   * @throws ProtocolError the peer speaks something else, or a frame is too long.
   */
  *push(data: Uint8Array): Generator<Frame, void, undefined> {
    let at = 0;
    if (!this.#hasPreface) {
      at = this.#fill(data, 0, PREFACE.length);
      checkPreface(this.#held.subarray(0, this.#size));
      if (this.#size < PREFACE.length) return;
      this.#hasPreface = true;
      this.#size = 0;
    }
    while (at < data.length) {
      if (this.#size === 0 && data.length - at >= HEADER_BYTES) {
        const total = HEADER_BYTES + this.#checkedLength(data, at);
        if (data.length - at >= total) {
          yield this.#frame(data.subarray(at, at + total));
          at += total;
          continue;
        }
      }
      at = this.#fill(data, at, HEADER_BYTES);
      if (this.#size < HEADER_BYTES) return;
      const total = HEADER_BYTES + this.#checkedLength(this.#held, 0);
      at = this.#fill(data, at, total);
      if (this.#size < total) return;
      this.#size = 0;
      yield this.#frame(this.#held.subarray(0, total));
    }
  }

  #frame(bytes: Uint8Array): Frame {
    const type = bytes[4] ?? 0;
    if (type === FrameType.Hello) this.#hasHello = true;
    return { type, flags: bytes[5] ?? 0, stream: u32(bytes, 6), payload: bytes.subarray(HEADER_BYTES) };
  }

  /** Keeps bytes of `data` until there are `size`; where the rest of `data` begins. */
  #fill(data: Uint8Array, at: number, size: number): number {
    const count = Math.min(size - this.#size, data.length - at);
    if (count <= 0) return at;
    if (this.#size + count > this.#held.length) {
      const grown = new Uint8Array(Math.min(size, Math.max(this.#held.length * 2, this.#size + count)));
      grown.set(this.#held.subarray(0, this.#size));
      this.#held = grown;
    }
    this.#held.set(data.subarray(at, at + count), this.#size);
    this.#size += count;
    return at + count;
  }

  #checkedLength(bytes: Uint8Array, at: number): number {
    const length = u32(bytes, at);
    const type = bytes[at + 4] ?? 0;
    if (!this.#hasHello && type !== FrameType.Hello) {
      throw new ProtocolError(`${frameName(type)} ahead of HELLO, which has to be the first frame`);
    }
    const limit = type === FrameType.Hello && !this.#hasHello ? MAX_SERVER_HELLO_BYTES : this.#maxFrameBytes;
    if (length > limit) {
      const text = `${frameName(type)} of ${length} bytes is over the limit of ${limit}`;
      throw new ProtocolError(text, Code.ResourceExhausted);
    }
    return length;
  }
}

function checkPreface(bytes: Uint8Array): void {
  if (bytes.every((byte, index) => byte === PREFACE[index])) return;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  throw new ProtocolError(`the peer does not speak EFT1: its first bytes are ${hex}. Check the address and the port`);
}

function u32(bytes: Uint8Array, at: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
}

const TEXT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads the fields of one frame; whatever does not fit is a ProtocolError that names the frame. */
export class FieldReader {
  pos = 0;
  end: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #what: string;

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.end = bytes.length;
    this.#what = what;
  }

  get left(): number {
    return this.end - this.pos;
  }

  #advance(size: number): number {
    if (size > this.left) {
      throw new ProtocolError(`${this.#what} is cut short: ${size} bytes are due at ${this.pos}, ${this.left} are left`);
    }
    this.pos += size;
    return this.pos - size;
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#advance(8), true);
  }

  /** A copy of the next bytes. */
  raw(size: number): Uint8Array {
    const at = this.#advance(size);
    return this.#bytes.slice(at, at + size);
  }

  text(size: number): string {
    const at = this.#advance(size);
    try {
      return TEXT.decode(this.#bytes.subarray(at, at + size));
    } catch {
      throw new ProtocolError(`${this.#what} has a text that is not UTF-8 at ${at}`);
    }
  }

  expectEnd(): void {
    if (this.left > 0) throw new ProtocolError(`${this.#what} has ${this.left} bytes behind its last field`);
  }
}
