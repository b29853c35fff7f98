// Made from web/page/main.ts by web/page/build.mjs. Do not edit.

// ../src/backoff.ts
var MULTIPLIER = 1.6;
var JITTER = 0.2;
function backoffMs(failures, { initialMs, maxMs }, draw) {
  const wait = Math.min(maxMs, initialMs * MULTIPLIER ** Math.min(failures - 1, 100));
  return wait * (1 - JITTER + 2 * JITTER * draw());
}

// ../src/metadata.ts
var KEY = /^[a-z0-9_.-]{1,255}$/;
var TEXT = /^[\x20-\x7e]*$/;
var ADMITTED = /* @__PURE__ */ new Set(["grpc-retry-pushback-ms", "grpc-previous-rpc-attempts"]);
function keyFault(key) {
  if (!KEY.test(key)) return `metadata key ${JSON.stringify(key)} has to be 1 to 255 of the characters a-z 0-9 _ . -`;
  if (key.startsWith("grpc-") && !ADMITTED.has(key)) return `metadata key ${key} is reserved: choose one without grpc-`;
  return void 0;
}
function textFault(key, text) {
  if (!TEXT.test(text)) return `metadata of ${key} is not printable ASCII: give bytes under a key that ends in -bin`;
  if (text.startsWith(" ") || text.endsWith(" ")) return `metadata of ${key} has spaces at its ends: strip them`;
  return void 0;
}
function isBinaryKey(key) {
  return key.endsWith("-bin");
}
var Metadata = class _Metadata {
  #pairs = [];
  /** @throws TypeError a key or a value cannot travel; the text says why. */
  constructor(init) {
    if (init === void 0) return;
    if (init instanceof _Metadata) this.#pairs.push(...init.#pairs);
    else for (const [key, value] of Symbol.iterator in init ? init : Object.entries(init)) this.append(key, value);
  }
  /** How many pairs there are. */
  get size() {
    return this.#pairs.length;
  }
  /** The pairs as they are, with bytes under keys that end in `-bin`. */
  get pairs() {
    return this.#pairs;
  }
  /**
   * Adds a pair behind the others.
   * @throws TypeError the key or the value cannot travel; the text says why.
   */
  append(key, value) {
    const name = key.toLowerCase();
    const fault = keyFault(name);
    if (fault !== void 0) throw new TypeError(fault);
    if (isBinaryKey(name)) {
      this.#pairs.push([name, typeof value === "string" ? decodeBase64(name, value) : value.slice()]);
      return this;
    }
    if (typeof value !== "string") throw new TypeError(`metadata of ${name} is no text: end the key in -bin for bytes`);
    const text = value.trim();
    const wrong = textFault(name, text);
    if (wrong !== void 0) throw new TypeError(wrong);
    this.#pairs.push([name, text]);
    return this;
  }
  /** Whether a key is there. */
  has(key) {
    return this.#pairs.some(([name]) => name === key.toLowerCase());
  }
  /** The last value of a key as text, or null. */
  get(key) {
    return this.getAll(key).at(-1) ?? null;
  }
  /** All values of a key as text. */
  getAll(key) {
    const name = key.toLowerCase();
    return this.#pairs.filter((pair) => pair[0] === name).map((pair) => textOf(pair[1]));
  }
  /** The last value of a key that ends in `-bin`, or null. */
  getBinary(key) {
    const name = key.toLowerCase();
    const value = this.#pairs.filter((pair) => pair[0] === name).at(-1)?.[1];
    return value instanceof Uint8Array ? value : null;
  }
  *[Symbol.iterator]() {
    for (const [key, value] of this.#pairs) yield [key, textOf(value)];
  }
  /** Pairs that are known to be right, as those that came over the wire and were checked there. */
  static fromChecked(pairs) {
    const metadata = new _Metadata();
    metadata.#pairs.push(...pairs);
    return metadata;
  }
};
function textOf(value) {
  if (typeof value === "string") return value;
  let text = "";
  for (const byte of value) text += String.fromCharCode(byte);
  return btoa(text);
}
function decodeBase64(key, text) {
  let raw;
  try {
    raw = atob(text);
  } catch {
    throw new TypeError(`metadata of ${key} is not base64: give a Uint8Array, or its base64 text`);
  }
  return Uint8Array.from(raw, (character) => character.charCodeAt(0));
}

// ../src/codec_error.ts
var CodecError = class extends Error {
  name = "CodecError";
  /** The field at fault, as `package.Message.field`; a message's name, where no field is. */
  field;
  /** The byte of the input that the mistake is at; -1 where there is no input. */
  offset;
  constructor(message2, field = "", offset = -1) {
    super(field === "" ? message2 : `${field}: ${message2}`);
    this.field = field;
    this.offset = offset;
  }
};

// ../src/writer.ts
var MAX_DEPTH = 100;
var FIRST_BYTES = 256;
var KEPT_BYTES = 65536;
var SHOWN_LENGTH = 80;
var utf8 = new TextEncoder();
var Writer = class {
  /** Where the next byte goes, counted from the first one since the last `take`. */
  pos = 0;
  /** How deep the message lies that is being written. */
  depth = 0;
  /** The field that is being written, for errors. */
  field = "";
  buffer = new Uint8Array(FIRST_BYTES);
  view = new DataView(this.buffer.buffer);
  u8(value) {
    const at = this.room(1);
    this.buffer[at] = value;
  }
  bool(value) {
    this.u8(value ? 1 : 0);
  }
  u16(value) {
    const at = this.room(2);
    this.view.setUint16(at, value, true);
  }
  u32(value) {
    const at = this.room(4);
    this.view.setUint32(at, value, true);
  }
  i32(value) {
    const at = this.room(4);
    this.view.setInt32(at, value, true);
  }
  u64(value) {
    const at = this.room(8);
    this.view.setBigUint64(at, value, true);
  }
  i64(value) {
    const at = this.room(8);
    this.view.setBigInt64(at, value, true);
  }
  f32(value) {
    const at = this.room(4);
    this.view.setFloat32(at, value, true);
  }
  f64(value) {
    const at = this.room(8);
    this.view.setFloat64(at, value, true);
  }
  /** Bytes as they are. */
  raw(value) {
    const at = this.room(value.length);
    this.buffer.set(value, at);
  }
  /** A length or count of bincode: a u64. */
  length(value) {
    this.u32(value >>> 0);
    this.u32(Math.floor(value / 4294967296));
  }
  /** Text in bincode: its length, then UTF-8. Throws CodecError for lone surrogates. */
  string(value) {
    const at = this.room(8);
    const size = this.text(value);
    this.view.setUint32(at, size, true);
    this.view.setUint32(at + 4, 0, true);
  }
  /** Bytes in bincode: their length ahead of them. */
  bytes(value) {
    this.length(value.length);
    this.raw(value);
  }
  /** UTF-8 without anything ahead of it; returns how many bytes that are. Throws CodecError for lone surrogates. */
  text(value) {
    const length = value.length;
    const start2 = this.room(length);
    const { buffer } = this;
    for (let index = 0; index < length; index++) {
      const unit = value.charCodeAt(index);
      if (unit >= 128) {
        this.pos = start2;
        return this.longText(value);
      }
      buffer[start2 + index] = unit;
    }
    return length;
  }
  /** A varint of protobuf, of up to 32 bits without a sign. */
  varint(value) {
    let rest = value;
    while (rest > 127) {
      this.u8(rest & 127 | 128);
      rest >>>= 7;
    }
    this.u8(rest);
  }
  /** A varint of 64 bits, given as its halves. */
  varint64(low, high) {
    let rest = low >>> 0;
    let more = high >>> 0;
    while (more !== 0) {
      this.u8(rest & 127 | 128);
      rest = (rest >>> 7 | more << 25) >>> 0;
      more >>>= 7;
    }
    this.varint(rest);
  }
  /** The tag of a record. */
  tag(number, wire) {
    this.varint((number << 3 | wire) >>> 0);
  }
  /** Begins a record with a length ahead of it; what comes back is for `join`. */
  fork() {
    const at = this.room(1);
    return at;
  }
  /** Ends a record that `fork` began: puts its length where it belongs. */
  join(at) {
    const size = this.pos - at - 1;
    if (size < 128) {
      this.buffer[at] = size;
      return;
    }
    let width = 1;
    for (let rest = size; rest > 127; rest >>>= 7) width += 1;
    this.room(width - 1);
    this.buffer.copyWithin(at + width, at + 1, at + 1 + size);
    const end = this.pos;
    this.pos = at;
    this.varint(size);
    this.pos = end;
  }
  /** Puts a u32 where one was left room for, such as the length of a frame. */
  patchU32(at, value) {
    this.view.setUint32(at, value, true);
  }
  /** Goes back to a position, after a message was refused that begins there. */
  rewind(pos) {
    this.pos = pos;
    this.depth = 0;
    this.field = "";
  }
  /** A copy of all that was written; the writer is empty then. */
  take() {
    const taken = this.buffer.slice(0, this.pos);
    if (this.buffer.length > KEPT_BYTES) this.grow(0, FIRST_BYTES);
    this.rewind(0);
    return taken;
  }
  /** Goes one level deeper. Throws CodecError where that is too deep. */
  enter() {
    if (this.depth >= MAX_DEPTH) throw new CodecError(`is nested more than ${MAX_DEPTH} levels deep`, this.field);
    this.depth += 1;
  }
  /** The error for a value that its field cannot carry. */
  misfit(expected, found) {
    return new CodecError(`expected ${expected}; found ${shown(found)}`, this.field);
  }
  longText(value) {
    if (/\p{Surrogate}/u.test(value)) throw this.misfit("a string that UTF-8 can encode", value);
    const start2 = this.room(value.length * 3);
    const { written } = utf8.encodeInto(value, this.buffer.subarray(start2));
    this.pos = start2 + written;
    return written;
  }
  /** Makes room for so many bytes, and returns where they begin. */
  room(size) {
    const at = this.pos;
    const end = at + size;
    if (end > this.buffer.length) this.grow(at, Math.max(end, this.buffer.length * 2));
    this.pos = end;
    return at;
  }
  grow(kept, size) {
    const grown = new Uint8Array(size);
    grown.set(this.buffer.subarray(0, kept));
    this.buffer = grown;
    this.view = new DataView(grown.buffer);
  }
};
function shown(value) {
  if (typeof value === "string") return cut(JSON.stringify(value));
  if (typeof value === "bigint") return cut(`${value}n`);
  if (typeof value === "object" && value !== null) return value.constructor?.name ?? "an object";
  return typeof value === "symbol" || typeof value === "function" ? typeof value : String(value);
}
function cut(text) {
  return text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}...` : text;
}

// ../src/reader.ts
var SHORT_TEXT = 12;
var WIRE_TYPES = { varint: 0, i64: 1, block: 2, group: 3, groupEnd: 4, i32: 5 };
var utf82 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
var scratch = new DataView(new ArrayBuffer(8));
var Reader = class {
  /** Where the next byte is read. */
  pos;
  /** Where the input ends, or the part of it that is being read. */
  end;
  /** How deep the message lies that is being read. */
  depth = 0;
  /** The field that is being read, for errors. */
  field = "";
  /** The lower half of the varint that was read last. */
  low = 0;
  /** The upper half of it. */
  high = 0;
  buffer;
  view;
  constructor(buffer, pos = 0, end = buffer.length) {
    this.buffer = buffer;
    this.view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    this.pos = pos;
    this.end = end;
  }
  /** How many bytes are left. */
  get left() {
    return this.end - this.pos;
  }
  u8() {
    const at = this.step(1);
    return this.view.getUint8(at);
  }
  /** A byte of 0 or 1. */
  bool() {
    const at = this.step(1);
    const flag = this.view.getUint8(at);
    if (flag > 1) throw this.wrong(`the flag at byte ${at} is ${flag}, but must be 0 or 1`, at);
    return flag === 1;
  }
  u16() {
    const at = this.step(2);
    return this.view.getUint16(at, true);
  }
  u32() {
    const at = this.step(4);
    return this.view.getUint32(at, true);
  }
  i32() {
    const at = this.step(4);
    return this.view.getInt32(at, true);
  }
  u64() {
    const at = this.step(8);
    return this.view.getBigUint64(at, true);
  }
  i64() {
    const at = this.step(8);
    return this.view.getBigInt64(at, true);
  }
  f32() {
    const at = this.step(4);
    return this.view.getFloat32(at, true);
  }
  f64() {
    const at = this.step(8);
    return this.view.getFloat64(at, true);
  }
  /** A copy of so many bytes. */
  raw(size) {
    const at = this.step(size);
    const copy2 = new Uint8Array(size);
    copy2.set(this.buffer.subarray(at, at + size));
    return copy2;
  }
  /** So many bytes of UTF-8. */
  text(size) {
    const at = this.step(size);
    return this.textAt(at, this.pos);
  }
  /**
   * A count of bincode, of elements that take so many bytes at the least.
   *
   * No more is believed than the input has room for.
   */
  length(least = 1) {
    const at = this.step(8);
    const count = this.view.getUint32(at, true) + this.view.getUint32(at + 4, true) * 4294967296;
    const room = Math.floor((this.end - this.pos) / least);
    if (count > room) {
      const exact = this.view.getBigUint64(at, true);
      throw this.wrong(`the length at byte ${at} is ${exact}, but the input has room for ${room}`, at);
    }
    return count;
  }
  /** Text of bincode. */
  string() {
    const size = this.length();
    return this.text(size);
  }
  /** Bytes of bincode. */
  bytes() {
    const size = this.length();
    return this.raw(size);
  }
  /** Reads a varint of protobuf into `low` and `high`, and returns the lower half, without a sign. */
  varint() {
    const { buffer } = this;
    let low = 0;
    let high = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = buffer[this.step(1)] ?? 0;
      if (shift < 28) {
        low |= (byte & 127) << shift;
      } else if (shift === 28) {
        low |= (byte & 15) << 28;
        high = (byte & 127) >> 4;
      } else if (shift < 63) {
        high |= (byte & 127) << shift - 32;
      } else {
        if (byte >= 128) throw this.wrong("a number takes more than ten bytes", this.pos - 1);
        high |= (byte & 1) << 31;
      }
      if (byte < 128) break;
    }
    this.low = low >>> 0;
    this.high = high >>> 0;
    return this.low;
  }
  /** The varint that was read last, as 64 bits with a sign. */
  get signed() {
    scratch.setUint32(0, this.high);
    scratch.setUint32(4, this.low);
    return scratch.getBigInt64(0);
  }
  /** The same without a sign. */
  get unsigned() {
    scratch.setUint32(0, this.high);
    scratch.setUint32(4, this.low);
    return scratch.getBigUint64(0);
  }
  /** The tag of a record. */
  tag() {
    const at = this.pos;
    const tag = this.varint();
    if (this.pos - at > 5 || this.high !== 0) throw this.wrong("a tag takes more than 32 bits", at);
    return tag;
  }
  /** The length of a record, and so where it ends. */
  blockEnd() {
    const at = this.pos;
    const size = this.varint();
    if (this.pos - at > 5 || this.high !== 0 || size > 2147483647) {
      throw this.wrong("a length takes more than 31 bits", at);
    }
    if (size > this.end - this.pos) {
      throw this.wrong(`the length at byte ${at} is ${size}, but ${this.end - this.pos} bytes are left`, at);
    }
    return this.pos + size;
  }
  /** Goes behind a record whose tag was read. */
  skip(tag, depth = this.depth) {
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
  enter() {
    if (this.depth >= MAX_DEPTH) throw this.wrong(`is nested more than ${MAX_DEPTH} levels deep`, this.pos);
    this.depth += 1;
  }
  /** Throws CodecError if the input goes on. */
  expectEnd() {
    if (this.pos !== this.end) {
      throw this.wrong(`ends at byte ${this.pos}, but the input goes on to byte ${this.end}`, this.pos);
    }
  }
  /** An error about the field that is being read. */
  wrong(message2, offset) {
    return new CodecError(message2, this.field, offset);
  }
  textAt(begin, end) {
    if (end - begin <= SHORT_TEXT) {
      let text = "";
      let at = begin;
      for (; at < end; at++) {
        const byte = this.buffer[at] ?? 0;
        if (byte >= 128) break;
        text += String.fromCharCode(byte);
      }
      if (at === end) return text;
    }
    try {
      return utf82.decode(this.buffer.subarray(begin, end));
    } catch {
      throw this.wrong(`the text from byte ${begin} to ${end} is not UTF-8`, begin);
    }
  }
  skipGroup(opened, depth) {
    if (depth > MAX_DEPTH) throw this.wrong(`is nested more than ${MAX_DEPTH} levels deep`, this.pos);
    for (; ; ) {
      const tag = this.tag();
      if ((tag & 7) === WIRE_TYPES.groupEnd) {
        if (tag >>> 3 !== opened >>> 3) throw this.wrong("a group ends that has not begun", this.pos);
        return;
      }
      this.skip(tag, depth);
    }
  }
  /** Goes on by so many bytes, and returns where they begin. */
  step(size) {
    const at = this.pos;
    if (size > this.end - at) {
      throw this.wrong(`begins at byte ${at}, but the input ends at byte ${this.end}`, at);
    }
    this.pos = at + size;
    return at;
  }
};

// ../src/error.ts
var Code = {
  /** The call was left by its caller. */
  Canceled: 1,
  /** No better code is known. */
  Unknown: 2,
  /** The request is wrong, whatever the state of the server. */
  InvalidArgument: 3,
  /** The deadline passed before the call ended. */
  DeadlineExceeded: 4,
  /** What was asked for is not there. */
  NotFound: 5,
  /** What was to be made is there already. */
  AlreadyExists: 6,
  /** The caller may not do this. */
  PermissionDenied: 7,
  /** A limit or a quota is used up. */
  ResourceExhausted: 8,
  /** The state of the server does not allow it. */
  FailedPrecondition: 9,
  /** Another call was in the way; start over. */
  Aborted: 10,
  /** Beyond the end of what there is. */
  OutOfRange: 11,
  /** The server does not know or do this. */
  Unimplemented: 12,
  /** Something is broken. */
  Internal: 13,
  /** No server can be reached now; trying again may help. */
  Unavailable: 14,
  /** Data is lost for good. */
  DataLoss: 15,
  /** It is not known who calls. */
  Unauthenticated: 16
};
var CODE_NAMES = new Map(Object.entries(Code).map(([name, code]) => [code, snake(name)]));
function snake(name) {
  return name.replace(/(?<!^)[A-Z]/g, "_$&").toLowerCase();
}
function codeName(code) {
  return CODE_NAMES.get(code) ?? `code ${code}`;
}
function codeOf(number) {
  return CODE_NAMES.has(number) ? number : Code.Unknown;
}
var RpcError = class extends Error {
  /** Why. */
  code;
  /** The server's text; `message` has the name of the code ahead of it. */
  rawMessage;
  details;
  /** The trailers of the failed call. */
  metadata;
  /** No handler has seen the call: it may be made again, whatever it does. */
  unprocessed;
  constructor(rawMessage, code = Code.Unknown, init = {}) {
    super(rawMessage === "" ? `[${codeName(code)}]` : `[${codeName(code)}] ${rawMessage}`);
    if (init.cause !== void 0) this.cause = init.cause;
    this.name = "RpcError";
    this.code = code;
    this.rawMessage = rawMessage;
    this.details = init.details ?? [];
    this.metadata = init.metadata ?? new Metadata();
    this.unprocessed = init.unprocessed ?? false;
  }
  /**
   * The details of one type, in their order. One that does not decode is left out: details are the server's word, and
   * an error must not hide another one.
   */
  findDetails(type) {
    const found = [];
    for (const detail of this.details) {
      if (detail.typeUrl.slice(detail.typeUrl.lastIndexOf("/") + 1) !== type.typeName) continue;
      try {
        const input = new Reader(detail.value);
        found.push(type.readProtobuf(input, input.end));
      } catch {
        continue;
      }
    }
    return found;
  }
};

// ../src/call.ts
var END = /* @__PURE__ */ Symbol("end");
var scratch2 = new Writer();
var Call = class {
  method;
  metadata;
  scope;
  /** The only request; undefined: requests follow. */
  request;
  /** The id on its connection; 0 until it is opened. */
  stream = 0;
  /** Called when it has ended, whoever ended it, and whether or not somebody takes what came. */
  onEnded;
  #host;
  #isProtobuf = false;
  #inbox = [];
  #taken = 0;
  #headers;
  #trailers;
  #failure;
  #wakeReceiver;
  #wakeSender;
  #isWritten = true;
  constructor(host, method2, metadata, scope, request) {
    this.#host = host;
    this.method = method2;
    this.metadata = metadata;
    this.scope = scope;
    this.request = request;
  }
  get hasEnded() {
    return this.#trailers !== void 0 || this.#failure !== void 0;
  }
  /** The server's initial metadata; empty as long as none has come. */
  metadataReceived() {
    return this.#headers ?? new Metadata();
  }
  /** The trailers of a call that ended well; empty before. */
  get trailers() {
    return this.#trailers ?? new Metadata();
  }
  /** The next response, END behind the last one, or undefined when only the headers have come. Rejects as it failed. */
  async next() {
    const hadHeaders = this.#headers !== void 0;
    while (this.#taken === this.#inbox.length) {
      if (this.#failure !== void 0) throw this.#failure.error;
      if (this.#trailers !== void 0) return END;
      if (!hadHeaders && this.#headers !== void 0) return void 0;
      await new Promise((resolve) => {
        this.#wakeReceiver = resolve;
      });
    }
    const message2 = this.#inbox[this.#taken++];
    if (this.#taken === this.#inbox.length) {
      this.#inbox = [];
      this.#taken = 0;
    } else if (this.#taken === COMPACT_AT) {
      this.#inbox = this.#inbox.slice(this.#taken);
      this.#taken = 0;
    }
    this.#host.consumed(this, message2.length);
    return this.#decode(message2);
  }
  /** Sends a request once there is room for it, and says how long it was. Returns at once if the call has ended. */
  async send(request) {
    await this.#untilWritten(() => this.stream > 0);
    if (this.hasEnded) return 0;
    const message2 = this.encode(request);
    this.#isWritten = this.#host.sendMessage(this, message2);
    await this.#untilWritten(() => this.#isWritten);
    return message2.length;
  }
  /** No further request follows. */
  async halfClose() {
    await this.#untilWritten(() => this.stream > 0);
    if (!this.hasEnded) this.#host.halfClose(this);
  }
  async #untilWritten(isDone) {
    while (!isDone() && !this.hasEnded) {
      await new Promise((resolve) => {
        this.#wakeSender = resolve;
      });
    }
  }
  /** A request in the encoding of this call. @throws CodecError a value cannot be written. */
  encode(request) {
    const { input } = this.method;
    try {
      if (this.#isProtobuf) input.writeProtobuf(request, scratch2);
      else input.writeNative(request, scratch2);
    } catch (error) {
      scratch2.rewind(0);
      throw error;
    }
    return scratch2.take();
  }
  #decode(message2) {
    const { output } = this.method;
    const reader = new Reader(message2);
    try {
      const response = this.#isProtobuf ? output.readProtobuf(reader, reader.end) : output.readNative(reader);
      reader.expectEnd();
      return response;
    } catch (error) {
      const why = error instanceof CodecError ? error.message : String(error);
      const text = `a response of ${this.method.path} does not decode: ${why}`;
      const failure = new RpcError(text, Code.Internal, { cause: error });
      this.fail(failure);
      throw failure;
    }
  }
  /** Whether it has ended, and everything that came was taken. */
  get isOver() {
    return this.hasEnded && this.#taken === this.#inbox.length;
  }
  /** This side ends the call; what came is dropped. */
  fail(error) {
    if (this.isOver) return;
    this.#inbox = [];
    this.#taken = 0;
    this.#failure ??= { error };
    this.#host.leave(this, error instanceof Error ? error.message : String(error));
    this.#ended();
  }
  #ended() {
    this.onEnded?.();
    this.#wake();
  }
  #wake() {
    this.#wakeReceiver?.();
    this.#wakeSender?.();
    this.#wakeReceiver = this.#wakeSender = void 0;
  }
  /** It was opened on its connection. */
  onOpened(stream) {
    this.stream = stream;
    this.#wake();
  }
  /** Says in which encoding its messages travel, ahead of the first one. */
  speak(isProtobuf) {
    this.#isProtobuf = isProtobuf;
  }
  onSent() {
    this.#isWritten = true;
    this.#wake();
  }
  onHeaders(metadata) {
    this.#headers = metadata;
    this.#wake();
  }
  onMessage(message2) {
    this.#inbox.push(message2);
    this.#wake();
  }
  onStatus(status, message2) {
    if (this.hasEnded) return;
    if (status.code !== 0) {
      const { text, code, details, trailers } = status;
      return this.onLost(new RpcError(text, code, { details, metadata: trailers }));
    }
    if (message2 !== void 0) this.#inbox.push(message2);
    this.#trailers = status.trailers;
    this.#ended();
  }
  /** The other side, or the connection, ended it; what came before is still there to be taken. */
  onLost(error) {
    if (this.hasEnded) return;
    this.#failure = { error };
    this.#ended();
  }
};
var COMPACT_AT = 256;

// ../src/attempts.ts
var MOST_RETURNS = 5;
var RETURN_BACKOFF = { initialMs: 20, maxMs: 1e3 };
var Attempts = class {
  #source;
  #setup;
  #request;
  #feed;
  #call;
  #isCommitted = false;
  #returns = 0;
  /** Either the only request, or the feed of many. */
  constructor(source, setup, requests) {
    this.#source = source;
    this.#setup = setup;
    if ("only" in requests) this.#request = requests.only;
    else this.#feed = requests;
  }
  /** The next response, or END behind the last one. Rejects as the call failed; one at a time. */
  async receive() {
    for (; ; ) {
      try {
        const call = this.#call ??= await this.#start();
        const response = await call.next();
        if (!this.#isCommitted) this.#commit(call);
        if (response === void 0) continue;
        if (response === END) this.#setup.onTrailer?.(call.trailers);
        return response;
      } catch (error) {
        await this.#afterFailure(error);
      }
    }
  }
  /** Lets go of everything; a call that has not ended is left. */
  close() {
    this.#isCommitted = true;
    if (this.#call?.isOver === false) this.#call.fail(new RpcError("the call was left by its caller", Code.Canceled));
    this.#release();
  }
  /** Ends what would outlive the call: its timer, its listener, and its requests. */
  #release() {
    this.#setup.scope.close();
    this.#feed?.close();
  }
  #commit(call) {
    this.#isCommitted = true;
    this.#feed?.commit();
    this.#setup.onHeader?.(call.metadataReceived());
  }
  async #start() {
    const { method: method2, scope, metadata, waitForReady } = this.#setup;
    if (scope.stopped !== void 0) throw scope.stopped;
    const source = this.#source.acquire(scope, waitForReady);
    const connection = source instanceof Promise ? await source : source;
    const call = new Call(connection, method2, metadata, scope, this.#request);
    scope.watch((error) => call.fail(error));
    call.onEnded = () => {
      if (this.#isCommitted) this.#release();
    };
    connection.start(call);
    if (this.#feed !== void 0) void this.#pump(call, this.#feed);
    return call;
  }
  /** Sends the requests of a stream; never rejects. */
  async #pump(call, feed) {
    try {
      for (let index = 0; !call.hasEnded; index++) {
        const request = await feed.at(index);
        if (request === END) return await call.halfClose();
        feed.sent(await call.send(request));
      }
    } catch (error) {
      call.fail(error);
    }
  }
  /** Returns when the next attempt may be made. @throws RpcError there is none; or whatever else the call ended with. */
  async #afterFailure(error) {
    const { scope, method: method2 } = this.#setup;
    if (!(error instanceof RpcError)) throw error;
    if (this.#call === void 0 || !this.#mayReturn(error)) throw declared(error, method2.errors);
    this.#call = void 0;
    this.#returns += 1;
    const delay2 = this.#returns === 1 ? 0 : backoffMs(this.#returns - 1, RETURN_BACKOFF, () => this.#source.draw());
    if (delay2 > 0) await scope.pause(delay2);
  }
  #mayReturn(error) {
    if (this.#isCommitted || !error.unprocessed || this.#returns >= MOST_RETURNS) return false;
    if (this.#setup.scope.stopped !== void 0 || this.#feed?.canRestart === false) return false;
    return error.code === Code.Unavailable || error.code === Code.ResourceExhausted;
  }
};
function declared(error, types) {
  for (const type of types) {
    const typed = type.fromError(error);
    if (typed !== void 0) return typed;
  }
  return error;
}

// ../src/liveness.ts
var Liveness = class {
  #keepalive;
  #clock;
  #actions;
  #intervalMs;
  #leastMs = 0;
  #heardAt;
  #pingedAt;
  /** Since when a frame has begun and is not whole. */
  #frameSince;
  #timer;
  #isRunning = false;
  /** `slowness`: how often servers have asked for fewer pings; each time makes the interval twice as long. */
  constructor(keepalive, slowness, clock, actions) {
    this.#keepalive = keepalive;
    this.#intervalMs = keepalive.intervalMs * 2 ** Math.min(slowness, 10);
    this.#clock = clock;
    this.#actions = actions;
    this.#heardAt = clock.now();
  }
  /** Begins to watch, and pings no more often than the server wants. */
  start(minIntervalMs) {
    this.#leastMs = minIntervalMs;
    this.#intervalMs = Math.max(this.#intervalMs, minIntervalMs);
    this.#isRunning = true;
    this.#wait();
  }
  /** Ends all watching. */
  stop() {
    this.#isRunning = false;
    this.#clock.stop(this.#timer);
  }
  /** Something arrived, in the middle of a frame or not. */
  heard(isWithinFrame) {
    this.#heardAt = this.#clock.now();
    this.#pingedAt = void 0;
    if (!isWithinFrame) this.#frameSince = void 0;
    else this.#frameSince ??= this.#heardAt;
  }
  /** Asks for a sign of life now, such as when the computer was asleep. */
  probe() {
    if (!this.#isRunning || this.#pingedAt !== void 0) return;
    if (this.#clock.now() - this.#heardAt < this.#leastMs) return;
    this.#clock.stop(this.#timer);
    this.#ping();
  }
  #wait() {
    const left = Math.max(0, this.#heardAt + this.#intervalMs - this.#clock.now());
    this.#timer = this.#clock.start(() => this.#look(), left);
  }
  #look() {
    const now = this.#clock.now();
    const longest = this.#keepalive.intervalMs + this.#keepalive.timeoutMs;
    if (this.#frameSince !== void 0 && now - this.#frameSince >= longest) {
      return this.#actions.lose(`a frame has begun and did not end within ${longest} ms`);
    }
    if (now - this.#heardAt < this.#intervalMs) return this.#wait();
    this.#ping();
  }
  #ping() {
    const pingedAt = this.#clock.now();
    this.#pingedAt = pingedAt;
    this.#actions.ping();
    this.#timer = this.#clock.start(() => this.#judge(pingedAt), this.#keepalive.timeoutMs);
  }
  #judge(pingedAt) {
    if (this.#pingedAt === void 0) return this.#look();
    if (this.#clock.now() - pingedAt > this.#keepalive.timeoutMs * 2) return this.#ping();
    const silentMs = Math.round(this.#clock.now() - this.#heardAt);
    this.#actions.lose(`the server sent nothing for ${silentMs} ms, not even to a ping`);
  }
};

// ../src/frame.ts
var PREFACE = Uint8Array.of(69, 70, 84, 49);
var HEADER_BYTES = 10;
var FRAME_COST = 64;
var MAX_STREAM_ID = 2 ** 31 - 1;
var MAX_INCREMENT = 2 ** 31 - 1;
var CREDIT_CEILING = 2 ** 40;
var MAX_SERVER_HELLO_BYTES = 1048576;
var MAX_REASON_BYTES = 1024;
var FrameType = {
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
  GoAway: 11
};
var NAMES = ["", "HELLO", "OPEN", "HEADERS", "MESSAGE", "HALF_CLOSE", "STATUS", "RESET", "CREDIT", "PING", "PONG"];
var FIRST_EXTENSION = 128;
var Flag = {
  End: 1,
  Message: 2,
  Metadata: 4,
  Compressed: 8,
  More: 16,
  Protobuf: 32,
  Full: 64,
  /** Of RESET alone. */
  Unprocessed: 1
};
function frameName(type) {
  return type === FrameType.GoAway ? "GOAWAY" : NAMES[type] ?? `type ${type}`;
}
var ProtocolError = class extends Error {
  name = "ProtocolError";
  code;
  constructor(message2, code = Code.Internal) {
    super(message2);
    this.code = code;
  }
};
var FrameSplitter = class {
  #maxFrameBytes;
  #held = new Uint8Array(64);
  #size = 0;
  #hasPreface = false;
  #hasHello = false;
  constructor(maxFrameBytes) {
    this.#maxFrameBytes = maxFrameBytes;
  }
  /** Whether the server has sent anything that only this protocol begins with. */
  get hasPreface() {
    return this.#hasPreface;
  }
  /** Whether a frame has begun and is not whole. */
  get isWithinFrame() {
    return this.#size > 0;
  }
  /**
   * The frames that `data` completes. They are made one at a time, so what the first one changes holds for the second.
   * @throws ProtocolError the peer speaks something else, or a frame is too long.
   */
  *push(data) {
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
        const total2 = HEADER_BYTES + this.#checkedLength(data, at);
        if (data.length - at >= total2) {
          yield this.#frame(data.subarray(at, at + total2));
          at += total2;
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
  #frame(bytes2) {
    const type = bytes2[4] ?? 0;
    if (type === FrameType.Hello) this.#hasHello = true;
    return { type, flags: bytes2[5] ?? 0, stream: u32(bytes2, 6), payload: bytes2.subarray(HEADER_BYTES) };
  }
  /** Keeps bytes of `data` until there are `size`; where the rest of `data` begins. */
  #fill(data, at, size) {
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
  #checkedLength(bytes2, at) {
    const length = u32(bytes2, at);
    const type = bytes2[at + 4] ?? 0;
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
};
function checkPreface(bytes2) {
  if (bytes2.every((byte, index) => byte === PREFACE[index])) return;
  const hex = Array.from(bytes2, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  throw new ProtocolError(`the peer does not speak EFT1: its first bytes are ${hex}. Check the address and the port`);
}
function u32(bytes2, at) {
  const [a = 0, b = 0, c = 0, d = 0] = [bytes2[at], bytes2[at + 1], bytes2[at + 2], bytes2[at + 3]];
  return (a | b << 8 | c << 16 | d << 24) >>> 0;
}
var TEXT2 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
var FieldReader = class {
  pos = 0;
  end;
  #bytes;
  #view;
  #what;
  constructor(bytes2, what) {
    this.#bytes = bytes2;
    this.#view = new DataView(bytes2.buffer, bytes2.byteOffset, bytes2.byteLength);
    this.end = bytes2.length;
    this.#what = what;
  }
  get left() {
    return this.end - this.pos;
  }
  #advance(size) {
    if (size > this.left) {
      throw new ProtocolError(`${this.#what} is cut short: ${size} bytes are due at ${this.pos}, ${this.left} are left`);
    }
    this.pos += size;
    return this.pos - size;
  }
  u8() {
    return this.#view.getUint8(this.#advance(1));
  }
  u16() {
    return this.#view.getUint16(this.#advance(2), true);
  }
  u32() {
    return this.#view.getUint32(this.#advance(4), true);
  }
  u64() {
    return this.#view.getBigUint64(this.#advance(8), true);
  }
  /** A copy of the next bytes. */
  raw(size) {
    const at = this.#advance(size);
    return this.#bytes.slice(at, at + size);
  }
  text(size) {
    const at = this.#advance(size);
    try {
      return TEXT2.decode(this.#bytes.subarray(at, at + size));
    } catch {
      throw new ProtocolError(`${this.#what} has a text that is not UTF-8 at ${at}`);
    }
  }
  expectEnd() {
    if (this.left > 0) throw new ProtocolError(`${this.#what} has ${this.left} bytes behind its last field`);
  }
};

