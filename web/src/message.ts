/** Message types: what generated code makes of the rows of a message. */

import { rowsOf, type Field, type Fields, type MapField, type OneofField } from "./field.ts";
import { BLOCK, type Kind } from "./kind.ts";
import { leastBytes, readNativeFields, writeNativeFields } from "./native_codec.ts";
import { RecordTable } from "./protobuf_codec.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

export { CodecError } from "./codec_error.ts";
export { Reader } from "./reader.ts";
export { Writer } from "./writer.ts";

/** What every message may have beside its fields. */
export interface Message {
  /** Records of protobuf's encoding that its type has no field for. They are written again behind the fields. */
  $unknown?: Uint8Array | undefined;
}

/** What a map may be made of: entries, or an object where its keys are strings. */
export type MapInit<K, V> = Iterable<readonly [K, V]> | (K extends string ? { readonly [key: string]: V } : never);

/** How messages of one type are made, written and read. The methods that write or read throw CodecError. */
export interface MessageType<T, Init = T> {
  /** The full name, as `eventflux.transport.EventRequest`. */
  readonly typeName: string;
  /** A message with what the init object gives, and defaults. */
  create(init?: Init): T;
  /** Appends a message in the native layout. */
  writeNative(message: T, out: Writer): void;
  /** Reads one from the position of the input, and leaves what comes behind it. */
  readNative(input: Reader): T;
  /** Appends a message in protobuf's encoding, without a length. */
  writeProtobuf(message: T, out: Writer): void;
  /** Reads one that ends at `end`. */
  readProtobuf(input: Reader, end: number): T;
  /** A message in protobuf's encoding. */
  toBinary(message: T): Uint8Array;
  /** The message that bytes in protobuf's encoding are. */
  fromBinary(bytes: Uint8Array): T;
}

/** A message type as rows of other messages refer to it. */
export interface MessageDefinition<T, Init = T> extends MessageType<T, Init> {
  readonly kind: Kind<T>;
}

/** Makes a message type of its rows, which are in the order of the native layout and asked for when first needed. */
export function message<T extends object, Init = T>(
  typeName: string,
  fields: () => readonly Field[],
): MessageDefinition<T, Init> {
  return new Definition<T, Init>(typeName, fields);
}

/** Makes a message type whose messages are plain values: the only field of each is what stands for it. */
export function boxed<T, Box extends object>(
  inner: MessageDefinition<Box>,
  box: (value: T, out: Writer) => Box,
  unbox: (message: Box) => T,
  from: (init: unknown) => T,
): MessageDefinition<T> {
  const kind: Kind<T> = {
    wire: BLOCK,
    isMessage: true,
    numbers: undefined,
    zero: () => unbox(inner.kind.zero()),
    from,
    least: () => inner.kind.least(),
    isZero: () => false,
    writeNative: (value, out) => inner.kind.writeNative(box(value, out), out),
    readNative: (input) => unbox(inner.kind.readNative(input)),
    writeRecord: (value, out) => inner.kind.writeRecord(box(value, out), out),
    readRecord: (input, end) => unbox(inner.kind.readRecord(input, end)),
  };
  return {
    typeName: inner.typeName,
    kind,
    create: (init) => (init === undefined ? kind.zero() : from(init)),
    writeNative: (value, out) => inner.writeNative(box(value, out), out),
    readNative: (input) => unbox(inner.readNative(input)),
    writeProtobuf: (value, out) => inner.writeProtobuf(box(value, out), out),
    readProtobuf: (input, end) => unbox(inner.readProtobuf(input, end)),
    toBinary: (value) => inner.toBinary(box(value, new Writer())),
    fromBinary: (bytes) => unbox(inner.fromBinary(bytes)),
  };
}

class Definition<T extends object, Init> implements MessageDefinition<T, Init> {
  readonly typeName: string;
  readonly kind: Kind<T>;
  private readonly makeFields: () => readonly Field[];
  private madeFields: readonly Field[] | undefined;
  private madeTable: RecordTable | undefined;
  private leastBytes: number | undefined;

