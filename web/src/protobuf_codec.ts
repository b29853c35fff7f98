/**
 * Protobuf's encoding: a message as records, written in the order of their numbers.
 *
 * https://protobuf.dev/programming-guides/encoding/ is the specification. A field that holds one message is read behind
 * all records, because the message may come in several parts, which are merged.
 */

import type { Choice, Chosen, Field, Fields, MapField, OneofField, ValueField } from "./field.ts";
import { type AnyKind, BLOCK } from "./kind.ts";
import { chosenOf, listOf, mapOf } from "./native_codec.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

/** Where a record belongs: to a field, or to a choice of a oneof. */
interface Slot {
  readonly number: number;
  readonly kind: AnyKind;
  readonly field: Field;
  readonly choice: Choice | undefined;
  /** For a map: what its entries are, which are messages with two fields. */
  readonly entry: RecordTable | undefined;
}

/** The bytes of a message in a field, and what came of it before those. */
interface Part {
  readonly slot: Slot;
  begin: number;
  end: number;
  earlier: Writer | undefined;
}

interface Entry {
  key?: unknown;
  value?: unknown;
}

/** The fields of a message by their numbers: how its records are written and read. */
export class RecordTable {
  private readonly name: string;
  private readonly fields: readonly Field[];
  private readonly slots: ReadonlyMap<number, Slot>;
  private readonly sorted: readonly Slot[];

  constructor(name: string, fields: readonly Field[]) {
    this.name = name;
    this.fields = fields;
    this.sorted = fields.flatMap((field) => slotsOf(field)).sort((one, other) => one.number - other.number);
    this.slots = new Map(this.sorted.map((slot) => [slot.number, slot]));
  }

  /** Appends the fields that are set. Throws CodecError for a value that its field cannot carry. */
  write(message: Fields, out: Writer): void {
    for (const slot of this.sorted) {
      out.field = slot.field.path;
      writeSlot(slot, message[slot.field.name], out);
    }
  }

  /**
   * Reads the records up to `end` into a message that has its defaults.
   *
   * Returns those that it has no field for, if there are any. Throws CodecError for what is no such message.
   */
  read(message: Fields, input: Reader, end: number): Uint8Array | undefined {
    const outer = input.end;
    input.end = end;
    const records = new Records(message, input);
    while (input.pos < end) {
      const start = input.pos;
      const tag = input.tag();
      const slot = this.slots.get(tag >>> 3);
      input.field = slot === undefined ? this.name : slot.field.path;
      if (slot !== undefined && records.take(slot, tag & 7, start)) continue;
      input.skip(tag);
      if (tag < 8 && this.slots.size > 0) throw input.wrong("there is no field 0", start);
      records.keep(start);
    }
    records.finish();
    for (const field of this.fields) {
      if (field.shape === "required" && message[field.name] === undefined) {
        input.field = field.path;
        throw input.wrong("is required, but absent", end);
      }
    }
    input.end = outer;
    return records.unknown?.take();
  }
}

/** What has been read of one message. */
class Records {
  unknown: Writer | undefined;
  private readonly message: Fields;
  private readonly input: Reader;
  private parts: Map<Slot, Part> | undefined;
  private chosen: Map<Field, Part> | undefined;

  constructor(message: Fields, input: Reader) {
    this.message = message;
    this.input = input;
  }

  /** Takes the record whose tag was read, if its type fits the field; otherwise nothing was read. */
  take(slot: Slot, wire: number, start: number): boolean {
    const { field, kind } = slot;
    if (field.shape === "map") return wire === BLOCK && this.takeEntry(slot, field);
    if (wire !== kind.wire) {
      if (wire !== BLOCK || field.shape !== "repeated") return false;
      this.takePacked(slot);
      return true;
    }
    if (field.shape === "oneof") this.takeChoice(slot, field, start);
    else if (field.shape === "repeated") this.takeElement(slot, start);
    else if (kind.isMessage) (this.parts ??= new Map()).set(slot, this.part(slot, this.parts.get(slot)));
    else this.takeScalar(slot, start);
    return true;
  }

  /** Keeps the record that begins at `start` and was read. */
  keep(start: number): void {
    this.unknown ??= new Writer();
    this.unknown.raw(this.input.buffer.subarray(start, this.input.pos));
  }

  /** Reads the messages whose parts have all come. */
  finish(): void {
    for (const [slot, part] of this.parts ?? []) this.message[slot.field.name] = this.readPart(part);
    for (const [field, part] of this.chosen ?? []) {
      this.message[field.name] = { case: part.slot.choice?.name, value: this.readPart(part) };
    }
  }

  private takeScalar(slot: Slot, start: number): void {
    const value = this.value(slot.kind);
    if (isUnknown(slot.kind, value)) this.keep(start);
    else this.message[slot.field.name] = value;
  }

  private takeElement(slot: Slot, start: number): void {
    const value = this.value(slot.kind);
    if (isUnknown(slot.kind, value)) this.keep(start);
    else (this.message[slot.field.name] as unknown[]).push(value);
  }

  private takePacked(slot: Slot): void {
    const { input } = this;
    const outer = input.end;
    const end = input.blockEnd();
    const list = this.message[slot.field.name] as unknown[];
    input.end = end;
    while (input.pos < end) {
      const value = slot.kind.readRecord(input, end);
      if (isUnknown(slot.kind, value)) this.keepNumber(slot.number);
      else list.push(value);
    }
    input.end = outer;
  }