// ../src/backlog.ts
var RESERVE_DIVISOR = 4;
var Outflow = class {
  credit;
  outgoing;
  stream;
  constructor(stream, window) {
    this.stream = stream;
    this.credit = window;
  }
};
var Backlog = class {
  #write;
  #begun = /* @__PURE__ */ new Set();
  #starved = /* @__PURE__ */ new Set();
  #credit = 0;
  #reserve = 0;
  #frameBytes = 0;
  #budget = Infinity;
  constructor(write) {
    this.#write = write;
  }
  /** Takes over the connection's first credit, and the longest payload of a frame. */
  agree(window, frameBytes) {
    this.#credit = window;
    this.#reserve = Math.floor(window / RESERVE_DIVISOR);
    this.#frameBytes = frameBytes;
  }
  /** Whether a message waits for the socket alone. */
  get isWaitingForSocket() {
    return this.#budget <= 0 && this.#starved.size > 0;
  }
  /** Sends a message, or as much of it as there is credit for; whether that is all of it. */
  send(flow, bytes2, isLast) {
    flow.outgoing = { bytes: bytes2, position: 0, isLast };
    return this.#advance(flow, flow.outgoing);
  }
  /** The bytes that the socket takes now; the streams whose messages went out with them. */
  allow(budget) {
    this.#budget = budget;
    return budget > 0 ? this.#resumeAll() : [];
  }
  /** Credit for the connection; the streams whose messages went out with it. @throws ProtocolError it is too much. */
  grant(increment) {
    this.#credit = checkCredit(this.#credit + increment, "the connection");
    return this.#resumeAll();
  }
  /** Credit for a stream; whether its message went out with it. @throws ProtocolError it is too much. */
  grantStream(flow, increment) {
    flow.credit = checkCredit(flow.credit + increment, `stream ${flow.stream}`);
    return flow.outgoing !== void 0 && this.#advance(flow, flow.outgoing);
  }
  /** Gives up what is left of a stream's message. */
  forget(flow) {
    flow.outgoing = void 0;
    this.#begun.delete(flow);
    this.#starved.delete(flow);
  }
  #resumeAll() {
    const sent = [];
    const [first] = this.#begun;
    if (first?.outgoing !== void 0 && this.#advance(first, first.outgoing)) sent.push(first);
    for (const flow of this.#starved) {
      if (flow.outgoing !== void 0 && this.#advance(flow, flow.outgoing)) sent.push(flow);
      else if (this.#starved.has(flow)) break;
    }
    return sent;
  }
  #advance(flow, outgoing) {
    for (; ; ) {
      const left = outgoing.bytes.length - outgoing.position;
      const spare = this.#budget > 0 ? this.#spare(flow) : 0;
      const wanted = Math.min(left, this.#frameBytes);
      const room = Math.min(flow.credit, spare) - FRAME_COST;
      const size = Math.min(wanted, room);
      if (room < Math.min(wanted, 1)) {
        if (flow.credit - FRAME_COST >= Math.min(wanted, 1)) this.#starved.add(flow);
        else this.#starved.delete(flow);
        return false;
      }
      const isWhole = size === left;
      const flags = !isWhole ? Flag.More : outgoing.isLast ? Flag.End : 0;
      this.#write(flow.stream, flags, outgoing.bytes.subarray(outgoing.position, outgoing.position + size));
      flow.credit -= size + FRAME_COST;
      this.#credit -= size + FRAME_COST;
      this.#budget -= size + FRAME_COST;
      outgoing.position += size;
      if (isWhole) {
        this.forget(flow);
        return true;
      }
      this.#begun.add(flow);
    }
  }
  /** What the stream may take of the connection's credit. */
  #spare(flow) {
    const [first] = this.#begun;
    return first === void 0 || first === flow ? this.#credit : this.#credit - this.#reserve;
  }
};
function checkCredit(credit, whose) {
  if (credit <= CREDIT_CEILING) return credit;
  throw new ProtocolError(`credit of ${whose} rose to ${credit}, over the limit of ${CREDIT_CEILING}`);
}

// ../src/block.ts
var MAX_PAIRS = 32767;
var UTF8 = new TextEncoder();
function okStatus() {
  return { code: 0, text: "", details: [], trailers: new Metadata() };
}
function metadataBytes(metadata) {
  let size = 2;
  for (const [key, value] of metadata.pairs) size += 5 + key.length + value.length;
  return size;
}
function writeMetadata(metadata, out) {
  out.u32(metadataBytes(metadata));
  out.u16(metadata.size);
  for (const [key, value] of metadata.pairs) {
    out.u8(key.length);
    out.raw(UTF8.encode(key));
    out.u32(value.length);
    out.raw(typeof value === "string" ? UTF8.encode(value) : value);
  }
}
function readMetadata(input, limit) {
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
  const pairs = [];
  for (let index = 0; index < count; index++) pairs.push(readPair(input));
  input.expectEnd();
  input.end = end;
  return Metadata.fromChecked(pairs);
}
function readPair(input) {
  const key = input.text(input.u8());
  const keyWrong = keyFault(key);
  if (keyWrong !== void 0) throw new ProtocolError(keyWrong);
  const size = input.u32();
  if (isBinaryKey(key)) return [key, input.raw(size)];
  const text = input.text(size);
  const textWrong = textFault(key, text);
  if (textWrong !== void 0) throw new ProtocolError(textWrong);
  return [key, text];
}
function readStatus(input, maxMetadataBytes) {
  const number = input.u8();
  const text = input.text(input.u32());
  const details = [];
  for (let left = input.u16(); left > 0; left--) {
    const typeUrl = input.text(input.u16());
    details.push({ typeUrl, value: input.raw(input.u32()) });
  }
  const trailers = readMetadata(input, maxMetadataBytes);
  return { code: number === 0 ? 0 : codeOf(number), text, details, trailers };
}

// ../src/flow.ts
var STREAM_STEP = 2;
var CONNECTION_STEP = 8;
var Assembly = class {
  #bytes = new Uint8Array(0);
  size = 0;
  push(part) {
    const size = this.size + part.length;
    if (size > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#bytes.length * 2, size));
      grown.set(this.#bytes.subarray(0, this.size));
      this.#bytes = grown;
    }
    this.#bytes.set(part, this.size);
    this.size = size;
  }
  take() {
    return this.#bytes.slice(0, this.size);
  }
};
var Inflow = class {
  granted;
  received = 0;
  consumed = 0;
  /** Credit taken by the message that is arriving in parts. */
  assembled = 0;
  assembly;
  /** Nothing more comes, so credit is of no use to the server. */
  isEnded = false;
  stream;
  window;
  constructor(stream, window) {
    this.stream = stream;
    this.window = window;
    this.granted = window;
  }
  /** Whether the application has whole messages to take, beside `arriving` bytes that are not counted yet. */
  hasUnread(arriving = 0) {
    return this.received - this.consumed - arriving > this.assembled;
  }
  /** Adds a part of a message; how long it is so far. */
  push(part) {
    this.assembly ??= new Assembly();
    this.assembly.push(part);
    return this.assembly.size;
  }
};
var ReceiveFlow = class {
  #window;
  #give;
  #granted;
  #received = 0;
  #consumed = 0;
  /** Streams whose message has arrived in part, in the order in which these began. */
  #begun = /* @__PURE__ */ new Set();
  /** The one out of them that lends. */
  #express;
  constructor(window, give) {
    this.#window = window;
    this.#granted = window;
    this.#give = give;
  }
  /** Bytes of credit that were received and not consumed: the memory that the connection holds. */
  get held() {
    return this.#received - this.#consumed;
  }
  /** Counts a MESSAGE frame. @throws ProtocolError the server sent more than it may. */
  arrived(inflow, cost) {
    inflow.received += cost;
    if (inflow.received > inflow.granted) {
      const over = inflow.received - inflow.granted;
      const text = `stream ${inflow.stream} overran its window of ${inflow.window} bytes by ${over}`;
      throw new ProtocolError(text, Code.ResourceExhausted);
    }
    this.#receive(cost);
  }
  /** Counts a MESSAGE frame of a stream that has ended. @throws ProtocolError as `arrived`. */
  ignored(cost) {
    this.#receive(cost);
    this.#consumed += cost;
    this.#settle();
  }
  #receive(cost) {
    this.#received += cost;
    if (this.#received <= this.#granted) return;
    const over = this.#received - this.#granted;
    const text = `the server overran the connection's window of ${this.#window} bytes by ${over}`;
    throw new ProtocolError(text, Code.ResourceExhausted);
  }
  /** Counts `cost`, which has arrived, as part of a message that is not whole yet. */
  continues(inflow, cost) {
    this.#begun.add(inflow);
    inflow.assembled += cost;
    this.#choose();
    if (this.#express !== inflow) return;
    this.#settleStream(inflow);
    this.#settle();
  }
  /** The message that was arriving is whole; `surplus` of its credit is not the application's to give back. */
  completed(inflow, surplus) {
    inflow.consumed += surplus;
    this.#consumed += surplus;
    inflow.assembled = 0;
    inflow.assembly = void 0;
    if (this.#begun.delete(inflow)) this.#choose();
  }
  /** The application took a message. */
  taken(inflow, cost) {
    inflow.consumed += cost;
    this.#consumed += cost;
    this.#choose();
    if (!inflow.isEnded) this.#settleStream(inflow);
    this.#settle();
  }
  /** The stream has ended, and the application takes nothing more of it. */
  dropped(inflow) {
    inflow.isEnded = true;
    this.#consumed += inflow.received - inflow.consumed;
    inflow.consumed = inflow.received;
    this.completed(inflow, 0);
    this.#settle();
  }
  /** The server ended the stream within a message; what is whole is still the application's. */
  abandoned(inflow) {
    this.completed(inflow, inflow.assembled);
    this.#settle();
  }
  #choose() {
    let first;
    for (const inflow of this.#begun) {
      if (inflow.hasUnread()) continue;
      first = inflow;
      break;
    }
    if (first === this.#express) return;
    this.#express = first;
    if (first === void 0) return;
    this.#settleStream(first);
    this.#settle();
  }
  #settleStream(inflow) {
    const loan = this.#express === inflow ? inflow.assembled : 0;
    const owed = Math.min(inflow.consumed + inflow.window + loan - inflow.granted, MAX_INCREMENT);
    if (owed * STREAM_STEP < inflow.window) return;
    inflow.granted += owed;
    this.#give(inflow.stream, owed);
  }
  #settle() {
    const loan = this.#express?.assembled ?? 0;
    const owed = Math.min(this.#consumed + this.#window + loan - this.#granted, MAX_INCREMENT);
    if (owed * CONNECTION_STEP < this.#window) return;
    this.#granted += owed;
    this.#give(0, owed);
  }
};

// ../src/output.ts
var OPEN_FIXED_BYTES = 10;
var BLOCK_LENGTH_BYTES = 4;
var PING_BYTES = 8;
var UTF82 = new TextEncoder();
var FrameOutput = class {
  writer = new Writer();
  /** Writes OPEN; whether the request, if there is one, has gone along in a frame of so many bytes at most. */
  open(stream, opening, frameBytes) {
    const { request, metadata } = opening;
    const blockBytes = metadata.size > 0 ? BLOCK_LENGTH_BYTES + metadataBytes(metadata) : 0;
    const rides = request !== void 0 && OPEN_FIXED_BYTES + blockBytes + request.length <= frameBytes;
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
  message(stream, flags, part) {
    this.#frame(FrameType.Message, flags, stream, part);
  }
  halfClose(stream) {
    this.#header(0, FrameType.HalfClose, 0, stream);
  }
  credit(stream, increment) {
    this.#header(4, FrameType.Credit, 0, stream);
    this.writer.u32(increment);
  }
  reset(stream, code, reason) {
    const text = cut2(reason);
    this.#header(1 + text.length, FrameType.Reset, 0, stream);
    this.writer.u8(code);
    this.writer.raw(text);
  }
  ping() {
    this.#frame(FrameType.Ping, 0, 0, new Uint8Array(PING_BYTES));
  }
  pong(payload) {
    this.#frame(FrameType.Pong, 0, 0, payload);
  }
  /** A client's go-away names no stream. */
  goAway(code, reason) {
    const text = cut2(reason);
    this.#header(5 + text.length, FrameType.GoAway, 0, 0);
    this.writer.u32(0);
    this.writer.u8(code);
    this.writer.raw(text);
  }
  #frame(type, flags, stream, payload) {
    this.#header(payload.length, type, flags, stream);
    this.writer.raw(payload);
  }
  #header(size, type, flags, stream) {
    const { writer } = this;
    writer.u32(size);
    writer.u8(type);
    writer.u8(flags);
    writer.u32(stream);
  }
};
function cut2(reason) {
  const text = UTF82.encode(reason);
  let end = Math.min(text.length, MAX_REASON_BYTES);
  while (end < text.length && ((text[end] ?? 0) & 192) === 128) end--;
  return text.subarray(0, end);
}

// ../src/settings.ts
var DEFAULT_SETTINGS = {
  maxFrameBytes: 65536,
  maxMessageBytes: 64 * 1024 * 1024,
  maxMetadataBytes: 16384,
  streamWindow: 1024 * 1024,
  connectionWindow: 80 * 1024 * 1024,
  minPingIntervalMs: 100
};
var GREATEST = 2 ** 31 - 1;
var MAX_METHODS = 32767;
var MAJOR = 1;
var MINOR = 0;
var PROTOBUF = 1n;
var KEYS = [
  ["maxFrameBytes", 16384, 16384, GREATEST],
  ["maxMessageBytes", 4194304, 1, GREATEST],
  ["maxStreams", 100, 0, GREATEST],
  ["maxMetadataBytes", 8192, 0, GREATEST],
  ["streamWindow", 65536, 16384, GREATEST],
  ["connectionWindow", 1048576, 16384, GREATEST],
  ["minPingIntervalMs", 1e3, 0, GREATEST]
];
var FEATURES_KEY = 8;
function checkSettings(settings) {
  checkRange("maxFrameBytes", settings.maxFrameBytes, 16384, 2 ** 24);
  checkRange("maxMessageBytes", settings.maxMessageBytes, 1, GREATEST);
  checkRange("maxMetadataBytes", settings.maxMetadataBytes, 2, settings.maxFrameBytes - 4096);
  checkRange("streamWindow", settings.streamWindow, 16384, GREATEST);
  checkRange("connectionWindow", settings.connectionWindow, settings.streamWindow, GREATEST);
  checkRange("minPingIntervalMs", settings.minPingIntervalMs, 1, GREATEST);
  return settings;
}
function checkRange(name, value, least, most) {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new RangeError(`${name} has to be a whole number from ${least} to ${most}, not ${value}`);
}
function greeting(settings) {
  const out = new Writer();
  out.raw(PREFACE);
  out.u32(0);
  out.u8(FrameType.Hello);
  out.u8(0);
  out.u32(0);
  const start2 = out.pos;
  out.u16(MAJOR);
  out.u16(MINOR);
  out.u16(KEYS.length + 1);
  const values = { ...settings, maxStreams: 0 };
  KEYS.forEach(([name], index) => {
    out.u16(index + 1);
    out.u64(BigInt(values[name]));
  });
  out.u16(FEATURES_KEY);
  out.u64(PROTOBUF);
  out.u8(0);
  out.u16(0);
  out.patchU32(PREFACE.length, out.pos - start2);
  return out.take();
}
function readHello(payload) {
  const input = new FieldReader(payload, "HELLO");
  const major = input.u16();
  const minor = input.u16();
  if (major !== MAJOR) {
    const text = `the server speaks version ${major}.${minor} of the protocol, this client ${MAJOR}.${MINOR}: update one`;
    throw new ProtocolError(text, Code.Unimplemented);
  }
  const limits = Object.fromEntries(KEYS.map(([name, initial]) => [name, initial]));
  let features = 0n;
  for (let left = input.u16(); left > 0; left--) {
    const key = input.u16();
    const value = input.u64();
    const known = KEYS[key - 1];
    if (key === FEATURES_KEY) features = value;
    else if (known !== void 0) limits[known[0]] = limitOf(known, value);
  }
  input.raw(input.u8());
  const methods = readMethods(input);
  input.expectEnd();
  return { ...limits, hasProtobuf: (features & PROTOBUF) !== 0n, methods };
}
function limitOf([name, , least, most], value) {
  if (value < BigInt(least)) throw new ProtocolError(`HELLO says ${name} ${value}, the least is ${least}`);
  return value > BigInt(most) ? most : Number(value);
}
function readMethods(input) {
  const methods = /* @__PURE__ */ new Map();
  const count = input.u16();
  if (count > MAX_METHODS) throw new ProtocolError(`HELLO lists ${count} methods, over the limit of ${MAX_METHODS}`);
  for (let id = 0; id < count; id++) {
    const path = input.text(input.u16());
    if (methods.has(path)) throw new ProtocolError(`HELLO lists ${path} twice`);
    methods.set(path, { id, fingerprint: input.u64() });
  }
  return methods;
}

// ../src/machine.ts
var MAX_PART_BYTES = 131072;
var PING_BYTES2 = 8;
var PING_BURST = 10;
var EMPTY = new Uint8Array(0);
var ClientMachine = class {
  #frames = new FrameOutput();
  #settings;
  #splitter;
  #flow;
  #backlog;
  #streams = /* @__PURE__ */ new Map();
  #lingering = /* @__PURE__ */ new Map();
  #peer;
  #frameBytes = 0;
  #lastStream = 0;
  #isDraining = false;
  #hasEnded = false;
  #pings = PING_BURST;
  #pingedAt;
  #events = [];
  constructor(settings, now) {
    this.#settings = settings;
    this.#splitter = new FrameSplitter(settings.maxFrameBytes);
    this.#flow = new ReceiveFlow(settings.connectionWindow, (stream, increment) => this.#frames.credit(stream, increment));
    this.#backlog = new Backlog((stream, flags, part) => this.#frames.message(stream, flags, part));
    this.#pingedAt = now;
    this.output.raw(greeting(settings));
  }
  /** What is to be sent. */
  get output() {
    return this.#frames.writer;
  }
  /** Calls in flight. */
  get activeStreams() {
    return this.#streams.size;
  }
  /** Bytes of credit that the server has used and the application not given back: the memory of this connection. */
  get heldBytes() {
    return this.#flow.held;
  }
  /** Whether a frame has begun to arrive and is not whole. */
  get isWithinFrame() {
    return this.#splitter.isWithinFrame;
  }
  /** Whether the server takes another call now. */
  get canOpen() {
    return !this.#hasEnded && !this.#isDraining && this.#peer !== void 0 && this.#streams.size < this.#peer.maxStreams;
  }
  /** Whether all ids of streams are used up, so that another connection is needed. */
  get isExhausted() {
    return this.#lastStream >= MAX_STREAM_ID;
  }
  /** Whether a message waits for nothing but the socket. */
  get isWaitingForSocket() {
    return this.#backlog.isWaitingForSocket;
  }
  /**
   * What the server did with these bytes, which came at `now` milliseconds. If it breaks the protocol, the last event
   * is followed by the error, which is returned: the connection has to end then, and a GOAWAY is in the output.
   */
  receive(data, now) {
    this.#events = [];
    if (this.#hasEnded) return { events: this.#events, error: void 0 };
    this.#refillPings(now);
    try {
      for (const frame of this.#splitter.push(data)) this.#handle(frame);
      return { events: this.#events, error: void 0 };
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      if (this.#splitter.hasPreface) this.goAway(error.code, error.message);
      this.end();
      return { events: this.#events, error };
    }
  }
  /** Begins a call and returns its id. A request that is too long for the frame follows it as credit allows. */
  open(opening) {
    const stream = ++this.#lastStream;
    const { request } = opening;
    const rides = this.#frames.open(stream, opening, this.#frameBytes);
    const state = {
      inflow: new Inflow(stream, this.#settings.streamWindow),
      outflow: new Outflow(stream, this.#peer?.streamWindow ?? 0),
      isAnswered: false,
      isHalfClosed: request !== void 0
    };
    this.#streams.set(stream, state);
    if (request !== void 0 && !rides) this.#backlog.send(state.outflow, request, true);
    return stream;
  }
  /** Sends a message of a call. True: it is in the output; false: it waits for credit, and a `sent` event follows. */
  sendMessage(stream, message2) {
    const state = this.#streams.get(stream);
    return state === void 0 || this.#backlog.send(state.outflow, message2, false);
  }
  /** Sends nothing more on a call. */
  halfClose(stream) {
    const state = this.#streams.get(stream);
    if (state === void 0 || state.isHalfClosed) return;
    state.isHalfClosed = true;
    if (state.outflow.outgoing !== void 0) state.outflow.outgoing.isLast = true;
    else this.#frames.halfClose(stream);
  }
  /** Leaves a call; nothing more of it becomes an event. */
  reset(stream, code, reason) {
    const state = this.#streams.get(stream);
    if (state === void 0) return this.#discard(stream);
    this.#close(stream, state);
    this.#frames.reset(stream, code, reason);
  }
  #discard(stream) {
    const inflow = this.#lingering.get(stream);
    this.#lingering.delete(stream);
    if (inflow !== void 0) this.#flow.dropped(inflow);
  }
  /** The application took a message of so many bytes. */
  consumed(stream, bytes2) {
    if (this.#hasEnded) return;
    const lingering = this.#lingering.get(stream);
    const inflow = lingering ?? this.#streams.get(stream)?.inflow;
    if (inflow === void 0) return;
    this.#flow.taken(inflow, bytes2 + FRAME_COST);
    if (lingering !== void 0 && !lingering.hasUnread()) this.#lingering.delete(stream);
  }
  /** The socket takes so many bytes of messages before it is asked again. */
  allow(bytes2) {
    return this.#backlog.allow(bytes2).map((flow) => flow.stream);
  }
  /** Asks for a sign of life. */
  ping() {
    this.#frames.ping();
  }
  /** Tells the server that this side ends the connection. */
  goAway(code, reason) {
    this.#frames.goAway(code, reason);
  }
  /** The connection has ended. */
  end() {
    this.#hasEnded = true;
    this.#streams.clear();
    this.#lingering.clear();
  }
  #handle(frame) {
    const { type, flags, stream, payload } = frame;
    if (type >= FIRST_EXTENSION) return;
    const isOfCall = type >= FrameType.Open && type <= FrameType.Reset;
    if (isOfCall || type === FrameType.Credit && stream !== 0) {
      if (stream === 0 || stream > this.#lastStream) {
        throw new ProtocolError(`${frameName(type)} on stream ${stream}, which was never opened`);
      }
    } else if (stream !== 0) {
      throw new ProtocolError(`${frameName(type)} on stream ${stream}: it belongs on stream 0`);
    }
    checkFlags(frame);
    const input = new FieldReader(payload, frameName(type));
    switch (type) {
      case FrameType.Hello:
        return this.#onHello(payload);
      case FrameType.Headers:
        return this.#onHeaders(stream, input);
      case FrameType.Message:
        return this.#onMessage(stream, flags, payload);
      case FrameType.Status:
        return this.#onStatus(stream, flags, input);
      case FrameType.Reset:
        return this.#onReset(stream, flags, input);
      case FrameType.Credit:
        return this.#onCredit(stream, input);
      case FrameType.Ping:
        return this.#onPing(payload);
      case FrameType.Pong:
        return checkPingBytes("PONG", payload);
      case FrameType.GoAway:
        return this.#onGoAway(input);
      default:
        throw new ProtocolError(`${frameName(type)} from a server, which does not send it`);
    }
  }
  #onHello(payload) {
    if (this.#peer !== void 0) throw new ProtocolError("HELLO for a second time");
    const peer = readHello(payload);
    this.#peer = peer;
    this.#frameBytes = Math.min(peer.maxFrameBytes, MAX_PART_BYTES);
    this.#backlog.agree(peer.connectionWindow, this.#frameBytes);
    this.#events.push({ type: "hello", peer });
  }
  #onHeaders(stream, input) {
    const state = this.#streams.get(stream);
    if (state === void 0) return;
    if (state.isAnswered) throw new ProtocolError(`HEADERS on stream ${stream}, which was answered already`);
    state.isAnswered = true;
    const metadata = readMetadata(input, this.#settings.maxMetadataBytes);
    input.expectEnd();
    this.#events.push({ type: "headers", stream, metadata });
  }
  #onMessage(stream, flags, payload) {
    const cost = payload.length + FRAME_COST;
    const state = this.#streams.get(stream);
    if (state === void 0) return this.#flow.ignored(cost);
    state.isAnswered = true;
    const { inflow } = state;
    this.#flow.arrived(inflow, cost);
    const hasMore = (flags & Flag.More) !== 0;
    const isPart = hasMore || inflow.assembly !== void 0;
    if (isPart && payload.length === 0) throw new ProtocolError(`MESSAGE of stream ${stream} brings an empty part`);
    const size = payload.length + (inflow.assembly?.size ?? 0);
    if (size > this.#settings.maxMessageBytes) return this.#fail(stream, state, this.#tooLong(size));
    if (!isPart) {
      this.#events.push({ type: "message", stream, message: payload.slice() });
      return;
    }
    inflow.push(payload);
    if (hasMore) return this.#flow.continues(inflow, cost);
    const message2 = inflow.assembly?.take() ?? EMPTY;
    this.#flow.completed(inflow, inflow.assembled + cost - FRAME_COST - message2.length);
    this.#events.push({ type: "message", stream, message: message2 });
  }
  #onStatus(stream, flags, input) {
    const state = this.#streams.get(stream);
    if (state === void 0) return;
    const status = (flags & Flag.Full) !== 0 ? readStatus(input, this.#settings.maxMetadataBytes) : okStatus();
    const hasMessage = (flags & Flag.Message) !== 0;
    if (!hasMessage) input.expectEnd();
    if (input.left > this.#settings.maxMessageBytes) return this.#fail(stream, state, this.#tooLong(input.left));
    const message2 = hasMessage ? input.raw(input.left) : void 0;
    const { inflow } = state;
    inflow.isEnded = true;
    if (inflow.assembly !== void 0) {
      if (status.code === 0) throw new ProtocolError(`STATUS OK of stream ${stream} in the middle of a message`);
      this.#flow.abandoned(inflow);
    }
    if (inflow.hasUnread()) this.#lingering.set(stream, inflow);
    this.#streams.delete(stream);
    this.#backlog.forget(state.outflow);
    this.#events.push({ type: "status", stream, status, message: message2 });
  }
  #onReset(stream, flags, input) {
    const code = input.u8();
    if (input.left > MAX_REASON_BYTES) throw new ProtocolError(`RESET with a reason of ${input.left} bytes, over 1024`);
    const reason = input.text(input.left);
    if (code === 0) throw new ProtocolError(`RESET of stream ${stream} with code OK`);
    const state = this.#streams.get(stream);
    if (state === void 0) return;
    this.#close(stream, state);
    const unprocessed = (flags & Flag.Unprocessed) !== 0;
    this.#events.push({ type: "reset", stream, code: codeOf(code), reason, unprocessed });
  }
  #onCredit(stream, input) {
    const increment = input.u32();
    input.expectEnd();
    if (increment < 1 || increment > MAX_INCREMENT) {
      throw new ProtocolError(`CREDIT of ${increment} bytes is outside 1 to ${MAX_INCREMENT}`);
    }
    if (stream === 0) {
      for (const flow of this.#backlog.grant(increment)) this.#events.push({ type: "sent", stream: flow.stream });
      return;
    }
    const state = this.#streams.get(stream);
    if (state !== void 0 && this.#backlog.grantStream(state.outflow, increment)) {
      this.#events.push({ type: "sent", stream });
    }
  }
  #refillPings(now) {
    this.#pings = Math.min(PING_BURST, this.#pings + (now - this.#pingedAt) / this.#settings.minPingIntervalMs);
    this.#pingedAt = now;
  }
  #onPing(payload) {
    checkPingBytes("PING", payload);
    if (this.#pings < 1) {
      const text = `too_many_pings: this side wants at most one every ${this.#settings.minPingIntervalMs} ms`;
      throw new ProtocolError(text, Code.ResourceExhausted);
    }
    this.#pings -= 1;
    this.#frames.pong(payload);
  }
  #onGoAway(input) {
    const last = input.u32();
    const number = input.u8();
    if (last > MAX_STREAM_ID) throw new ProtocolError(`GOAWAY names stream ${last}, beyond any id`);
    if (input.left > MAX_REASON_BYTES) throw new ProtocolError(`GOAWAY with a reason of ${input.left} bytes, over 1024`);
    const reason = input.text(input.left);
    this.#isDraining = true;
    const unprocessed = [];
    for (const [stream, state] of this.#streams) {
      if (stream <= last) continue;
      unprocessed.push(stream);
      this.#close(stream, state);
    }
    this.#events.push({ type: "goaway", code: number === 0 ? 0 : codeOf(number), reason, unprocessed });
  }
  #tooLong(size) {
    return `a message of ${size} bytes or more is over the limit of ${this.#settings.maxMessageBytes}: ask for less`;
  }
  /** Breaks one call off because of what the server sent. */
  #fail(stream, state, reason) {
    this.#close(stream, state);
    this.#frames.reset(stream, Code.ResourceExhausted, reason);
    this.#events.push({ type: "reset", stream, code: Code.ResourceExhausted, reason, unprocessed: false });
  }
  #close(stream, state) {
    this.#streams.delete(stream);
    this.#backlog.forget(state.outflow);
    this.#flow.dropped(state.inflow);
  }
};
var FLAGS = /* @__PURE__ */ new Map([
  [FrameType.Message, Flag.More],
  [FrameType.Status, Flag.Message | Flag.Full],
  [FrameType.Reset, Flag.Unprocessed]
]);
function checkFlags({ type, flags, stream }) {
  if ((flags & ~(FLAGS.get(type) ?? 0)) === 0) return;
  const isCompressed = (type === FrameType.Message || type === FrameType.Status) && (flags & Flag.Compressed) !== 0;
  const why = isCompressed ? "a compressed message, but this side offered no compression" : "flags that it does not have";
  throw new ProtocolError(`${frameName(type)} of stream ${stream} with flags 0x${flags.toString(16)}: ${why}`);
}
function checkPingBytes(name, payload) {
  if (payload.length !== PING_BYTES2) throw new ProtocolError(`${name} of ${payload.length} bytes: it takes ${PING_BYTES2}`);
}

// ../src/opening.ts
var OPEN_FIXED_BYTES2 = 10;
var BLOCK_LENGTH_BYTES2 = 4;
function openingOf(call, peer) {
  const { path, fingerprint, prefersProtobuf } = call.method;
  const served = peer.methods.get(path);
  if (served === void 0) {
    throw new RpcError(`the server does not serve ${path}`, Code.Unimplemented, { unprocessed: true });
  }
  const isSame = served.fingerprint === fingerprint;
  if (!isSame && !peer.hasProtobuf) throw differs(path, fingerprint, served.fingerprint);
  const isProtobuf = !isSame || prefersProtobuf && peer.hasProtobuf;
  checkMetadata(call, peer);
  call.speak(isProtobuf);
  const request = call.request === void 0 ? void 0 : call.encode(call.request);
  if (request !== void 0) checkRequest(request, peer);
  return { method: served.id, timeoutUs: call.scope.timeoutUs(), metadata: call.metadata, isProtobuf, request };
}
function checkRequest(request, { maxMessageBytes }) {
  if (request.length <= maxMessageBytes) return;
  const text = `a request of ${request.length} bytes is over the server's limit of ${maxMessageBytes}: send less at a time`;
  throw new RpcError(text, Code.ResourceExhausted);
}
function checkMetadata({ metadata }, { maxMetadataBytes, maxFrameBytes }) {
  if (metadata.size === 0) return;
  const bytes2 = metadataBytes(metadata);
  const limit = Math.min(maxMetadataBytes, maxFrameBytes - OPEN_FIXED_BYTES2 - BLOCK_LENGTH_BYTES2);
  if (bytes2 <= limit) return;
  throw new RpcError(`metadata of ${bytes2} bytes is over the server's limit of ${limit}`, Code.ResourceExhausted);
}
function differs(path, ours, theirs) {
  const [here, there] = [ours, theirs].map((value) => `0x${value.toString(16).padStart(16, "0")}`);
  const text = `${path} differs: its fingerprint is ${here} here and ${there} there, and the server takes no protobuf`;
  return new RpcError(text, Code.Unimplemented, { unprocessed: true });
}

// ../src/connection.ts
var MAX_BUFFERED_BYTES = 1048576;
var FIRST_LOOK_MS = 2;
var LAST_LOOK_MS = 32;
var CLOSE_TIMEOUT_MS = 1e3;
var Connection = class {
  #owner;
  #clock;
  #machine;
  #liveness;
  #calls = /* @__PURE__ */ new Map();
  #queue = /* @__PURE__ */ new Set();
  #createdAt;
  #socket;
  #state = "connecting";
  #peer;
  #isFlushing = false;
  #handshakeTimer;
  #lookTimer;
  #lookMs = 0;
  #closeTimer;
  #isOpen = false;
  #resolveClosed = () => void 0;
  /** Resolves when the socket is closed. */
  closed = new Promise((resolve) => {
    this.#resolveClosed = resolve;
  });
  /** Begins to connect. Never throws: an attempt that fails ends with `onClosed`. */
  constructor(factory, config, owner) {
    this.#owner = owner;
    this.#clock = config.clock;
    this.#createdAt = this.#clock.now();
    this.#machine = new ClientMachine(config.settings, this.#createdAt);
    if (config.keepalive !== void 0) {
      this.#liveness = new Liveness(config.keepalive, config.slowness, this.#clock, {
        ping: () => {
          this.#machine.ping();
          this.#flushSoon();
        },
        lose: (reason) => this.#lose(reason)
      });
    }
    const late = `the server did not finish the handshake within ${config.connectTimeoutMs} ms`;
    this.#handshakeTimer = this.#clock.start(() => this.#lose(late), config.connectTimeoutMs);
    try {
      this.#socket = factory({
        onOpen: () => {
          this.#isOpen = true;
          this.#flush();
        },
        onData: (bytes2) => this.#receive(bytes2),
        onClosed: (reason) => this.#onSocketClosed(reason)
      });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      queueMicrotask(() => this.#onSocketClosed(reason));
    }
  }
  get state() {
    return this.#state;
  }
  /** Milliseconds since it was made. */
  get ageMs() {
    return this.#clock.now() - this.#createdAt;
  }
  /** Bytes of credit that the server has used and no reader given back. */
  get heldBytes() {
    return this.#state === "closed" ? 0 : this.#machine.heldBytes;
  }
  /** Begins a call, now or when there is room for it. A call that cannot begin ends. */
  start(call) {
    if (this.#state !== "ready") {
      call.onLost(new RpcError("the connection takes no more calls", Code.Unavailable, { unprocessed: true }));
      return;
    }
    this.#queue.add(call);
    this.#openQueued();
  }
  /** Asks for a sign of life now, such as when the computer was asleep. */
  probe() {
    this.#liveness?.probe();
  }
  /** Ends it; calls in flight end with Unavailable. */
  close(reason) {
    if (this.#state !== "connecting") this.#machine.goAway(0, reason);
    this.#end(new RpcError(reason, Code.Unavailable), false);
  }
  sendMessage(call, message2) {
    checkRequest(message2, this.#peer);
    const isSent = this.#machine.sendMessage(call.stream, message2);
    this.#flushSoon();
    return isSent;
  }
  halfClose(call) {
    this.#machine.halfClose(call.stream);
    this.#flushSoon();
  }
  consumed(call, bytes2) {
    this.#machine.consumed(call.stream, bytes2);
    this.#flushSoon();
  }
  leave(call, reason) {
    if (this.#queue.delete(call) || call.stream === 0 || this.#state === "closed") return;
    this.#machine.reset(call.stream, Code.Canceled, reason);
    this.#forget(call.stream);
    this.#flushSoon();
  }
  #forget(stream) {
    const call = this.#calls.get(stream);
    this.#calls.delete(stream);
    return call;
  }
  #openQueued() {
    for (const call of this.#queue) {
      if (!this.#machine.canOpen || this.#room() <= 0) break;
      this.#queue.delete(call);
      try {
        this.#open(call);
      } catch (error) {
        call.fail(error);
      }
    }
    if (this.#queue.size > 0 && this.#room() <= 0) this.#lookLater();
    this.#flushSoon();
  }
  /** @throws RpcError the server cannot take it; CodecError a value cannot be written. */
  #open(call) {
    const stream = this.#machine.open(openingOf(call, this.#peer));
    this.#calls.set(stream, call);
    call.onOpened(stream);
    if (this.#machine.isExhausted) this.#drain();
  }
  /** Bytes that the socket still takes. */
  #room() {
    return MAX_BUFFERED_BYTES - (this.#socket?.bufferedAmount ?? 0) - this.#machine.output.pos;
  }
  #flushSoon() {
    if (this.#isFlushing || this.#state === "connecting" || this.#state === "closed") return;
    this.#isFlushing = true;
    queueMicrotask(() => {
      this.#isFlushing = false;
      if (this.#state !== "closed") this.#flush();
    });
  }
  #flush() {
    if (this.#state === "closed") return;
    const socket = this.#socket;
    if (socket === void 0) return;
    for (; ; ) {
      if (this.#machine.output.pos > 0 && !this.#send(socket, this.#machine.output.take())) return;
      for (const stream of this.#machine.allow(this.#room())) this.#calls.get(stream)?.onSent();
      if (this.#machine.output.pos === 0) break;
    }
    if (this.#machine.isWaitingForSocket) this.#lookLater();
    this.#closeIfDrained();
  }
  /** Whether the socket took the bytes; one that throws is lost. */
  #send(socket, bytes2) {
    try {
      socket.send(bytes2);
      return true;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#end(new RpcError(`the connection was lost: ${why}`, Code.Unavailable), false);
      return false;
    }
  }
  /** Asks the socket again soon whether it has room. */
  #lookLater() {
    if (this.#lookTimer !== void 0 || this.#state === "closed") return;
    this.#lookMs = Math.min(LAST_LOOK_MS, Math.max(FIRST_LOOK_MS, this.#lookMs * 2));
    this.#lookTimer = this.#clock.start(() => {
      this.#lookTimer = void 0;
      if (this.#room() > 0) this.#lookMs = 0;
      this.#flush();
      this.#openQueued();
    }, this.#lookMs);
  }
  #receive(bytes2) {
    if (this.#state === "closed") return;
    const { events, error } = this.#machine.receive(bytes2, this.#clock.now());
    this.#liveness?.heard(this.#machine.isWithinFrame);
    for (const event of events) this.#dispatch(event);
    if (this.#isClosed()) return;
    if (error !== void 0) return this.#breakOff(error);
    this.#openQueued();
  }
  /** For after what may have closed it, which TypeScript does not see. */
  #isClosed() {
    return this.#state === "closed";
  }
  #dispatch(event) {
    switch (event.type) {
      case "hello":
        return this.#onHello(event.peer);
      case "headers":
        return this.#calls.get(event.stream)?.onHeaders(event.metadata);
      case "message":
        return this.#calls.get(event.stream)?.onMessage(event.message);
      case "sent":
        return this.#calls.get(event.stream)?.onSent();
      case "status":
        return this.#forget(event.stream)?.onStatus(event.status, event.message);
      case "reset": {
        const { code, reason, unprocessed } = event;
        return this.#forget(event.stream)?.onLost(new RpcError(reason, code, { unprocessed }));
      }
      case "goaway":
        return this.#onGoAway(event.code, event.reason, event.unprocessed);
    }
  }
  #onHello(peer) {
    if (this.#state !== "connecting") return;
    this.#clock.stop(this.#handshakeTimer);
    this.#peer = peer;
    this.#state = "ready";
    this.#liveness?.start(peer.minPingIntervalMs);
    this.#owner.onReady();
  }
  #onGoAway(code, reason, unprocessed) {
    const text = `the server ends the connection: ${reason === "" ? "it did not say why" : reason}`;
    const returned = new RpcError(text, Code.Unavailable, { unprocessed: true });
    for (const stream of unprocessed) this.#forget(stream)?.onLost(returned);
    if (code === 0) return this.#drain();
    const error = new RpcError(`${text} (${codeName(code)})`, Code.Unavailable);
    this.#end(error, reason.startsWith("too_many_pings"));
  }
  /** No further calls; those that wait for room are for another connection. */
  #drain() {
    if (this.#state !== "ready") return;
    this.#state = "draining";
    const queued = [...this.#queue];
    this.#queue.clear();
    const error = new RpcError("the connection takes no more calls", Code.Unavailable, { unprocessed: true });
    for (const call of queued) call.onLost(error);
    this.#owner.onDraining();
    this.#flushSoon();
  }
  #closeIfDrained() {
    if (this.#state !== "draining" || this.#calls.size > 0) return;
    this.#end(new RpcError("the server has ended the connection", Code.Unavailable), false);
  }
  #lose(reason) {
    if (this.#state !== "connecting") this.#machine.goAway(Code.DeadlineExceeded, reason);
    this.#end(new RpcError(reason, Code.Unavailable, { unprocessed: this.#state === "connecting" }), false);
  }
  #breakOff(error) {
    const unprocessed = this.#state === "connecting";
    const text = unprocessed ? error.message : `the server broke the protocol: ${error.message}`;
    this.#end(new RpcError(text, Code.Unavailable, { cause: error, unprocessed }), false);
  }
  #onSocketClosed(reason) {
    this.#clock.stop(this.#closeTimer);
    this.#resolveClosed();
    if (this.#state === "closed") return;
    const text = this.#state === "connecting" ? `cannot connect: ${reason}` : `the connection was lost: ${reason}`;
    this.#socket = void 0;
    this.#end(new RpcError(text, Code.Unavailable, { unprocessed: this.#state === "connecting" }), false);
  }
  #end(error, isPingFault) {
    if (this.#state === "closed") return;
    const socket = this.#socket;
    this.#state = "closed";
    this.#machine.end();
    this.#liveness?.stop();
    this.#clock.stop(this.#handshakeTimer);
    this.#clock.stop(this.#lookTimer);
    if (socket === void 0) this.#resolveClosed();
    else this.#shut(socket, error.rawMessage);
    const calls = [...this.#calls.values()];
    const queued = [...this.#queue];
    this.#calls.clear();
    this.#queue.clear();
    for (const call of calls) call.onLost(error);
    const again = new RpcError(error.rawMessage, Code.Unavailable, { unprocessed: true, cause: error });
    for (const call of queued) call.onLost(again);
    this.#owner.onClosed(error, isPingFault);
  }
  /** Sends the last words, if any were begun, and closes the socket within a second. */
  #shut(socket, reason) {
    const words = this.#machine.output.take();
    this.#closeTimer = this.#clock.start(() => {
      socket.abort();
      this.#resolveClosed();
    }, CLOSE_TIMEOUT_MS);
    if (this.#isOpen && (words.length === 0 || this.#send(socket, words))) socket.close(1e3, reason.slice(0, 40));
    else socket.abort();
  }
};

// ../src/feed.ts
function mapped(requests, make) {
  return {
    [Symbol.asyncIterator]: () => {
      const iterator = iterate(requests);
      return {
        async next() {
          const { done, value } = await iterator.next();
          return done === true ? { done, value: void 0 } : { done: false, value: make(value) };
        },
        async return() {
          await iterator.return?.();
          return { done: true, value: void 0 };
        }
      };
    }
  };
}
function iterate(requests) {
  if (typeof requests === "object" && requests !== null) {
    if (Symbol.asyncIterator in requests) return requests[Symbol.asyncIterator]();
    if (Symbol.iterator in requests) return requests[Symbol.iterator]();
  }
  throw new TypeError("the requests of a stream have to be an iterable or an async iterable of messages");
}
var MAX_KEPT_BYTES = 262144;
var RequestFeed = class {
  #iterator;
  #kept = [];
  #keptBytes = 0;
  /** Requests ahead of the first one that is kept. */
  #gone = 0;
  /** The number of the request that was asked for last. */
  #position = 0;
  #isDone = false;
  #isKeeping = true;
  #pending;
  /** @throws TypeError `requests` cannot be iterated over. */
  constructor(requests) {
    this.#iterator = iterate(requests);
  }
  /** Whether all requests so far are still there. */
  get canRestart() {
    return this.#gone === 0;
  }
  /** A request by its number, or END behind the last one. Rejects with what the iterable throws. */
  async at(index) {
    this.#position = index;
    while (index >= this.#gone + this.#kept.length) {
      if (this.#isDone) return END;
      this.#pending ??= this.#pull();
      await this.#pending;
    }
    if (index < this.#gone) return END;
    const request = this.#kept[index - this.#gone];
    if (!this.#isKeeping) this.#forget(index + 1);
    return request;
  }
  async #pull() {
    const result = await this.#iterator.next();
    this.#pending = void 0;
    if (result.done === true) this.#isDone = true;
    else this.#kept.push(result.value);
  }
  /** Notes that a request of so many bytes was sent. */
  sent(bytes2) {
    this.#keptBytes += bytes2;
    if (this.#keptBytes > MAX_KEPT_BYTES) this.commit();
  }
  /** There is no other attempt: what was sent is forgotten. */
  commit() {
    if (!this.#isKeeping) return;
    this.#isKeeping = false;
    if (this.#position > this.#gone) this.#forget(this.#position);
  }
  #forget(end) {
    this.#kept = this.#kept.slice(end - this.#gone);
    this.#gone = end;
  }
  /** The call is over: the iterable is told, and what it answers does not matter. */
  close() {
    this.#kept = [];
    this.#gone = Infinity;
    if (this.#isDone) return;
    this.#isDone = true;
    void Promise.resolve(this.#return()).catch(() => void 0);
  }
  async #return() {
    await this.#iterator.return?.();
  }
};

// ../src/clock.ts
var LONGEST_TIMER_MS = 2 ** 31 - 1;
var SYSTEM_CLOCK = {
  now: () => performance.now(),
  start: (action, ms) => setTimeout(action, Math.min(ms, LONGEST_TIMER_MS)),
  stop: (timer) => clearTimeout(timer)
};

// ../src/options.ts
function channelConfig(options) {
  const { keepalive } = options;
  const config = {
    timeoutMs: options.timeoutMs,
    waitForReady: options.waitForReady ?? false,
    connectTimeoutMs: options.connectTimeoutMs ?? 5e3,
    backoff: { initialMs: options.backoff?.initialMs ?? 100, maxMs: options.backoff?.maxMs ?? 5e3 },
    keepalive: keepalive === false ? void 0 : { intervalMs: keepalive?.intervalMs ?? 3e4, timeoutMs: keepalive?.timeoutMs ?? 1e4 },
    settings: checkSettings({ ...DEFAULT_SETTINGS, ...defined(options.limits ?? {}) }),
    clock: options.clock ?? SYSTEM_CLOCK,
    random: options.random ?? Math.random
  };
  checkMs("timeoutMs", config.timeoutMs ?? 0, 0);
  checkMs("connectTimeoutMs", config.connectTimeoutMs, 1);
  checkMs("backoff.initialMs", config.backoff.initialMs, 1);
  checkMs("backoff.maxMs", config.backoff.maxMs, config.backoff.initialMs);
  if (config.keepalive !== void 0) {
    checkMs("keepalive.intervalMs", config.keepalive.intervalMs, 1);
    checkMs("keepalive.timeoutMs", config.keepalive.timeoutMs, 1);
  }
  return config;
}
function defined(values) {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== void 0));
}
function checkMs(name, value, least) {
  if (value >= least) return;
  throw new RangeError(`${name} has to be a number of milliseconds from ${least} on, not ${value}`);
}

// ../src/scope.ts
var ENDLESS_MS = 1e12;
var CallScope = class {
  #clock;
  #signal;
  #timeoutMs;
  #deadline;
  #timer;
  #stopped;
  #onStop;
  /** @throws RangeError the timeout is no number of milliseconds. */
  constructor(clock, timeoutMs, signal) {
    if (timeoutMs !== void 0 && !(timeoutMs >= 0)) {
      throw new RangeError(`timeoutMs has to be 0 or more milliseconds, not ${timeoutMs}`);
    }
    this.#clock = clock;
    this.#signal = signal;
    if (timeoutMs !== void 0 && timeoutMs < ENDLESS_MS) {
      this.#timeoutMs = timeoutMs;
      this.#deadline = clock.now() + timeoutMs;
      if (timeoutMs === 0) this.#stop(this.#expired());
      else this.#arm(this.#deadline);
    }
    if (signal?.aborted === true) this.#stop(abortedBy(signal));
    else signal?.addEventListener("abort", this.#onAbort);
  }
  /** Why the call was stopped, if it was. */
  get stopped() {
    return this.#stopped;
  }
  /** Microseconds that are left, as OPEN says them; -1: there is no deadline. */
  timeoutUs() {
    if (this.#deadline === void 0) return -1n;
    return BigInt(Math.max(0, Math.round((this.#deadline - this.#clock.now()) * 1e3)));
  }
  /** Has `onStop` called when the call is stopped from outside, instead of what was there before. */
  watch(onStop) {
    this.#onStop = onStop;
    if (this.#stopped !== void 0) onStop?.(this.#stopped);
  }
  /** Waits; rejects with the reason if the call is stopped meanwhile. */
  async pause(ms) {
    let timer;
    try {
      await new Promise((resolve, reject) => {
        timer = this.#clock.start(resolve, ms);
        this.watch(reject);
      });
    } finally {
      this.#clock.stop(timer);
      this.#onStop = void 0;
    }
  }
  /** The call has ended: no timer and no listener is left. */
  close() {
    this.#onStop = void 0;
    this.#clock.stop(this.#timer);
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }
  #onAbort = () => {
    if (this.#signal !== void 0) this.#stop(abortedBy(this.#signal));
  };
  #arm(deadline) {
    const left = deadline - this.#clock.now();
    const wait = Math.min(left, LONGEST_TIMER_MS);
    this.#timer = this.#clock.start(() => wait < left ? this.#arm(deadline) : this.#stop(this.#expired()), wait);
  }
  #expired() {
    return new RpcError(`the deadline of ${this.#timeoutMs} ms passed before the call ended`, Code.DeadlineExceeded);
  }
  #stop(error) {
    if (this.#stopped !== void 0) return;
    this.#stopped = error;
    this.#onStop?.(error);
  }
};
function abortedBy(signal) {
  const cause = signal.reason;
  if (cause instanceof RpcError) return cause;
  const isTimeout = cause instanceof Error && cause.name === "TimeoutError";
  const text = isTimeout ? "the time of the call's signal is over" : "the call was aborted by its signal";
  return new RpcError(text, isTimeout ? Code.DeadlineExceeded : Code.Canceled, { cause });
}

// ../src/stream.ts
var ResponseStream = class {
  #begin;
  #responses;
  #isOver = false;
  #last = Promise.resolve();
  #pending = 0;
  constructor(begin) {
    this.#begin = begin;
  }
  [Symbol.asyncIterator]() {
    return this;
  }
  /** The next response. Rejects as the call failed, once; it is over then. */
  next() {
    const result = this.#pending === 0 ? this.#next() : this.#last.then(() => this.#next());
    this.#pending += 1;
    this.#last = result.then(
      () => this.#settled(),
      () => this.#settled()
    );
    return result;
  }
  #settled() {
    this.#pending -= 1;
  }
  async #next() {
    if (this.#isOver) return { done: true, value: void 0 };
    try {
      this.#responses ??= this.#begin();
      const response = await this.#responses.receive();
      if (response !== END) return { done: false, value: response };
      this.#finish();
      return { done: true, value: void 0 };
    } catch (error) {
      if (this.#isLeft()) return { done: true, value: void 0 };
      this.#finish();
      throw error;
    }
  }
  /** Whether `return` came while a response was waited for. */
  #isLeft() {
    return this.#isOver;
  }
  #finish() {
    this.#isOver = true;
    this.#responses?.close();
  }
  /** Leaves the call: its server is told, and who waits in `next` gets the end. */
  return() {
    this.#finish();
    return Promise.resolve({ done: true, value: void 0 });
  }
  /** Leaves the call, and rejects with `error`. */
  throw(error) {
    this.#finish();
    return Promise.reject(error);
  }
};

// ../src/wake.ts
function onWake(action) {
  const { document: document2, window } = globalThis;
  if (document2 === void 0 || window === void 0) return () => void 0;
  const looked = () => {
    if (document2.visibilityState === "visible") action();
  };
  window.addEventListener("online", action);
  window.addEventListener("pageshow", looked);
  document2.addEventListener("visibilitychange", looked);
  return () => {
    window.removeEventListener("online", action);
    window.removeEventListener("pageshow", looked);
    document2.removeEventListener("visibilitychange", looked);
  };
}

// ../src/channel.ts
var STABLE_MS = 5e3;
var Channel = class {
  #factory;
  #config;
  #connections = /* @__PURE__ */ new Set();
  #waiters = /* @__PURE__ */ new Set();
  #listeners = /* @__PURE__ */ new Set();
  #source;
  #current;
  #state = "idle";
  #error;
  /** Why calls fail while it is waiting: the last attempt to connect failed. */
  #refusal;
  #failures = 0;
  #pingFaults = 0;
  #retryTimer;
  #retryInMs;
  #endWake;
  /** Connects at the first call, by sockets of `factory`. @throws RangeError an option is out of its range. */
  constructor(factory, options = {}) {
    this.#factory = factory;
    this.#config = channelConfig(options);
    this.#source = {
      acquire: (scope, waitForReady) => this.#acquire(scope, waitForReady),
      draw: this.#config.random
    };
  }
  get state() {
    return this.#state;
  }
  get status() {
    return { state: this.#state, error: this.#error, retryInMs: this.#retryInMs };
  }
  /** Has `listener` told of each change of the state from now on; what it returns ends that. */
  onStatus(listener) {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
  /** Bytes of messages that have arrived and were not taken yet, as flow control counts them. */
  get heldBytes() {
    let bytes2 = 0;
    for (const connection of this.#connections) bytes2 += connection.heldBytes;
    return bytes2;
  }
  /** Begins to connect, if it has not; also while it is waiting, without the rest of the wait. */
  connect() {
    if (this.#state === "idle" || this.#state === "waiting") this.#connect();
  }
  /** Closes for good: calls in flight fail with Unavailable. Resolves when the sockets are closed, within a second. */
  async close() {
    const error = closedError();
    this.#stopWaiting();
    this.#endWake?.();
    this.#endWake = void 0;
    this.#current = void 0;
    this.#move("closed", void 0);
    for (const waiter of this.#waiters) waiter.reject(error);
    this.#waiters.clear();
    const connections = [...this.#connections];
    this.#connections.clear();
    for (const connection of connections) connection.close(error.rawMessage);
    await Promise.all(connections.map((connection) => connection.closed));
  }
  async unary(method2, request, options = {}) {
    return await onlyResponse(method2, this.#attempts(method2, { only: request }, options));
  }
  serverStream(method2, request, options = {}) {
    return new ResponseStream(() => this.#attempts(method2, { only: request }, options));
  }
  async clientStream(method2, requests, options = {}) {
    return await onlyResponse(method2, this.#attempts(method2, new RequestFeed(requests), options));
  }
  bidiStream(method2, requests, options = {}) {
    return new ResponseStream(() => this.#attempts(method2, new RequestFeed(requests), options));
  }
  #attempts(method2, requests, options) {
    const metadata = new Metadata(options.headers);
    const { timeoutMs = method2.timeoutMs ?? this.#config.timeoutMs, signal } = options;
    const setup = {
      method: method2,
      scope: new CallScope(this.#config.clock, timeoutMs, signal),
      metadata,
      waitForReady: options.waitForReady ?? this.#config.waitForReady,
      onHeader: options.onHeader,
      onTrailer: options.onTrailer
    };
    return new Attempts(this.#source, setup, requests);
  }
  #acquire(scope, waitForReady) {
    if (this.#state === "closed") return Promise.reject(closedError());
    if (this.#state === "ready" && this.#current !== void 0) return this.#current;
    if (this.#state === "waiting" && !waitForReady && this.#refusal !== void 0) {
      return Promise.reject(refused(this.#refusal));
    }
    this.#endWake ??= onWake(() => this.#wake());
    if (this.#state === "idle") this.#connect();
    return this.#wait(scope, waitForReady);
  }
  async #wait(scope, waitForReady) {
    let waiter;
    try {
      return await new Promise((resolve, reject) => {
        waiter = { waitForReady, resolve, reject };
        this.#waiters.add(waiter);
        scope.watch(reject);
      });
    } finally {
      if (waiter !== void 0) this.#waiters.delete(waiter);
      scope.watch(void 0);
    }
  }
  #connect() {
    this.#stopWaiting();
    const { settings, keepalive, connectTimeoutMs, clock } = this.#config;
    const connection = new Connection(
      this.#factory,
      { settings, keepalive, slowness: this.#pingFaults, connectTimeoutMs, clock },
      {
        onReady: () => this.#onReady(connection),
        onDraining: () => this.#onDraining(connection),
        onClosed: (error, isPingFault) => {
          if (isPingFault) this.#pingFaults += 1;
          if (this.#current === connection) this.#onLost(connection, error);
        }
      }
    );
    this.#current = connection;
    this.#connections.add(connection);
    void connection.closed.then(() => this.#connections.delete(connection));
    this.#move("connecting", this.#error);
  }
  #onReady(connection) {
    if (this.#current !== connection) return;
    this.#refusal = void 0;
    this.#move("ready", void 0);
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const waiter of waiters) waiter.resolve(connection);
  }
  #onDraining(connection) {
    if (this.#current !== connection) return;
    this.#next(connection, new RpcError("the server has ended the connection", Code.Unavailable));
  }
  #onLost(connection, error) {
    if (this.#state === "connecting") {
      this.#refusal = error;
      const failed = [...this.#waiters].filter((waiter) => !waiter.waitForReady);
      for (const waiter of failed) {
        this.#waiters.delete(waiter);
        waiter.reject(refused(error));
      }
    }
    this.#next(connection, error);
  }
  /** Sees to the connection after this one: at once if this one has served for longer than there would be to wait. */
  #next(connection, error) {
    const { backoff, random, clock } = this.#config;
    const servedMs = this.#state === "ready" ? connection.ageMs : 0;
    this.#current = void 0;
    this.#failures = servedMs >= STABLE_MS ? 0 : this.#failures + 1;
    const waitMs = backoffMs(Math.max(1, this.#failures), backoff, random);
    if (servedMs >= waitMs || servedMs >= STABLE_MS) {
      this.#error = error;
      return this.#connect();
    }
    this.#retryInMs = waitMs;
    this.#retryTimer = clock.start(() => this.#connect(), waitMs);
    this.#move("waiting", error);
  }
  #stopWaiting() {
    this.#config.clock.stop(this.#retryTimer);
    this.#retryTimer = void 0;
    this.#retryInMs = void 0;
  }
  /** The browser is online again, or its page is looked at. */
  #wake() {
    if (this.#state === "waiting") this.#connect();
    else this.#current?.probe();
  }
  #move(state, error) {
    if (this.#state === "closed") return;
    this.#state = state;
    this.#error = error;
    const status = this.status;
    for (const listener of this.#listeners) queueMicrotask(() => listener(status));
  }
};
async function onlyResponse(method2, attempts) {
  try {
    const response = await attempts.receive();
    if (response === END) throw new RpcError(`${method2.path} ended without a response`, Code.Unimplemented);
    if (await attempts.receive() === END) return response;
    throw new RpcError(`${method2.path} has one response, and the server sent more`, Code.Unimplemented);
  } finally {
    attempts.close();
  }
}
function closedError() {
  return new RpcError("the channel is closed: make another one", Code.Unavailable);
}
function refused(error) {
  return new RpcError(error.rawMessage, Code.Unavailable, { unprocessed: true, cause: error });
}

// ../src/socket.ts
var SUBPROTOCOL = "eft1.eventflux";
var NORMAL_CLOSURE = 1e3;
var FIRST_OWN_CODE = 3e3;
function webSocket(url, options = {}) {
  const target = absolute(url);
  const Class = options.WebSocket ?? globalThis.WebSocket;
  if (Class === void 0) {
    throw new TypeError('there is no global WebSocket: pass that of the package ws, { WebSocket } from "ws"');
  }
  return (events) => openWebSocket(new Class(target, [SUBPROTOCOL]), events);
}
function absolute(url) {
  const { location: location2 } = globalThis;
  let parsed2;
  try {
    parsed2 = new URL(url, location2?.href);
  } catch {
    throw new TypeError(`${url} is not a URL: give one such as wss://host/path`);
  }
  if (parsed2.protocol === "http:") parsed2.protocol = "ws:";
  if (parsed2.protocol === "https:") parsed2.protocol = "wss:";
  if (parsed2.protocol !== "ws:" && parsed2.protocol !== "wss:") {
    throw new TypeError(`${url} is not a URL of a WebSocket: it has to begin with ws:// or wss://`);
  }
  parsed2.hash = "";
  return parsed2.href;
}
function openWebSocket(socket, events) {
  let failure;
  let isOpen = false;
  let isClosed = false;
  const closed = (reason) => {
    if (isClosed) return;
    isClosed = true;
    events.onClosed(reason);
  };
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    isOpen = true;
    if (socket.protocol === SUBPROTOCOL) return events.onOpen();
    failure = `the server does not speak ${SUBPROTOCOL} over WebSocket: check the address and the path`;
    socket.close(NORMAL_CLOSURE);
  };
  socket.onmessage = ({ data }) => {
    if (data instanceof ArrayBuffer) return events.onData(new Uint8Array(data));
    failure = "the server sent a text message, which this protocol does not have";
    socket.close(NORMAL_CLOSURE);
  };
  socket.onerror = (event) => {
    if (typeof event.message === "string" && event.message !== "") failure ??= event.message;
    if (!isOpen) closed(failure ?? "the server cannot be reached, or refuses WebSockets from here");
  };
  socket.onclose = ({ code, reason }) => {
    closed(failure ?? `the WebSocket was closed with code ${code}${reason === "" ? "" : `: ${reason}`}`);
  };
  return {
    send: (bytes2) => socket.send(bytes2),
    get bufferedAmount() {
      return socket.bufferedAmount;
    },
    close: (code = NORMAL_CLOSURE, reason = "") => {
      socket.close(code >= FIRST_OWN_CODE ? code : NORMAL_CLOSURE, reason);
    },
    abort: () => {
      if (socket.terminate !== void 0) socket.terminate();
      else socket.close(NORMAL_CLOSURE);
    }
  };
}

// ../src/kind.ts
var BLOCK = 2;
function kindOf(source) {
  return "kind" in source ? source.kind : source;
}

// ../src/field.ts
function single(number, name, kind) {
  return valueField("single", number, name, kind);
}
function optional(number, name, kind) {
  return valueField("optional", number, name, kind);
}
function repeated(number, name, kind) {
  return valueField("repeated", number, name, kind);
}
function packed(number, name, kind) {
  return { ...valueField("repeated", number, name, kind), isPacked: true };
}
function map(number, name, key, value) {
  return { shape: "map", number, name, path: name, key: kindOf(key), kind: kindOf(value), isExplicit: false };
}
function rowsOf(typeName, fields) {
  return fields.map((field) => ({ ...field, path: `${typeName}.${field.name}` }));
}
function valueField(shape, number, name, kind) {
  return { shape, number, name, path: name, kind: kindOf(kind), isPacked: false };
}

// ../src/native_codec.ts
var MAX_EMPTY = 64;
function writeNativeFields(fields, message2, out) {
  for (const field of fields) {
    out.field = field.path;
    switch (field.shape) {
      case "map":
        writeMap(field, message2[field.name], out);
        break;
      case "oneof":
        writeChosen(field, message2[field.name], out);
        break;
      default:
        writeValue(field, message2[field.name], out);
    }
  }
}
function readNativeFields(fields, message2, input) {
  for (const field of fields) {
    input.field = field.path;
    switch (field.shape) {
      case "map":
        message2[field.name] = readMap(field, input);
        break;
      case "oneof":
        message2[field.name] = readChosen(field, input);
        break;
      case "repeated":
        message2[field.name] = readList(field, input);
        break;
      case "optional":
        if (input.bool()) message2[field.name] = field.kind.readNative(input);
        break;
      default:
        message2[field.name] = field.kind.readNative(input);
    }
  }
}
function leastBytes(fields) {
  let least = 0;
  for (const field of fields) {
    if (field.shape === "map" || field.shape === "repeated") least += 8;
    else if (field.shape === "oneof" || field.shape === "optional") least += 1;
    else least += field.kind.least();
  }
  return least;
}
function chosenOf(field, held, out) {
  if (typeof held !== "object" || held === null) throw out.misfit("an object with case and value", held);
  const name = held.case;
  if (name === void 0) return void 0;
  const found = field.choices.find((choice2) => choice2.name === name);
  if (found === void 0) throw out.misfit(`a case out of ${field.choices.map((each) => each.name).join(", ")}`, name);
  return found;
}
function listOf(held, out) {
  if (!Array.isArray(held)) throw out.misfit("an array", held);
  return held;
}
function mapOf(held, out) {
  if (!(held instanceof Map)) throw out.misfit("a Map", held);
  if (held.size > 0 && out.depth >= MAX_DEPTH) {
    throw new CodecError(`is nested more than ${MAX_DEPTH} levels deep`, out.field);
  }
  return held;
}
function writeValue(field, held, out) {
  switch (field.shape) {
    case "optional":
      out.bool(held !== void 0);
      if (held !== void 0) field.kind.writeNative(held, out);
      break;
    case "repeated": {
      const list = listOf(held, out);
      if (list.length > MAX_EMPTY && field.kind.least() === 0) {
        throw out.misfit(`at most ${MAX_EMPTY} elements without content`, `${list.length} of them`);
      }
      out.length(list.length);
      for (const item of list) field.kind.writeNative(item, out);
      break;
    }
    case "required":
      if (held === void 0) throw out.misfit("a value, because it is required", held);
      field.kind.writeNative(held, out);
      break;
    default:
      field.kind.writeNative(held, out);
  }
}
function writeMap(field, held, out) {
  const map2 = mapOf(held, out);
  out.length(map2.size);
  out.depth += 1;
  for (const [key, value] of map2) {
    field.key.writeNative(key, out);
    field.kind.writeNative(value, out);
  }
  out.depth -= 1;
}
function writeChosen(field, held, out) {
  const chosen = chosenOf(field, held, out);
  out.bool(chosen !== void 0);
  if (chosen === void 0) return;
  out.u32(field.choices.indexOf(chosen));
  chosen.kind.writeNative(held.value, out);
}
function readList(field, input) {
  const least = field.kind.least();
  const at = input.pos;
  const count = least > 0 ? input.length(least) : Number(input.u64());
  if (least === 0 && count > MAX_EMPTY) {
    throw input.wrong(`${count} elements without content, but at most ${MAX_EMPTY} are allowed`, at);
  }
  const list = [];
  for (let index = 0; index < count; index++) list.push(field.kind.readNative(input));
  return list;
}
function readMap(field, input) {
  const count = input.length(field.key.least() + field.kind.least());
  const map2 = /* @__PURE__ */ new Map();
  if (count === 0) return map2;
  input.enter();
  for (let index = 0; index < count; index++) {
    const key = field.key.readNative(input);
    map2.set(key, field.kind.readNative(input));
  }
  input.depth -= 1;
  return map2;
}
function readChosen(field, input) {
  if (!input.bool()) return { case: void 0 };
  const at = input.pos;
  const index = input.u32();
  const chosen = field.choices[index];
  if (chosen === void 0) {
    throw input.wrong(`the variant at byte ${at} is ${index}, but must be below ${field.choices.length}`, at);
  }
  return { case: chosen.name, value: chosen.kind.readNative(input) };
}

// ../src/protobuf_codec.ts
var RecordTable = class {
  name;
  fields;
  slots;
  sorted;
  constructor(name, fields) {
    this.name = name;
    this.fields = fields;
    this.sorted = fields.flatMap((field) => slotsOf(field)).sort((one, other) => one.number - other.number);
    this.slots = new Map(this.sorted.map((slot) => [slot.number, slot]));
  }
  /** Appends the fields that are set. Throws CodecError for a value that its field cannot carry. */
  write(message2, out) {
    for (const slot of this.sorted) {
      out.field = slot.field.path;
      writeSlot(slot, message2[slot.field.name], out);
    }
  }
  /**
   * Reads the records up to `end` into a message that has its defaults.
   *
   * Returns those that it has no field for, if there are any. Throws CodecError for what is no such message.
   */
  read(message2, input, end) {
    const outer = input.end;
    input.end = end;
    const records = new Records(message2, input);
    while (input.pos < end) {
      const start2 = input.pos;
      const tag = input.tag();
      const slot = this.slots.get(tag >>> 3);
      input.field = slot === void 0 ? this.name : slot.field.path;
      if (slot !== void 0 && records.take(slot, tag & 7, start2)) continue;
      input.skip(tag);
      if (tag < 8 && this.slots.size > 0) throw input.wrong("there is no field 0", start2);
      records.keep(start2);
    }
    records.finish();
    for (const field of this.fields) {
      if (field.shape === "required" && message2[field.name] === void 0) {
        input.field = field.path;
        throw input.wrong("is required, but absent", end);
      }
    }
    input.end = outer;
    return records.unknown?.take();
  }
};
var Records = class {
  unknown;
  message;
  input;
  parts;
  chosen;
  constructor(message2, input) {
    this.message = message2;
    this.input = input;
  }
  /** Takes the record whose tag was read, if its type fits the field; otherwise nothing was read. */
  take(slot, wire, start2) {
    const { field, kind } = slot;
    if (field.shape === "map") return wire === BLOCK && this.takeEntry(slot, field);
    if (wire !== kind.wire) {
      if (wire !== BLOCK || field.shape !== "repeated") return false;
      this.takePacked(slot);
      return true;
    }
    if (field.shape === "oneof") this.takeChoice(slot, field, start2);
    else if (field.shape === "repeated") this.takeElement(slot, start2);
    else if (kind.isMessage) (this.parts ??= /* @__PURE__ */ new Map()).set(slot, this.part(slot, this.parts.get(slot)));
    else this.takeScalar(slot, start2);
    return true;
  }
  /** Keeps the record that begins at `start` and was read. */
  keep(start2) {
    this.unknown ??= new Writer();
    this.unknown.raw(this.input.buffer.subarray(start2, this.input.pos));
  }
  /** Reads the messages whose parts have all come. */
  finish() {
    for (const [slot, part] of this.parts ?? []) this.message[slot.field.name] = this.readPart(part);
    for (const [field, part] of this.chosen ?? []) {
      this.message[field.name] = { case: part.slot.choice?.name, value: this.readPart(part) };
    }
  }
  takeScalar(slot, start2) {
    const value = this.value(slot.kind);
    if (isUnknown(slot.kind, value)) this.keep(start2);
    else this.message[slot.field.name] = value;
  }
  takeElement(slot, start2) {
    const value = this.value(slot.kind);
    if (isUnknown(slot.kind, value)) this.keep(start2);
    else this.message[slot.field.name].push(value);
  }
  takePacked(slot) {
    const { input } = this;
    const outer = input.end;
    const end = input.blockEnd();
    const list = this.message[slot.field.name];
    input.end = end;
    while (input.pos < end) {
      const value = slot.kind.readRecord(input, end);
      if (isUnknown(slot.kind, value)) this.keepNumber(slot.number);
      else list.push(value);
    }
    input.end = outer;
  }
  takeEntry(slot, field) {
    const { input } = this;
    const end = input.blockEnd();
    const entry = {};
    input.enter();
    const unknown = slot.entry?.read(entry, input, end);
    input.depth -= 1;
    if (unknown === void 0) {
      const map2 = this.message[field.name];
      map2.set(
        entry.key === void 0 ? field.key.zero() : entry.key,
        entry.value === void 0 ? field.kind.zero() : entry.value
      );
      return true;
    }
    this.unknown ??= new Writer();
    const kept = this.unknown;
    kept.tag(field.number, BLOCK);
    const at = kept.fork();
    writeIfGiven(field, 1, field.key, entry.key, kept);
    writeIfGiven(field, 2, field.kind, entry.value, kept);
    kept.raw(unknown);
    kept.join(at);
    return true;
  }
  takeChoice(slot, field, start2) {
    const pending = this.chosen?.get(field);
    if (slot.kind.isMessage) {
      const part = this.part(slot, pending?.slot === slot ? pending : void 0);
      if (pending !== void 0 && pending.slot !== slot) this.drop(pending);
      (this.chosen ??= /* @__PURE__ */ new Map()).set(field, part);
      return;
    }
    const value = this.value(slot.kind);
    if (isUnknown(slot.kind, value)) {
      this.keep(start2);
      return;
    }
    if (pending !== void 0) this.drop(pending);
    this.chosen?.delete(field);
    this.message[field.name] = { case: slot.choice?.name, value };
  }
  /** What another choice takes the place of has to be well-formed all the same. */
  drop(part) {
    const { pos } = this.input;
    this.readPart(part);
    this.input.pos = pos;
  }
  value(kind) {
    const { input } = this;
    const end = kind.wire === BLOCK ? input.blockEnd() : input.end;
    return kind.readRecord(input, end);
  }
  /** A message's bytes, for later; what came before is put ahead of them, if it consists of whole records. */
  part(slot, before) {
    const { input } = this;
    const end = input.blockEnd();
    const begin = input.pos;
    let earlier = before?.earlier;
    if (before !== void 0) {
      const records = new Reader(input.buffer, before.begin, before.end);
      records.field = input.field;
      while (records.pos < records.end) records.skip(records.tag(), input.depth + 1);
      earlier ??= new Writer();
      earlier.raw(input.buffer.subarray(before.begin, before.end));
    }
    input.pos = end;
    return { slot, begin, end, earlier };
  }
  readPart({ slot, begin, end, earlier }) {
    const { input } = this;
    if (earlier === void 0) {
      const { pos } = input;
      input.pos = begin;
      const value = slot.kind.readRecord(input, end);
      input.pos = pos;
      return value;
    }
    earlier.raw(input.buffer.subarray(begin, end));
    const whole2 = new Reader(earlier.take());
    whole2.depth = input.depth;
    whole2.field = input.field;
    return slot.kind.readRecord(whole2, whole2.end);
  }
  keepNumber(number) {
    this.unknown ??= new Writer();
    this.unknown.tag(number, 0);
    this.unknown.varint64(this.input.low, this.input.high);
  }
};
function isUnknown(kind, value) {
  return kind.numbers !== void 0 && !kind.numbers.has(value);
}
function slotsOf(field) {
  if (field.shape === "oneof") {
    return field.choices.map((choice2) => ({
      number: choice2.number,
      kind: choice2.kind,
      field,
      choice: choice2,
      entry: void 0
    }));
  }
  const entry = field.shape === "map" ? entryTable(field) : void 0;
  return [{ number: field.number, kind: field.kind, field, choice: void 0, entry }];
}
function entryTable(field) {
  const part = (number, own, kind) => ({
    shape: "optional",
    number,
    name: own,
    path: field.path,
    kind,
    isPacked: false
  });
  return new RecordTable(field.path, [part(1, "key", field.key), part(2, "value", field.kind)]);
}
function writeIfGiven(field, number, kind, value, out) {
  if (value === void 0) return;
  if (!field.isExplicit && !kind.isMessage && kind.isZero(value)) return;
  writeOne(number, kind, value, out);
}
function writeOne(number, kind, value, out) {
  out.tag(number, kind.wire);
  kind.writeRecord(value, out);
}
function writeSlot(slot, held, out) {
  const { field, kind, number } = slot;
  switch (field.shape) {
    case "single":
      if (!kind.isZero(held)) writeOne(number, kind, held, out);
      break;
    case "optional":
      if (held !== void 0) writeOne(number, kind, held, out);
      break;
    case "required":
      if (held === void 0) throw out.misfit("a value, because it is required", held);
      writeOne(number, kind, held, out);
      break;
    case "repeated":
      writeList(field, listOf(held, out), out);
      break;
    case "map":
      writeMap2(field, mapOf(held, out), out);
      break;
    case "oneof":
      if (chosenOf(field, held, out) === slot.choice) writeOne(number, kind, held.value, out);
      break;
  }
}
function writeList(field, list, out) {
  if (!field.isPacked) {
    for (const item of list) writeOne(field.number, field.kind, item, out);
    return;
  }
  if (list.length === 0) return;
  out.tag(field.number, BLOCK);
  const at = out.fork();
  for (const item of list) field.kind.writeRecord(item, out);
  out.join(at);
}
function writeMap2(field, map2, out) {
  out.depth += 1;
  for (const [key, value] of map2) {
    out.tag(field.number, BLOCK);
    const at = out.fork();
    writeOne(1, field.key, key, out);
    writeOne(2, field.kind, value, out);
    out.join(at);
  }
  out.depth -= 1;
}

// ../src/message.ts
function message(typeName, fields) {
  return new Definition(typeName, fields);
}
var Definition = class {
  typeName;
  kind;
  makeFields;
  madeFields;
  madeTable;
  leastBytes;
  constructor(typeName, fields) {
    this.typeName = typeName;
    this.makeFields = fields;
    this.kind = this.makeKind();
  }
  create(init) {
    const given = init ?? {};
    const made = {};
    for (const field of this.fields) {
      const value = initialValue(field, given[field.name]);
      if (value !== void 0) made[field.name] = value;
    }
    if (given["$unknown"] !== void 0) made["$unknown"] = given["$unknown"];
    return made;
  }
  writeNative(message2, out) {
    this.check(message2, out);
    writeNativeFields(this.fields, message2, out);
  }
  readNative(input) {
    const made = {};
    readNativeFields(this.fields, made, input);
    input.field = this.typeName;
    return made;
  }
  writeProtobuf(message2, out) {
    this.check(message2, out);
    this.table.write(message2, out);
    const unknown = message2.$unknown;
    if (unknown === void 0) return;
    out.field = `${this.typeName}.$unknown`;
    if (!(unknown instanceof Uint8Array)) throw out.misfit("a Uint8Array", unknown);
    out.raw(unknown);
  }
  readProtobuf(input, end) {
    const made = this.create();
    const unknown = this.table.read(made, input, end);
    if (unknown !== void 0) made.$unknown = unknown;
    return made;
  }
  toBinary(message2) {
    const out = new Writer();
    this.writeProtobuf(message2, out);
    return out.take();
  }
  fromBinary(bytes2) {
    return this.readProtobuf(new Reader(bytes2), bytes2.length);
  }
  get fields() {
    this.madeFields ??= rowsOf(this.typeName, this.makeFields());
    return this.madeFields;
  }
  get table() {
    this.madeTable ??= new RecordTable(this.typeName, this.fields);
    return this.madeTable;
  }
  check(message2, out) {
    if (typeof message2 !== "object" || message2 === null) throw out.misfit(`a ${this.typeName}`, message2);
  }
  least() {
    if (this.leastBytes === void 0) {
      this.leastBytes = 1;
      this.leastBytes = leastBytes(this.fields);
    }
    return this.leastBytes;
  }
  makeKind() {
    return {
      wire: BLOCK,
      isMessage: true,
      numbers: void 0,
      zero: () => this.create(),
      from: (init) => this.create(init),
      least: () => this.least(),
      isZero: () => false,
      writeNative: (value, out) => {
        const { field } = out;
        out.enter();
        this.writeNative(value, out);
        out.depth -= 1;
        out.field = field;
      },
      readNative: (input) => {
        const { field } = input;
        input.enter();
        const value = this.readNative(input);
        input.depth -= 1;
        input.field = field;
        return value;
      },
      writeRecord: (value, out) => {
        const { field } = out;
        out.enter();
        const at = out.fork();
        this.writeProtobuf(value, out);
        out.join(at);
        out.depth -= 1;
        out.field = field;
      },
      readRecord: (input, end) => {
        const { field } = input;
        input.enter();
        const value = this.readProtobuf(input, end);
        input.depth -= 1;
        input.field = field;
        return value;
      }
    };
  }
};
function initialValue(field, init) {
  switch (field.shape) {
    case "single":
      return init === void 0 ? field.kind.zero() : field.kind.from(init);
    case "repeated":
      return init === void 0 ? [] : Array.from(init, (each) => field.kind.from(each));
    case "map":
      return initialMap(field, init);
    case "oneof":
      return initialChoice(field, init);
    default:
      return init === void 0 ? void 0 : field.kind.from(init);
  }
}
function initialMap(field, init) {
  const made = /* @__PURE__ */ new Map();
  if (init === void 0) return made;
  const isIterable = typeof init[Symbol.iterator] === "function";
  const entries = isIterable ? init : Object.entries(init);
  for (const [key, value] of entries) made.set(key, field.kind.from(value));
  return made;
}
function initialChoice(field, init) {
  if (init?.case === void 0) return { case: void 0 };
  const choice2 = field.choices.find((each) => each.name === init.case);
  return { case: init.case, value: choice2 === void 0 ? init.value : choice2.kind.from(init.value) };
}

// ../src/scalar.ts
var VARINT = 0;
var I32 = 5;
function scalar(row) {
  return {
    wire: row.wire,
    isMessage: false,
    numbers: row.numbers,
    zero: () => row.zero,
    from: (init) => init,
    least: () => row.least,
    isZero: row.isZero ?? ((value) => value === row.zero),
    writeNative: (value, out) => row.writeNative(row.check(value, out), out),
    readNative: row.readNative,
    writeRecord: (value, out) => row.writeRecord(row.check(value, out), out),
    readRecord: row.readRecord
  };
}
var string = /* @__PURE__ */ scalar({
  zero: "",
  least: 8,
  wire: BLOCK,
  check(value, out) {
    if (typeof value !== "string") throw out.misfit("a string", value);
    return value;
  },
  writeNative: (value, out) => out.string(value),
  readNative: (input) => input.string(),
  writeRecord(value, out) {
    const at = out.fork();
    out.text(value);
    out.join(at);
  },
  readRecord: (input, end) => input.text(end - input.pos)
});
var bytes = /* @__PURE__ */ scalar({
  zero: new Uint8Array(0),
  least: 8,
  wire: BLOCK,
  isZero: (value) => value instanceof Uint8Array && value.length === 0,
  check(value, out) {
    if (!(value instanceof Uint8Array)) throw out.misfit("a Uint8Array", value);
    return value;
  },
  writeNative: (value, out) => out.bytes(value),
  readNative: (input) => input.bytes(),
  writeRecord(value, out) {
    out.varint(value.length);
    out.raw(value);
  },
  readRecord: (input, end) => input.raw(end - input.pos)
});
function checkI32(value, out) {
  if (typeof value !== "number" || (value | 0) !== value) {
    throw out.misfit("a whole number from -2147483648 to 2147483647", value);
  }
  return value;
}
function checkI64(value, out) {
  if (typeof value !== "bigint" || BigInt.asIntN(64, value) !== value) {
    throw out.misfit("a bigint of 64 bits with a sign", value);
  }
  return value;
}
function i32(wire, writeRecord, readRecord, numbers) {
  const closed = numbers === void 0 ? void 0 : new Set(numbers);
  return scalar({
    zero: numbers?.[0] ?? 0,
    least: 4,
    wire,
    ...closed === void 0 ? {} : { numbers: closed },
    check(value, out) {
      if (closed !== void 0 && !closed.has(value)) throw out.misfit("a number of its enum", value);
      return checkI32(value, out);
    },
    writeNative: (value, out) => out.i32(value),
    readNative(input) {
      const at = input.pos;
      const value = input.i32();
      if (closed !== void 0 && !closed.has(value)) {
        throw input.wrong(`the number at byte ${at} is ${value}, which its enum does not have`, at);
      }
      return value;
    },
    writeRecord,
    readRecord
  });
}
function i64(wire, writeRecord, readRecord) {
  return scalar({
    zero: 0n,
    least: 8,
    wire,
    check: checkI64,
    writeNative: (value, out) => out.i64(value),
    readNative: (input) => input.i64(),
    writeRecord,
    readRecord
  });
}
var writeSigned = (value, out) => out.varint64(value, value < 0 ? -1 : 0);
var readSigned = (input) => input.varint() | 0;
var writeLong = (value, out) => out.varint64(Number(BigInt.asUintN(32, value)), Number(BigInt.asUintN(32, value >> 32n)));
var int32 = /* @__PURE__ */ i32(VARINT, writeSigned, readSigned);
var int64 = /* @__PURE__ */ i64(VARINT, writeLong, (input) => {
  input.varint();
  return input.signed;
});
function checkFloat(value, out) {
  if (typeof value !== "number") throw out.misfit("a number", value);
  return value;
}
var isPlainZero = (value) => Object.is(value, 0);
var float = /* @__PURE__ */ scalar({
  zero: 0,
  least: 4,
  wire: I32,
  isZero: isPlainZero,
  check(value, out) {
    const number = checkFloat(value, out);
    if (Number.isFinite(number) && !Number.isFinite(Math.fround(number))) {
      throw out.misfit("a number that 32 bits can hold", value);
    }
    return number;
  },
  writeNative: (value, out) => out.f32(value),
  readNative: (input) => input.f32(),
  writeRecord: (value, out) => out.f32(value),
  readRecord: (input) => input.f32()
});
var openEnum = int32;

// ../src/method.ts
function method(row) {
  return {
    path: `/${row.service}/${row.name}`,
    idempotent: false,
    prefersProtobuf: false,
    timeoutMs: void 0,
    errors: [],
    ...row,
    input: row.input,
    output: row.output
  };
}
async function callUnary(transport, method2, request, options) {
  return await transport.unary(method2, method2.input.create(request), options);
}
function callServerStream(transport, method2, request, options) {
  return transport.serverStream(method2, method2.input.create(request), options);
}
function callBidiStream(transport, method2, requests, options) {
  const created = mapped(requests, (request) => method2.input.create(request));
  return transport.bidiStream(method2, created, options);
}

// ../generated/messages.ts
var MessageType = {
  /** The sender did not say. */
  UNSPECIFIED: 0,
  /** Something happened. */
  EVENT: 1,
  /** A question about the state of a node. */
  QUERY: 2,
  /** State, or a part of it. */
  STATE: 3,
  /** An instruction to a node. */
  CONTROL: 4,
  /** A sign of life. */
  HEARTBEAT: 5,
  /** A mark in the stream up to which state is durable. */
  CHECKPOINT: 6,
  /** A description of streams or nodes. */
  METADATA: 7,
  /** The receipt of an earlier message. */
  ACKNOWLEDGMENT: 8
};
var CompressionType = {
  /** Not compressed. */
  NONE: 0,
  /** LZ4. */
  LZ4: 1,
  /** Snappy. */
  SNAPPY: 2,
  /** Zstandard. */
  ZSTD: 3
};
var NodeHealth = {
  /** Not known. */
  UNKNOWN: 0,
  /** Serves as it should. */
  HEALTHY: 1,
  /** Serves, with losses in speed or function. */
  DEGRADED: 2,
  /** Runs, but should get no traffic. */
  UNHEALTHY: 3,
  /** Does not run. */
  OFFLINE: 4
};
var TransportMessage = /* @__PURE__ */ message(
  "eventflux.transport.TransportMessage",
  () => [
    single(1, "id", string),
    single(2, "messageType", openEnum),
    single(3, "payload", bytes),
    map(4, "headers", string, string),
    single(5, "timestamp", int64),
    single(6, "sourceNode", string),
    single(7, "targetNode", string),
    single(8, "priority", int32),
    single(9, "compression", openEnum)
  ]
);
var EventRequest = /* @__PURE__ */ message(
  "eventflux.transport.EventRequest",
  () => [
    single(1, "nodeId", string),
    optional(2, "filter", EventFilter),
    single(3, "batchSize", int32)
  ]
);
var EventFilter = /* @__PURE__ */ message(
  "eventflux.transport.EventFilter",
  () => [
    repeated(1, "streamNames", string),
    packed(2, "messageTypes", openEnum),
    single(3, "startTimestamp", int64),
    single(4, "endTimestamp", int64)
  ]
);
var HeartbeatRequest = /* @__PURE__ */ message(
  "eventflux.transport.HeartbeatRequest",
  () => [
    single(1, "nodeId", string),
    single(2, "timestamp", int64),
    optional(3, "status", NodeStatus)
  ]
);
var HeartbeatResponse = /* @__PURE__ */ message(
  "eventflux.transport.HeartbeatResponse",
  () => [
    single(1, "serverTimestamp", int64),
    single(2, "serverNodeId", string),
    optional(3, "serverStatus", NodeStatus),
    optional(4, "clusterInfo", ClusterInfo)
  ]
);
var NodeStatus = /* @__PURE__ */ message(
  "eventflux.transport.NodeStatus",
  () => [
    single(1, "health", openEnum),
    single(2, "cpuUsage", float),
    single(3, "memoryUsage", float),
    single(4, "activeConnections", int32),
    single(5, "eventsPerSecond", int64),
    single(6, "version", string),
    map(7, "metadata", string, string)
  ]
);
var ClusterInfo = /* @__PURE__ */ message(
  "eventflux.transport.ClusterInfo",
  () => [
    single(1, "clusterId", string),
    single(2, "totalNodes", int32),
    single(3, "healthyNodes", int32),
    single(4, "leaderNode", string),
    single(5, "clusterVersion", string)
  ]
);

// ../generated/client.ts
var TransportService = {
  typeName: "eventflux.transport.Transport",
  methods: {
    sendMessage: /* @__PURE__ */ method({
      service: "eventflux.transport.Transport",
      name: "SendMessage",
      kind: "unary",
      fingerprint: 0xdb86821be52b8cden,
      input: TransportMessage,
      output: TransportMessage
    }),
    streamMessages: /* @__PURE__ */ method({
      service: "eventflux.transport.Transport",
      name: "StreamMessages",
      kind: "bidi_streaming",
      fingerprint: 0x179c60d3531d14c3n,
      input: TransportMessage,
      output: TransportMessage
    }),
    streamEvents: /* @__PURE__ */ method({
      service: "eventflux.transport.Transport",
      name: "StreamEvents",
      kind: "server_streaming",
      fingerprint: 0x236d833420786480n,
      input: EventRequest,
      output: TransportMessage,
      idempotent: true
    }),
    heartbeat: /* @__PURE__ */ method({
      service: "eventflux.transport.Transport",
      name: "Heartbeat",
      kind: "unary",
      fingerprint: 0x821f822fd2740426n,
      input: HeartbeatRequest,
      output: HeartbeatResponse,
      idempotent: true,
      timeoutMs: 1e4
    })
  }
};
var TransportClient = class {
  #transport;
  /** A client whose calls go over a transport. */
  constructor(transport) {
    this.#transport = transport;
  }
  /** Hands one message to the node and returns the node's answer to it. */
  sendMessage(request, options) {
    return callUnary(this.#transport, TransportService.methods.sendMessage, request, options);
  }
  /** Exchanges messages in both directions, each side at its own pace. */
  streamMessages(requests, options) {
    return callBidiStream(this.#transport, TransportService.methods.streamMessages, requests, options);
  }
  /** Subscribes to the events that a filter selects, until the caller leaves. */
  streamEvents(request, options) {
    return callServerStream(this.#transport, TransportService.methods.streamEvents, request, options);
  }
  /** Tells the node how the caller is, and learns how the node is. */
  heartbeat(request, options) {
    return callUnary(this.#transport, TransportService.methods.heartbeat, request, options);
  }
};

// state/delay.ts
function delay(ms, signal) {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(finish, ms);
    signal.addEventListener("abort", finish, { once: true });
    function finish() {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      resolve();
    }
  });
}

// state/failure.ts
function describeFailure(error) {
  if (error instanceof RpcError) return `${codeName(error.code)}: ${error.rawMessage}`;
  return error instanceof Error ? error.message : String(error);
}

// state/heartbeat.ts
var OFFLINE_AFTER = 2;
var TIMEOUT_MS = 2e3;
var UNKNOWN_CONDITION = { answer: void 0, roundTripMs: void 0, failures: 0, failure: "" };
var VERDICTS = /* @__PURE__ */ new Map([
  [NodeHealth.HEALTHY, "healthy"],
  [NodeHealth.DEGRADED, "degraded"],
  [NodeHealth.UNHEALTHY, "unhealthy"],
  [NodeHealth.OFFLINE, "offline"]
]);
function verdictOf(condition) {
  if (condition.failures >= OFFLINE_AFTER) return "offline";
  if (condition.answer === void 0) return "asking";
  return VERDICTS.get(condition.answer.serverStatus?.health ?? NodeHealth.UNKNOWN) ?? "unknown";
}
async function keepAsking(client, nodeId, intervalMs, onChange, signal) {
  let condition = UNKNOWN_CONDITION;
  while (!signal.aborted) {
    const started = performance.now();
    condition = await askOnce(client, nodeId, condition, signal);
    if (signal.aborted) return;
    onChange(condition);
    await delay(Math.max(0, intervalMs - (performance.now() - started)), signal);
    await untilVisible(signal);
  }
}
async function askOnce(client, nodeId, before, signal) {
  const started = performance.now();
  try {
    const request = { nodeId, timestamp: BigInt(Date.now()) };
    const answer = await client.heartbeat(request, { timeoutMs: TIMEOUT_MS, signal });
    return { answer, roundTripMs: performance.now() - started, failures: 0, failure: "" };
  } catch (error) {
    return { ...before, roundTripMs: void 0, failures: before.failures + 1, failure: describeFailure(error) };
  }
}
function untilVisible(signal) {
  return new Promise((resolve) => {
    if (!document.hidden || signal.aborted) return resolve();
    document.addEventListener("visibilitychange", finish);
    signal.addEventListener("abort", finish);
    function finish() {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener("visibilitychange", finish);
      signal.removeEventListener("abort", finish);
      resolve();
    }
  });
}

// state/node_list.ts
var KEY2 = "nodes";
var MOST_NODES = 50;
var NodeList = class {
  store;
  kept;
  constructor(store) {
    this.store = store;
    this.kept = readUrls(store.read(KEY2));
  }
  get urls() {
    return this.kept;
  }
  /** Adds a node and returns its URL. Throws an `Error` that says what is wrong with the text. */
  add(text, own, isSecurePage) {
    const url = nodeUrl(text, isSecurePage);
    if (url === own) throw new Error("this is the node that serves the page: it is in the list already");
    if (this.kept.includes(url)) throw new Error("this node is in the list already");
    if (this.kept.length >= MOST_NODES) throw new Error(`the list takes ${MOST_NODES} nodes: remove one first`);
    this.keep([...this.kept, url]);
    return url;
  }
  remove(url) {
    this.keep(this.kept.filter((one) => one !== url));
  }
  keep(urls) {
    this.kept = urls;
    this.store.write(KEY2, JSON.stringify(urls));
  }
};
function nodeUrl(text, isSecurePage) {
  const trimmed = text.trim();
  if (trimmed === "") throw new Error("write the node's URL, such as ws://10.0.0.7:7070");
  const url = parsed(trimmed.includes("://") ? trimmed : `${isSecurePage ? "wss" : "ws"}://${trimmed}`);
  if (url === void 0) throw new Error(`${trimmed} is no URL: write it as ws://HOST:PORT`);
  if (url.protocol !== "ws:" && url.protocol !== "wss:") {
    throw new Error(`a browser reaches nodes by ws:// and wss:// only, not by ${url.protocol}//`);
  }
  if (isSecurePage && url.protocol === "ws:") {
    throw new Error("this page came over https, so the browser lets it use wss:// only");
  }
  if (url.username !== "" || url.password !== "") throw new Error("a node's URL has no user name and no password");
  url.hash = "";
  return url.href;
}
function parsed(text) {
  try {
    return new URL(text);
  } catch {
    return void 0;
  }
}
function readUrls(text) {
  try {
    const value = JSON.parse(text ?? "[]");
    if (!Array.isArray(value)) return [];
    const urls = value.filter((one) => typeof one === "string" && /^wss?:/u.test(one));
    return [...new Set(urls)].slice(0, MOST_NODES);
  } catch {
    return [];
  }
}

// view/dom.ts
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}
function svgElement(tag, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  if (text !== void 0) made.textContent = text;
  return made;
}
function byId(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} with the id ${id}`);
  return found;
}
function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}
function coalesced(leastMs, draw) {
  let isAsked = false;
  let lastMs = -leastMs;
  const inFrame = () => {
    requestAnimationFrame(() => {
      isAsked = false;
      lastMs = performance.now();
      draw();
    });
  };
  return () => {
    if (isAsked) return;
    isAsked = true;
    const waitMs = lastMs + leastMs - performance.now();
    if (waitMs > 0) setTimeout(inFrame, waitMs);
    else inFrame();
  };
}

// view/format.ts
var whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
var decimal = new Intl.NumberFormat("en", { maximumFractionDigits: 1, minimumFractionDigits: 1 });
var short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
function formatCount(count) {
  return whole.format(count);
}
function formatShort(value) {
  return short.format(value);
}
function formatMs(ms) {
  if (ms < 10) return `${ms.toFixed(2)} ms`;
  return ms < 100 ? `${ms.toFixed(1)} ms` : `${whole.format(ms)} ms`;
}
function formatPercent(percent) {
  return `${decimal.format(percent)} %`;
}
function formatBytes(bytes2) {
  if (bytes2 < 1024) return `${bytes2} B`;
  const [value, unit] = bytes2 < 1024 ** 2 ? [bytes2 / 1024, "KiB"] : [bytes2 / 1024 ** 2, "MiB"];
  return `${decimal.format(value)} ${unit}`;
}
function formatSpan(seconds2) {
  const parts = [
    [Math.floor(seconds2 / 86400), "d"],
    [Math.floor(seconds2 / 3600) % 24, "h"],
    [Math.floor(seconds2 / 60) % 60, "min"],
    [Math.floor(seconds2) % 60, "s"]
  ];
  const first = parts.findIndex(([value]) => value > 0);
  if (first < 0) return "0 s";
  return parts.slice(first, first + 2).filter(([value]) => value > 0).map(([value, unit]) => `${value} ${unit}`).join(" ");
}
function formatTime(ms) {
  const date = new Date(ms);
  const two = (value) => String(value).padStart(2, "0");
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  return `${time}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}
function formatDate(ms) {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? String(ms) : date.toISOString().replace("T", " ");
}

// view/node_view.ts
var VERDICT_TEXTS = {
  healthy: "Healthy",
  degraded: "Degraded",
  unhealthy: "Unhealthy",
  offline: "Offline",
  unknown: "Not known",
  asking: "Asking"
};
var FIGURES = ["CPU", "Memory", "Connections", "Events/s", "Round trip", "Uptime", "Version"];
var SHARES = ["CPU", "Memory"];
var NONE = "–";
var NodeCard = class {
  root;
  name = element("h3");
  badge = element("span", { class: "badge" });
  failure = element("p", { class: "failure" });
  isOwn;
  values;
  meters;
  /** `onRemove` is undefined for the node that serves the page, which stays. */
  constructor(url, onRemove) {
    this.isOwn = onRemove === void 0;
    const list = element("dl");
    this.values = new Map(FIGURES.map((figure) => [figure, element("span", {}, NONE)]));
    const range = { min: "0", max: "100", "aria-hidden": "true" };
    this.meters = new Map(SHARES.map((figure) => [figure, element("meter", range)]));
    for (const [figure, value] of this.values) {
      const cell = element("dd", {}, value);
      const meter = this.meters.get(figure);
      if (meter !== void 0) cell.append(meter);
      list.append(element("div", {}, element("dt", {}, figure), cell));
    }
    const names = element("div", { class: "names" }, this.name, element("p", { class: "url" }, url));
    const head = element("div", { class: "card-head" }, this.badge, names);
    this.root = element("li", { class: "card" }, head, list, this.failure);
    setText(this.name, onRemove === void 0 ? "This node" : new URL(url).host);
    if (onRemove !== void 0) this.root.append(removeButton(url, onRemove));
    else this.root.append(element("span", { class: "own" }, "this page"));
  }
  show(condition) {
    const verdict = verdictOf(condition);
    this.badge.dataset["verdict"] = verdict;
    setText(this.badge, VERDICT_TEXTS[verdict]);
    this.root.classList.toggle("is-stale", condition.failures > 0);
    setText(this.failure, failureText(condition, this.isOwn));
    this.failure.hidden = condition.failures === 0;
    if (condition.answer !== void 0) this.showAnswer(condition.answer);
    this.set("Round trip", condition.roundTripMs === void 0 ? NONE : formatMs(condition.roundTripMs));
  }
  showAnswer(answer) {
    if (answer.serverNodeId !== "") setText(this.name, answer.serverNodeId);
    const status = answer.serverStatus;
    if (status === void 0) return;
    const uptime = Number(status.metadata.get("uptime_s") ?? Number.NaN);
    this.setShare("CPU", status.cpuUsage);
    this.setShare("Memory", status.memoryUsage);
    this.set("Connections", formatCount(status.activeConnections));
    this.set("Events/s", formatCount(status.eventsPerSecond));
    this.set("Uptime", Number.isFinite(uptime) ? formatSpan(uptime) : NONE);
    this.set("Version", status.version || NONE);
  }
  set(figure, text) {
    const value = this.values.get(figure);
    if (value !== void 0) setText(value, text);
  }
  setShare(figure, percent) {
    this.set(figure, formatPercent(percent));
    const meter = this.meters.get(figure);
    if (meter !== void 0) meter.value = percent;
  }
};
function removeButton(url, onRemove) {
  const button = element("button", { type: "button", class: "quiet remove", "aria-label": `Remove ${url}` }, "Remove");
  button.addEventListener("click", onRemove);
  return button;
}
function failureText({ answer, failures, failure }, isOwn) {
  const isGuess = !isOwn && answer === void 0 && failures >= OFFLINE_AFTER;
  const hint = `. If it runs, start it with --origin ${location.origin} so that it takes calls of this page.`;
  return isGuess ? failure + hint : failure;
}

// node_panel.ts
var INTERVAL_MS = 2e3;
var OWN_INTERVAL_MS = 250;
var NodePanel = class {
  root = byId("node-list", HTMLUListElement);
  list;
  own;
  openLink;
  nodeId;
  constructor(own, openLink2, store, nodeId) {
    this.own = own;
    this.openLink = openLink2;
    this.nodeId = nodeId;
    this.list = new NodeList(store);
  }
  /** Asks all nodes from now on; `onOwn` gets the condition of the node that serves the page. */
  start(onOwn) {
    const card = new NodeCard(this.own.url, void 0);
    this.root.append(card.root);
    let shownAt = Number.NEGATIVE_INFINITY;
    let failures = 0;
    const show = (condition) => {
      onOwn(condition);
      if (condition.failures === failures && performance.now() < shownAt + INTERVAL_MS) return;
      shownAt = performance.now();
      failures = condition.failures;
      card.show(condition);
    };
    const client = new TransportClient(this.own.transport);
    void keepAsking(client, this.nodeId, OWN_INTERVAL_MS, show, new AbortController().signal);
    for (const url of this.list.urls) this.watch(url);
    this.installForm();
  }
  installForm() {
    const input = byId("add-url", HTMLInputElement);
    const problem = byId("add-error", HTMLElement);
    byId("add-node", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      setText(problem, "");
      input.removeAttribute("aria-invalid");
      try {
        this.watch(this.list.add(input.value, this.own.url, location.protocol === "https:"));
        input.value = "";
      } catch (error) {
        setText(problem, error instanceof Error ? error.message : String(error));
        input.setAttribute("aria-invalid", "true");
      }
      input.focus();
    });
  }
  watch(url) {
    const link = this.openLink(url);
    const stop = new AbortController();
    const card = new NodeCard(url, () => {
      stop.abort();
      link.close();
      this.list.remove(url);
      card.root.remove();
      byId("add-url", HTMLInputElement).focus();
    });
    this.root.append(card.root);
    const client = new TransportClient(link.transport);
    void keepAsking(client, this.nodeId, INTERVAL_MS, (condition) => card.show(condition), stop.signal);
  }
};

// state/draft.ts
var LOWEST_PRIORITY = 9;
var DraftError = class extends Error {
  field;
  constructor(field, message2) {
    super(message2);
    this.field = field;
  }
};
function messageOf(draft, now) {
  return TransportMessage.create({
    id: randomId(),
    messageType: Number(draft.type),
    payload: new TextEncoder().encode(draft.payload),
    headers: headersOf(draft.headers),
    timestamp: BigInt(now),
    sourceNode: draft.source.trim(),
    targetNode: draft.target.trim(),
    priority: priorityOf(draft.priority)
  });
}
function headersOf(text) {
  const headers = /* @__PURE__ */ new Map();
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(0, colon)).trim();
    if (name === "") throw new DraftError("headers", `line ${index + 1} is no header: write it as name: value`);
    if (headers.has(name)) throw new DraftError("headers", `${name} stands twice: a message has one header of a name`);
    headers.set(name, line.slice(colon + 1).trim());
  }
  return headers;
}
function priorityOf(text) {
  const priority = Number(text.trim() || "0");
  if (Number.isInteger(priority) && priority >= 0 && priority <= LOWEST_PRIORITY) return priority;
  const range = `from 0, the highest, to ${LOWEST_PRIORITY}, the lowest`;
  throw new DraftError("priority", `the priority is a whole number ${range}, not ${text.trim()}`);
}
function randomId() {
  const bytes2 = crypto.getRandomValues(new Uint8Array(16));
  bytes2[6] = (bytes2[6] ?? 0) & 15 | 64;
  bytes2[8] = (bytes2[8] ?? 0) & 63 | 128;
  const hex = Array.from(bytes2, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

// state/event_record.ts
var KEPT_PAYLOAD_BYTES = 8192;
var KEPT_HEADERS = 32;
var KEPT_CHARACTERS = 512;
function recordOf(message2, number, arrivedAt) {
  const headers = [...message2.headers];
  return {
    number,
    arrivedAt,
    sentAt: message2.timestamp > 0n ? Number(message2.timestamp) : void 0,
    type: message2.messageType,
    id: shortened(message2.id),
    source: shortened(message2.sourceNode),
    target: shortened(message2.targetNode),
    priority: message2.priority,
    compression: message2.compression,
    headers: headers.slice(0, KEPT_HEADERS).map(([name, value]) => [shortened(name), shortened(value)]),
    omittedHeaders: Math.max(0, headers.length - KEPT_HEADERS),
    payload: message2.payload.slice(0, KEPT_PAYLOAD_BYTES),
    payloadBytes: message2.payload.length
  };
}
function shortened(text) {
  return text.length <= KEPT_CHARACTERS ? text : `${text.slice(0, KEPT_CHARACTERS)}…`;
}

// state/ring.ts
var Ring = class {
  capacity;
  items = [];
  next = 0;
  constructor(capacity) {
    this.capacity = capacity;
  }
  get size() {
    return this.items.length;
  }
  /** Adds an item; the oldest gives way to it where the ring is full. */
  push(item) {
    this.items[this.next] = item;
    this.next = (this.next + 1) % this.capacity;
  }
  clear() {
    this.items = [];
    this.next = 0;
  }
  /** The items from the newest to the oldest, at most `limit` of those that `isWanted` takes. */
  newestFirst(limit = this.capacity, isWanted = () => true) {
    const found = [];
    const size = this.items.length;
    for (let step = 1; step <= size && found.length < limit; step++) {
      const item = this.items[(this.next - step + size) % size];
      if (isWanted(item)) found.push(item);
    }
    return found;
  }
};

// state/message_type.ts
var MESSAGE_TYPE_NAMES = new Map(
  Object.entries(MessageType).map(([name, number]) => [number, name.toLowerCase()])
);
function messageTypeName(type) {
  return MESSAGE_TYPE_NAMES.get(type) ?? `type ${type}`;
}

// state/text_filter.ts
var decoder = new TextDecoder();
function matcher(text) {
  const words = text.toLowerCase().split(/\s+/u).filter(Boolean);
  if (words.length === 0) return void 0;
  return (record) => {
    const all = searchable(record);
    return words.every((word) => all.includes(word));
  };
}
function searchable(record) {
  const headers = record.headers.map(([name, value]) => `${name}=${value}`);
  const type = MESSAGE_TYPE_NAMES.get(record.type) ?? "";
  const parts = [type, record.id, record.source, record.target, ...headers, decoder.decode(record.payload)];
  return parts.join("\n").toLowerCase();
}

// state/event_log.ts
var EventLog = class {
  /** Events that have arrived since the page was opened. */
  total = 0;
  /** Bytes of their payloads. */
  totalBytes = 0;
  latest;
  matching;
  isWanted;
  pausedAt;
  constructor(capacity = 500) {
    this.latest = new Ring(capacity);
    this.matching = new Ring(capacity);
  }
  add(message2, now) {
    this.total += 1;
    this.totalBytes += message2.payload.length;
    const record = recordOf(message2, this.total, now);
    this.latest.push(record);
    if (this.isWanted?.(record)) this.matching.push(record);
  }
  /** Shows events that contain each word of a text only; an empty text shows all. */
  filterBy(text) {
    this.isWanted = matcher(text);
    this.matching.clear();
    if (this.isWanted === void 0) return;
    for (const record of this.latest.newestFirst().reverse()) {
      if (this.isWanted(record)) this.matching.push(record);
    }
  }
  get isFiltered() {
    return this.isWanted !== void 0;
  }
  get isPaused() {
    return this.pausedAt !== void 0;
  }
  /** Events that have arrived since the log was paused. */
  get arrivedMeanwhile() {
    return this.pausedAt === void 0 ? 0 : this.total - this.pausedAt.total;
  }
  pause() {
    if (this.pausedAt !== void 0) return;
    const all = [...this.latest.newestFirst(), ...this.matching.newestFirst()];
    const held = new Map(all.map((record) => [record.number, record]));
    const records = [...held.values()].sort((one, other) => other.number - one.number);
    this.pausedAt = { total: this.total, records };
  }
  resume() {
    this.pausedAt = void 0;
  }
  /** Forgets the events that are held; `total` goes on. */
  clear() {
    this.latest.clear();
    this.matching.clear();
    if (this.pausedAt !== void 0) this.pausedAt = { total: this.total, records: [] };
  }
  /** The newest events that are to be shown, newest first. */
  shown(limit) {
    if (this.pausedAt !== void 0) return this.pausedAt.records.filter(this.isWanted ?? (() => true)).slice(0, limit);
    return (this.isFiltered ? this.matching : this.latest).newestFirst(limit);
  }
};

// state/series.ts
var SPAN_S = 120;
var RateSeries = class {
  counts = /* @__PURE__ */ new Map();
  first;
  constructor(nowMs) {
    this.first = secondOf(nowMs);
  }
  count(nowMs) {
    const second = secondOf(nowMs);
    this.counts.set(second, (this.counts.get(second) ?? 0) + 1);
    if (this.counts.size > 2 * SPAN_S) this.forget(second);
  }
  /** Events in each of the last whole seconds. */
  points(nowMs) {
    const end = secondOf(nowMs);
    this.forget(end);
    return seconds(end).map((second) => second < this.first ? null : this.counts.get(second) ?? 0);
  }
  /** How many seconds are held. */
  get held() {
    return this.counts.size;
  }
  forget(now) {
    for (const second of this.counts.keys()) {
      if (second < now - SPAN_S) this.counts.delete(second);
    }
  }
};
var LatencySeries = class _LatencySeries {
  static WINDOW_S = 30;
  samples = [];
  seconds = /* @__PURE__ */ new Map();
  add(nowMs, ms) {
    this.samples.push({ atMs: nowMs, ms });
    const second = secondOf(nowMs);
    const oldest = nowMs - _LatencySeries.WINDOW_S * 1e3;
    this.samples = this.samples.filter((sample) => sample.atMs > oldest).slice(-MAX_SAMPLES);
    const sorted = this.samples.map((sample) => sample.ms).sort((one, other) => one - other);
    this.seconds.set(second, { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) });
    for (const kept of this.seconds.keys()) {
      if (kept < second - SPAN_S) this.seconds.delete(kept);
    }
  }
  /** How many samples and seconds are held. */
  get held() {
    return this.samples.length + this.seconds.size;
  }
  /** The median and the 99th percentile at each of the last seconds, in milliseconds. */
  points(nowMs) {
    const found = seconds(secondOf(nowMs)).map((second) => this.seconds.get(second));
    return { p50: found.map((value) => value?.p50 ?? null), p99: found.map((value) => value?.p99 ?? null) };
  }
};
var MAX_SAMPLES = 1e3;
function percentile(sorted, share) {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
function secondOf(ms) {
  return Math.floor(ms / 1e3);
}
function seconds(end) {
  return Array.from({ length: SPAN_S }, (_, index) => end - SPAN_S + index);
}

// state/subscription.ts
var FIRST_DELAY_MS = 500;
var LAST_DELAY_MS = 8e3;
async function keepSubscribed(client, nodeId, messageTypes, subscriber, signal) {
  let delayMs = FIRST_DELAY_MS;
  while (!signal.aborted) {
    subscriber.onState({ kind: "subscribing" });
    let reason = "the node ended the subscription";
    const onHeader = () => {
      delayMs = FIRST_DELAY_MS;
      subscriber.onState({ kind: "live" });
    };
    try {
      const request = messageTypes.length > 0 ? { nodeId, filter: { messageTypes } } : { nodeId };
      for await (const event of client.streamEvents(request, { signal, onHeader })) subscriber.onEvent(event);
    } catch (error) {
      reason = describeFailure(error);
    }
    if (signal.aborted) return;
    subscriber.onState({ kind: "failed", reason, retryAt: Date.now() + delayMs });
    await delay(delayMs, signal);
    delayMs = Math.min(LAST_DELAY_MS, delayMs * 2);
  }
}

// view/chart.ts
var MARGIN = { left: 52, right: 10, top: 10, bottom: 24 };
var TIME_STEP_S = 30;
var Chart = class {
  svg;
  format;
  leastTop;
  onPoint;
  lines = [];
  pointed;
  /**
   * `leastTop` is what the axis of values reaches at least, so that noise is not drawn as mountains. `onPoint` is told
   * which of the points a pointer is over.
   */
  constructor(svg, leastTop, format, onPoint) {
    this.svg = svg;
    this.onPoint = onPoint;
    this.leastTop = leastTop;
    this.format = format;
    new ResizeObserver(() => this.paint()).observe(svg);
    svg.addEventListener("pointermove", (event) => this.point(this.indexAt(event.clientX)));
    svg.addEventListener("pointerleave", () => this.point(void 0));
  }
  draw(lines) {
    this.lines = lines;
    this.paint();
  }
  point(index) {
    this.pointed = index;
    this.onPoint(index);
    this.paint();
  }
  /** The point that is nearest to a place on the screen. */
  indexAt(clientX) {
    const { left, width } = this.svg.getBoundingClientRect();
    const share = (clientX - left - MARGIN.left) / (width - MARGIN.left - MARGIN.right);
    return Math.min(SPAN_S - 1, Math.max(0, Math.round(share * SPAN_S) - 1));
  }
  paint() {
    const { width, height } = this.svg.getBoundingClientRect();
    if (width === 0) return;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const box = { left: MARGIN.left, right: width - MARGIN.right, top: MARGIN.top, bottom: height - MARGIN.bottom };
    const steps = axisSteps(Math.max(this.leastTop, greatest(this.lines)));
    const top = steps.at(-1) ?? 1;
    this.svg.replaceChildren(
      ...steps.flatMap((value) => this.rule(box, value, top)),
      ...timeLabels(box),
      ...this.lines.flatMap((line) => drawnLine(box, line, top)),
      ...marker(box, this.pointed)
    );
  }
  rule(box, value, top) {
    const y = heightOf(box, value, top);
    const line = { class: value === 0 ? "base" : "rule", x1: box.left, x2: box.right, y1: y, y2: y };
    const label = { class: "axis", x: box.left - 8, y: y + 4, "text-anchor": "end" };
    return [svgElement("line", line), svgElement("text", label, this.format(value))];
  }
};
function marker(box, index) {
  if (index === void 0) return [];
  const x = placeOf(box, index);
  return [svgElement("line", { class: "pointed", x1: x, x2: x, y1: box.top, y2: box.bottom })];
}
function greatest(lines) {
  return Math.max(0, ...lines.flatMap((line) => line.points.map((value) => value ?? 0)));
}
function axisSteps(most) {
  const rough = most / 3;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10);
  const count = Math.ceil(most / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, index) => Number((index * step).toPrecision(12)));
}
function timeLabels(box) {
  const step = box.right - box.left < 320 ? 2 * TIME_STEP_S : TIME_STEP_S;
  const labels = [];
  for (let ago2 = 0; ago2 <= SPAN_S; ago2 += step) {
    const x = box.right - (box.right - box.left) * ago2 / SPAN_S;
    const anchor = ago2 === 0 ? "end" : ago2 === SPAN_S ? "start" : "middle";
    const text = ago2 === 0 ? "now" : `−${Math.floor(ago2 / 60)}:${String(ago2 % 60).padStart(2, "0")}`;
    labels.push(svgElement("text", { class: "axis", x, y: box.bottom + 17, "text-anchor": anchor }, text));
  }
  return labels;
}
function drawnLine(box, line, top) {
  const drawn = [];
  let last;
  for (const run of runs(line.points)) {
    const points = run.map(([index, value]) => [placeOf(box, index), heightOf(box, value, top)]);
    last = points.at(-1);
    const path = points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");
    const [first] = points;
    if (line.isArea && first !== void 0 && last !== void 0) {
      const d = `M${first[0].toFixed(1)} ${box.bottom}L${path}L${last[0].toFixed(1)} ${box.bottom}Z`;
      drawn.push(svgElement("path", { class: `area ${line.kind}`, d }));
    }
    drawn.push(svgElement("path", { class: `line ${line.kind}`, d: `M${path}` }));
  }
  if (last !== void 0) {
    drawn.push(svgElement("circle", { class: `dot ${line.kind}`, cx: last[0], cy: last[1], r: 3 }));
  }
  return drawn;
}
function runs(points) {
  const found = [];
  let isOpen = false;
  for (const [index, value] of points.entries()) {
    if (value === null) {
      isOpen = false;
      continue;
    }
    if (!isOpen) found.push([]);
    isOpen = true;
    found.at(-1)?.push([index, value]);
  }
  return found;
}
function placeOf(box, index) {
  return box.left + (box.right - box.left) * (index + 1) / SPAN_S;
}
function heightOf(box, value, top) {
  return box.bottom - (box.bottom - box.top) * value / top;
}

// view/chart_view.ts
var ChartView = class {
  rateChart;
  latencyChart;
  rate;
  latency;
  rates = [];
  percentiles = { p50: [], p99: [] };
  /** Which second a pointer is over, in each chart. */
  pointed = {};
  constructor(rate, latency) {
    this.rate = rate;
    this.latency = latency;
    this.rateChart = new Chart(byId("rate-chart", SVGSVGElement), 10, formatShort, (index) => {
      this.pointed.rate = index;
      this.tellRate();
    });
    const inMs = (value) => `${formatShort(value)} ms`;
    this.latencyChart = new Chart(byId("latency-chart", SVGSVGElement), 1, inMs, (index) => {
      this.pointed.latency = index;
      this.tellLatency();
    });
  }
  draw(now) {
    this.rates = this.rate.points(now);
    this.percentiles = this.latency.points(now);
    this.rateChart.draw([{ kind: "rate", points: this.rates, isArea: true }]);
    this.latencyChart.draw([
      { kind: "p99", points: this.percentiles.p99, isArea: false },
      { kind: "p50", points: this.percentiles.p50, isArea: false }
    ]);
    this.tellRate();
    this.tellLatency();
  }
  tellRate() {
    const latest = this.rates.at(-1) ?? null;
    setText(byId("rate-now", HTMLOutputElement), latest === null ? "not known yet" : `${formatCount(latest)} events/s`);
    const text = this.pointed.rate === void 0 ? ratesInWords(this.rates) : this.rateAt(this.pointed.rate);
    setText(byId("rate-summary", HTMLElement), text);
  }
  tellLatency() {
    const { p50, p99 } = this.percentiles;
    setText(byId("p50-now", HTMLOutputElement), withValue("p50", p50.at(-1)));
    setText(byId("p99-now", HTMLOutputElement), withValue("p99", p99.at(-1)));
    const text = this.pointed.latency === void 0 ? latencyInWords(p99) : this.latencyAt(this.pointed.latency);
    setText(byId("latency-summary", HTMLElement), text);
  }
  rateAt(index) {
    const rate = this.rates[index] ?? null;
    return `${ago(index)}: ${rate === null ? "not known" : `${formatCount(rate)} events/s`}`;
  }
  latencyAt(index) {
    const [p50, p99] = [this.percentiles.p50[index] ?? null, this.percentiles.p99[index] ?? null];
    return `${ago(index)}: ${p50 === null ? "not known" : `${withValue("p50", p50)}, ${withValue("p99", p99)}`}`;
  }
};
function ago(index) {
  return `${SPAN_S - index} s ago`;
}
function withValue(name, ms) {
  return ms === null || ms === void 0 ? name : `${name} ${formatMs(ms)}`;
}
function ratesInWords(points) {
  const known = points.filter((value) => value !== null);
  if (known.length === 0) return "";
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  return `Mean ${formatCount(mean)}, most ${formatCount(Math.max(...known))} in a second, as this page got them.`;
}
function latencyInWords(p99) {
  const known = p99.filter((value) => value !== null);
  if (known.length === 0) return "";
  return `A heartbeat and its answer, over the 30 s before; slowest p99 ${formatMs(Math.max(...known))}.`;
}

// view/connection_view.ts
var TEXTS = {
  connecting: ["asking", "Connecting"],
  ready: ["healthy", "Connected"],
  waiting: ["offline", "Connection lost"],
  closed: ["offline", "Closed"]
};
var ConnectionView = class {
  link;
  retryButton = byId("retry", HTMLButtonElement);
  constructor(link) {
    this.link = link;
    this.retryButton.addEventListener("click", () => link.retry());
  }
  draw(now) {
    const { state } = this.link;
    const [verdict, text] = TEXTS[state.kind];
    const badge = byId("connection", HTMLElement);
    badge.dataset["verdict"] = verdict;
    setText(badge, text);
    const isWaiting = state.kind === "waiting";
    badge.title = isWaiting ? state.reason : "";
    setText(byId("countdown", HTMLElement), isWaiting ? countdown(state.retryAt - now) : "");
    this.retryButton.hidden = !isWaiting;
  }
};
function countdown(ms) {
  const seconds2 = Math.ceil(ms / 1e3);
  return seconds2 > 0 ? `next attempt in ${seconds2} s` : "trying again";
}

// view/copy_view.ts
var SHOWN_MS = 1500;
function installCommand(url) {
  const code = byId("publish-command", HTMLElement);
  setText(code, `echo hello > hello.txt
eventflux publish ${url} hello.txt`);
  const button = byId("copy-command", HTMLButtonElement);
  button.addEventListener("click", () => {
    void copy(code).then((isCopied) => {
      setText(button, isCopied ? "Copied" : "Selected");
      setTimeout(() => setText(button, "Copy"), SHOWN_MS);
    });
  });
}
async function copy(source) {
  try {
    await navigator.clipboard.writeText(source.textContent ?? "");
    return true;
  } catch {
    getSelection()?.selectAllChildren(source);
    return false;
  }
}

// view/payload.ts
var HEX_LINE = 16;
function readableText(bytes2, isCut) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes2, { stream: isCut });
    return UNREADABLE.test(text) ? void 0 : text;
  } catch {
    return void 0;
  }
}
var UNREADABLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/u;
function preview(bytes2, characters) {
  if (bytes2.length === 0) return "";
  const part = bytes2.subarray(0, characters);
  const text = readableText(part, part.length < bytes2.length);
  return text === void 0 ? hexBytes(part.subarray(0, 32)) : text.replace(/\s+/gu, " ").trim();
}
function hexBytes(bytes2) {
  return Array.from(bytes2, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
function hexDump(bytes2) {
  const lines = [];
  for (let offset = 0; offset < bytes2.length; offset += HEX_LINE) {
    const part = bytes2.subarray(offset, offset + HEX_LINE);
    const ascii = Array.from(part, (byte) => byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "·").join("");
    lines.push(`${offset.toString(16).padStart(4, "0")}  ${hexBytes(part).padEnd(HEX_LINE * 3 - 1)}  ${ascii}`);
  }
  return lines.join("\n");
}

// view/event_row.ts
var PREVIEW_CHARACTERS = 160;
var CELLS = ["time", "type", "source", "id", "headers", "payload"];
var EventRow = class {
  root;
  details;
  cells;
  body = element("div", { class: "event-body" });
  record;
  constructor() {
    const cells = CELLS.map((name) => [name, element("span", { class: `cell ${name}` })]);
    this.cells = Object.fromEntries(cells);
    const summary = element("summary", {}, ...cells.map(([, cell]) => cell));
    this.details = element("details", {}, summary, this.body);
    this.root = element("li", {}, this.details);
    this.details.addEventListener("toggle", () => this.showBody());
  }
  show(record) {
    this.record = record;
    this.details.open = false;
    const type = messageTypeName(record.type);
    this.root.dataset["type"] = type;
    const texts = {
      time: formatTime(record.arrivedAt),
      type,
      source: record.source,
      id: record.id,
      headers: record.headers.map(([name, value]) => `${name}=${value}`).join("  "),
      payload: preview(record.payload, PREVIEW_CHARACTERS)
    };
    for (const name of CELLS) setText(this.cells[name], texts[name]);
  }
  showBody() {
    this.body.replaceChildren(...this.details.open && this.record !== void 0 ? bodyOf(this.record) : []);
  }
};
function bodyOf(record) {
  const facts = [
    ["Id", record.id],
    ["Type", messageTypeName(record.type)],
    ["Source node", record.source],
    ["Target node", record.target || "every node"],
    ["Priority", String(record.priority)],
    ...compressionOf(record),
    ["Sent", record.sentAt === void 0 ? "not said" : formatDate(record.sentAt)],
    ["Arrived", formatDate(record.arrivedAt)],
    ...record.headers.map(([name, value]) => [`Header ${name}`, value]),
    ...record.omittedHeaders > 0 ? [["Headers", `${record.omittedHeaders} more, not kept`]] : []
  ];
  return [element("dl", { class: "facts" }, ...facts.map(([name, value]) => factOf(name, value))), payloadOf(record)];
}
function compressionOf({ compression }) {
  if (compression === CompressionType.NONE) return [];
  const name = Object.entries(CompressionType).find(([, number]) => number === compression)?.[0];
  return [["Compression", name?.toLowerCase() ?? `number ${compression}`]];
}
function factOf(name, value) {
  return element("div", {}, element("dt", {}, name), element("dd", {}, value || "–"));
}
function payloadOf(record) {
  const isCut = record.payload.length < record.payloadBytes;
  const text = readableText(record.payload, isCut);
  const content = element("pre", { tabindex: "0", "aria-label": "Payload" });
  const size = element("span", { class: "hint" }, payloadSize(record, isCut));
  const title = element("div", { class: "payload-title" }, element("strong", {}, "Payload"), size);
  let isHex = text === void 0;
  const show = () => setText(content, isHex ? hexDump(record.payload) : text ?? "");
  if (text !== void 0 && record.payloadBytes > 0) {
    const button = element("button", { type: "button", class: "quiet", "aria-pressed": "false" }, "As hex");
    button.addEventListener("click", () => {
      isHex = !isHex;
      button.setAttribute("aria-pressed", String(isHex));
      show();
    });
    title.append(button);
  }
  show();
  return element("div", { class: "payload-full" }, title, ...record.payloadBytes > 0 ? [content] : []);
}
function payloadSize(record, isCut) {
  if (record.payloadBytes === 0) return "empty";
  const size = formatBytes(record.payloadBytes);
  return isCut ? `the first ${formatBytes(record.payload.length)} of ${size}` : size;
}

// view/event_list.ts
var EventList = class {
  root;
  rows = /* @__PURE__ */ new Map();
  spare = [];
  constructor(root) {
    this.root = root;
  }
  show(records) {
    const wanted = new Set(records.map((record) => record.number));
    for (const [number, row] of this.rows) {
      if (wanted.has(number)) continue;
      this.rows.delete(number);
      row.root.remove();
      this.spare.push(row);
    }
    let next = this.root.firstChild;
    for (const record of records) {
      const known = this.rows.get(record.number);
      if (known !== void 0 && known.root === next) {
        next = next.nextSibling;
        continue;
      }
      const row = known ?? this.made(record);
      this.root.insertBefore(row.root, next);
    }
  }
  made(record) {
    const row = this.spare.pop() ?? new EventRow();
    row.show(record);
    this.rows.set(record.number, row);
    return row;
  }
};

// view/event_view.ts
var ROWS = 200;
var LEAST_MS = 100;
var EventView = class {
  log;
  list = new EventList(byId("event-list", HTMLOListElement));
  pauseButton = byId("pause", HTMLButtonElement);
  note = byId("event-note", HTMLElement);
  types = /* @__PURE__ */ new Set();
  state = { kind: "subscribing" };
  /** Has what arrived drawn in the next frame, or a moment later; what the user does is drawn at once. */
  refresh = coalesced(LEAST_MS, () => this.draw());
  /** `onTypes` is called with the types that are to be subscribed to, none: all, when the user chooses others. */
  constructor(log, onTypes) {
    this.log = log;
    this.addTypes(onTypes);
    const text = byId("text-filter", HTMLInputElement);
    text.addEventListener("input", () => {
      log.filterBy(text.value);
      this.draw();
    });
    this.pauseButton.addEventListener("click", () => log.isPaused ? this.resume() : this.pause("paused"));
    byId("clear", HTMLButtonElement).addEventListener("click", () => {
      log.clear();
      this.draw();
    });
    byId("event-list", HTMLOListElement).addEventListener("focusin", () => this.pause("paused while you read"));
  }
  showState(state) {
    this.state = state;
    this.refresh();
  }
  addTypes(onTypes) {
    const choices = Object.values(MessageType).map((type) => {
      const box = element("input", { type: "checkbox" });
      box.addEventListener("change", () => {
        if (box.checked) this.types.add(type);
        else this.types.delete(type);
        onTypes([...this.types]);
        this.draw();
      });
      return element("label", { class: "chip" }, box, element("span", {}, messageTypeName(type)));
    });
    byId("type-filter", HTMLFieldSetElement).append(element("div", { class: "chips" }, ...choices));
  }
  pause(why) {
    if (this.log.isPaused) return;
    this.log.pause();
    this.pauseButton.setAttribute("aria-pressed", "true");
    setText(this.note, `The list is ${why}.`);
    this.draw();
  }
  resume() {
    const count = this.log.arrivedMeanwhile;
    this.log.resume();
    this.pauseButton.setAttribute("aria-pressed", "false");
    setText(this.note, count > 0 ? `${formatCount(count)} events had arrived meanwhile.` : "");
    this.draw();
  }
  draw() {
    const records = this.log.shown(ROWS);
    this.list.show(records);
    byId("event-table", HTMLElement).hidden = records.length === 0;
    const empty = byId("no-events", HTMLElement);
    empty.hidden = records.length > 0;
    if (!empty.hidden) this.drawEmpty();
    setText(this.pauseButton, this.log.isPaused ? `Resume (${formatCount(this.log.arrivedMeanwhile)} new)` : "Pause");
    setText(byId("event-count", HTMLElement), this.countText(records.length));
  }
  countText(shown2) {
    const { total, totalBytes } = this.log;
    const state = STATE_TEXTS[this.state.kind](this.state);
    if (total === 0) return state;
    const list = shown2 === ROWS ? ` · the newest ${ROWS} listed` : ` · ${formatCount(shown2)} listed`;
    return `${state} · ${formatCount(total)} received, ${formatBytes(totalBytes)}${list}`;
  }
  drawEmpty() {
    const isNone = this.log.total === 0;
    const title = isNone ? "No event has arrived yet." : this.log.isFiltered ? "No event that is held contains these words." : "Nothing to list.";
    setText(byId("no-events-title", HTMLElement), title);
    const chosen = this.types.size > 0 ? "Only the chosen types are subscribed to. " : "";
    setText(byId("no-events-hint", HTMLElement), `${chosen}Publish an event with the form, or from a shell:`);
  }
};
var STATE_TEXTS = {
  subscribing: () => "Subscribing",
  live: () => "Live",
  failed: (state) => state.kind === "failed" ? `Not subscribed: ${state.reason}` : ""
};

// view/publish_view.ts
var KEPT_ANSWERS = 20;
var TIMEOUT_MS2 = 1e4;
var FIELDS = ["type", "payload", "headers", "source", "target", "priority"];
var PublishView = class {
  client;
  form = byId("publish-form", HTMLFormElement);
  problem = byId("publish-error", HTMLElement);
  answers = byId("answers", HTMLOListElement);
  constructor(client) {
    this.client = client;
    for (const type of Object.values(MessageType)) {
      this.field("type").append(element("option", { value: String(type) }, messageTypeName(type)));
    }
    this.field("type").value = String(MessageType.EVENT);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.publish();
    });
    this.form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.form.requestSubmit();
    });
  }
  field(name) {
    return this.form.elements.namedItem(name);
  }
  draft() {
    return {
      type: this.field("type").value,
      payload: this.field("payload").value,
      headers: this.field("headers").value,
      source: this.field("source").value,
      target: this.field("target").value,
      priority: this.field("priority").value
    };
  }
  async publish() {
    this.showProblem(void 0);
    const line = element("li", { class: "pending" }, element("span", { class: "cell time" }, formatTime(Date.now())));
    const text = element("span", {}, "Waiting for the node");
    line.append(text);
    try {
      const message2 = messageOf(this.draft(), Date.now());
      this.addAnswer(line);
      const started = performance.now();
      const answer = await this.client.sendMessage(message2, { timeoutMs: TIMEOUT_MS2 });
      const took = formatMs(performance.now() - started);
      line.className = "good";
      text.replaceChildren(`${capitalised(messageTypeName(answer.messageType))} in ${took}`, idOf(answer.id));
    } catch (error) {
      if (error instanceof DraftError) return this.showProblem(error);
      line.className = "bad";
      setText(text, describeFailure(error));
    }
  }
  addAnswer(line) {
    this.answers.prepend(line);
    while (this.answers.childElementCount > KEPT_ANSWERS) this.answers.lastElementChild?.remove();
  }
  showProblem(problem) {
    for (const name of FIELDS) this.field(name).removeAttribute("aria-invalid");
    setText(this.problem, problem?.message ?? "");
    if (problem === void 0) return;
    const field = this.field(problem.field);
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", this.problem.id);
    field.focus();
  }
};
function idOf(id) {
  return element("code", { title: "the id of the answer" }, id);
}
function capitalised(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

// view/theme_view.ts
var KEY3 = "theme";
var THEMES = ["auto", "light", "dark"];
var TEXTS2 = { auto: "Theme: auto", light: "Theme: light", dark: "Theme: dark" };
function installTheme(store) {
  const button = byId("theme", HTMLButtonElement);
  let theme = THEMES.find((name) => name === store.read(KEY3)) ?? "auto";
  const show = () => {
    document.documentElement.dataset["theme"] = theme;
    setText(button, TEXTS2[theme]);
  };
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "auto";
    store.write(KEY3, theme);
    show();
  });
  show();
}

// app.ts
var TICK_MS = 1e3;
function start(url, openLink2, store) {
  const nodeId = `web-${randomId().slice(0, 8)}`;
  const link = openLink2(url);
  const client = new TransportClient(link.transport);
  const [log, rate, latency] = [new EventLog(), new RateSeries(Date.now()), new LatencySeries()];
  installTheme(store);
  installCommand(url);
  setText(byId("node-url", HTMLElement), url);
  new PublishView(client);
  byId("publish-source", HTMLInputElement).value = nodeId;
  const subscriber = {
    onEvent(event) {
      const now = Date.now();
      log.add(event, now);
      rate.count(now);
      events.refresh();
    },
    onState: (state) => events.showState(state)
  };
  const events = new EventView(log, subscriberOf(client, nodeId, subscriber));
  const connection = new ConnectionView(link);
  const charts = new ChartView(rate, latency);
  const tick = () => {
    connection.draw(Date.now());
    charts.draw(Date.now());
  };
  link.watch(() => connection.draw(Date.now()), new AbortController().signal);
  new NodePanel(link, openLink2, store, nodeId).start((condition) => showOwn(condition, latency));
  setInterval(tick, TICK_MS);
  tick();
  events.refresh();
}
function subscriberOf(client, nodeId, subscriber) {
  let stop = new AbortController();
  const subscribe = (types) => {
    stop.abort();
    stop = new AbortController();
    void keepSubscribed(client, nodeId, types, subscriber, stop.signal);
  };
  queueMicrotask(() => subscribe([]));
  return subscribe;
}
function showOwn(condition, latency) {
  if (condition.roundTripMs !== void 0) latency.add(Date.now(), condition.roundTripMs);
  const name = condition.answer?.serverNodeId;
  if (!name) return;
  setText(byId("node-name", HTMLElement), name);
  document.title = `${name} · EventFlux node`;
}

// state/store.ts
var browserStore = {
  read(key) {
    try {
      return localStorage.getItem(PREFIX + key) ?? void 0;
    } catch {
      return void 0;
    }
  },
  write(key, value) {
    try {
      localStorage.setItem(PREFIX + key, value);
    } catch {
    }
  }
};
var PREFIX = "eventflux-node.";

// main.ts
function openLink(url) {
  const channel = new Channel(webSocket(url));
  let state = stateOf(channel);
  const listeners = /* @__PURE__ */ new Set();
  channel.onStatus(() => {
    state = stateOf(channel);
    for (const listener of listeners) listener();
  });
  return {
    url,
    transport: channel,
    get state() {
      return state;
    },
    watch(onChange, signal) {
      listeners.add(onChange);
      signal.addEventListener("abort", () => listeners.delete(onChange));
    },
    retry: () => channel.connect(),
    close: () => void channel.close()
  };
}
function stateOf(channel) {
  const { state, error, retryInMs } = channel.status;
  if (state === "idle") return { kind: "connecting" };
  if (state !== "waiting") return { kind: state };
  return { kind: state, retryAt: Date.now() + (retryInMs ?? 0), reason: error?.rawMessage ?? "" };
}
function ownUrl() {
  const path = document.querySelector('meta[name="eventflux-socket"]')?.content ?? "/";
  const url = new URL(path, location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}
start(ownUrl(), openLink, browserStore);