  constructor(typeName: string, fields: () => readonly Field[]) {
    this.typeName = typeName;
    this.makeFields = fields;
    this.kind = this.makeKind();
  }

  create(init?: Init): T {
    const given = (init ?? {}) as Fields;
    const made: Fields = {};
    for (const field of this.fields) {
      const value = initialValue(field, given[field.name]);
      if (value !== undefined) made[field.name] = value;
    }
    if (given["$unknown"] !== undefined) made["$unknown"] = given["$unknown"];
    return made as T;
  }

  writeNative(message: T, out: Writer): void {
    this.check(message, out);
    writeNativeFields(this.fields, message as Fields, out);
  }

  readNative(input: Reader): T {
    const made: Fields = {};
    readNativeFields(this.fields, made, input);
    input.field = this.typeName;
    return made as T;
  }

  writeProtobuf(message: T, out: Writer): void {
    this.check(message, out);
    this.table.write(message as Fields, out);
    const unknown = (message as Message).$unknown;
    if (unknown === undefined) return;
    out.field = `${this.typeName}.$unknown`;
    if (!(unknown instanceof Uint8Array)) throw out.misfit("a Uint8Array", unknown);
    out.raw(unknown);
  }

  readProtobuf(input: Reader, end: number): T {
    const made = this.create();
    const unknown = this.table.read(made as Fields, input, end);
    if (unknown !== undefined) (made as Message).$unknown = unknown;
    return made;
  }

  toBinary(message: T): Uint8Array {
    const out = new Writer();
    this.writeProtobuf(message, out);
    return out.take();
  }

  fromBinary(bytes: Uint8Array): T {
    return this.readProtobuf(new Reader(bytes), bytes.length);
  }

  private get fields(): readonly Field[] {
    this.madeFields ??= rowsOf(this.typeName, this.makeFields());
    return this.madeFields;
  }

  private get table(): RecordTable {
    this.madeTable ??= new RecordTable(this.typeName, this.fields);
    return this.madeTable;
  }

  private check(message: unknown, out: Writer): void {
    if (typeof message !== "object" || message === null) throw out.misfit(`a ${this.typeName}`, message);
  }

  private least(): number {
    if (this.leastBytes === undefined) {
      this.leastBytes = 1; // of one that requires itself there can be none
      this.leastBytes = leastBytes(this.fields);
    }
    return this.leastBytes;
  }

  private makeKind(): Kind<T> {
    return {
      wire: BLOCK,
      isMessage: true,
      numbers: undefined,
      zero: () => this.create(),
      from: (init) => this.create(init as Init),
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
      },
    };
  }
}

function initialValue(field: Field, init: unknown): unknown {
  switch (field.shape) {
    case "single":
      return init === undefined ? field.kind.zero() : field.kind.from(init);
    case "repeated":
      return init === undefined ? [] : Array.from(init as Iterable<unknown>, (each) => field.kind.from(each));
    case "map":
      return initialMap(field, init);
    case "oneof":
      return initialChoice(field, init as { case?: string; value?: unknown } | undefined);
    default:
      return init === undefined ? undefined : field.kind.from(init);
  }
}

function initialMap(field: MapField, init: unknown): Map<unknown, unknown> {
  const made = new Map<unknown, unknown>();
  if (init === undefined) return made;
  const isIterable = typeof (init as Iterable<unknown>)[Symbol.iterator] === "function";
  const entries = isIterable ? (init as Iterable<readonly [unknown, unknown]>) : Object.entries(init as object);
  for (const [key, value] of entries) made.set(key, field.kind.from(value));
  return made;
}

function initialChoice(field: OneofField, init: { case?: string; value?: unknown } | undefined): unknown {
  if (init?.case === undefined) return { case: undefined };
  const choice = field.choices.find((each) => each.name === init.case);
  return { case: init.case, value: choice === undefined ? init.value : choice.kind.from(init.value) };
}