  private takeEntry(slot: Slot, field: MapField): boolean {
    const { input } = this;
    const end = input.blockEnd();
    const entry: Entry = {};
    input.enter();
    const unknown = slot.entry?.read(entry as Fields, input, end);
    input.depth -= 1;
    if (unknown === undefined) {
      const map = this.message[field.name] as Map<unknown, unknown>;
      map.set(
        entry.key === undefined ? field.key.zero() : entry.key,
        entry.value === undefined ? field.kind.zero() : entry.value,
      );
      return true;
    }
    // Whoever wrote more into an entry than a key and a value would miss it.
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

  private takeChoice(slot: Slot, field: OneofField, start: number): void {
    const pending = this.chosen?.get(field);
    if (slot.kind.isMessage) {
      const part = this.part(slot, pending?.slot === slot ? pending : undefined);
      if (pending !== undefined && pending.slot !== slot) this.drop(pending);
      (this.chosen ??= new Map()).set(field, part);
      return;
    }
    const value = this.value(slot.kind);
    if (isUnknown(slot.kind, value)) {
      this.keep(start);
      return;
    }
    if (pending !== undefined) this.drop(pending);
    this.chosen?.delete(field);
    this.message[field.name] = { case: slot.choice?.name, value } satisfies Chosen;
  }

  /** What another choice takes the place of has to be well-formed all the same. */
  private drop(part: Part): void {
    const { pos } = this.input;
    this.readPart(part);
    this.input.pos = pos;
  }

  private value(kind: AnyKind): unknown {
    const { input } = this;
    const end = kind.wire === BLOCK ? input.blockEnd() : input.end;
    return kind.readRecord(input, end);
  }

  /** A message's bytes, for later; what came before is put ahead of them, if it consists of whole records. */
  private part(slot: Slot, before: Part | undefined): Part {
    const { input } = this;
    const end = input.blockEnd();
    const begin = input.pos;
    let earlier = before?.earlier;
    if (before !== undefined) {
      const records = new Reader(input.buffer, before.begin, before.end);
      records.field = input.field;
      while (records.pos < records.end) records.skip(records.tag(), input.depth + 1);
      earlier ??= new Writer();
      earlier.raw(input.buffer.subarray(before.begin, before.end));
    }
    input.pos = end;
    return { slot, begin, end, earlier };
  }

  private readPart({ slot, begin, end, earlier }: Part): unknown {
    const { input } = this;
    if (earlier === undefined) {
      const { pos } = input;
      input.pos = begin;
      const value = slot.kind.readRecord(input, end);
      input.pos = pos;
      return value;
    }
    earlier.raw(input.buffer.subarray(begin, end));
    const whole = new Reader(earlier.take());
    whole.depth = input.depth;
    whole.field = input.field;
    return slot.kind.readRecord(whole, whole.end);
  }

  private keepNumber(number: number): void {
    this.unknown ??= new Writer();
    this.unknown.tag(number, 0);
    this.unknown.varint64(this.input.low, this.input.high);
  }
}

function isUnknown(kind: AnyKind, value: unknown): boolean {
  return kind.numbers !== undefined && !kind.numbers.has(value as number);
}

function slotsOf(field: Field): Slot[] {
  if (field.shape === "oneof") {
    return field.choices.map((choice) => ({
      number: choice.number,
      kind: choice.kind,
      field,
      choice,
      entry: undefined,
    }));
  }
  const entry = field.shape === "map" ? entryTable(field) : undefined;
  return [{ number: field.number, kind: field.kind, field, choice: undefined, entry }];
}

function entryTable(field: MapField): RecordTable {
  const part = (number: number, own: string, kind: AnyKind): ValueField => ({
    shape: "optional",
    number,
    name: own,
    path: field.path,
    kind,
    isPacked: false,
  });
  return new RecordTable(field.path, [part(1, "key", field.key), part(2, "value", field.kind)]);
}

function writeIfGiven(field: MapField, number: number, kind: AnyKind, value: unknown, out: Writer): void {
  if (value === undefined) return;
  if (!field.isExplicit && !kind.isMessage && kind.isZero(value)) return;
  writeOne(number, kind, value, out);
}

function writeOne(number: number, kind: AnyKind, value: unknown, out: Writer): void {
  out.tag(number, kind.wire);
  kind.writeRecord(value, out);
}

function writeSlot(slot: Slot, held: unknown, out: Writer): void {
  const { field, kind, number } = slot;
  switch (field.shape) {
    case "single":
      if (!kind.isZero(held)) writeOne(number, kind, held, out);
      break;
    case "optional":
      if (held !== undefined) writeOne(number, kind, held, out);
      break;
    case "required":
      if (held === undefined) throw out.misfit("a value, because it is required", held);
      writeOne(number, kind, held, out);
      break;
    case "repeated":
      writeList(field, listOf(held, out), out);
      break;
    case "map":
      writeMap(field, mapOf(held, out), out);
      break;
    case "oneof":
      if (chosenOf(field, held, out) === slot.choice) writeOne(number, kind, (held as Chosen).value, out);
      break;
  }
}

function writeList(field: ValueField, list: readonly unknown[], out: Writer): void {
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

function writeMap(field: MapField, map: ReadonlyMap<unknown, unknown>, out: Writer): void {
  out.depth += 1;
  for (const [key, value] of map) {
    out.tag(field.number, BLOCK);
    const at = out.fork();
    writeOne(1, field.key, key, out);
    writeOne(2, field.kind, value, out);
    out.join(at);
  }
  out.depth -= 1;
}
