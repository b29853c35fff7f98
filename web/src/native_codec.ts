/** The native layout: what bincode 1.3 makes of a message, field by field in the order of the rows. */

import { CodecError } from "./codec_error.ts";
import type { Choice, Chosen, Field, Fields, MapField, OneofField, ValueField } from "./field.ts";
import type { Reader } from "./reader.ts";
import { MAX_DEPTH, type Writer } from "./writer.ts";

/** How many elements of no bytes a list may have: a few bytes of input could claim any number of them. */
const MAX_EMPTY = 64;

/** Appends a message. Throws CodecError for a value that its field cannot carry. */
export function writeNativeFields(fields: readonly Field[], message: Fields, out: Writer): void {
  for (const field of fields) {
    out.field = field.path;
    switch (field.shape) {
      case "map":
        writeMap(field, message[field.name], out);
        break;
      case "oneof":
        writeChosen(field, message[field.name], out);
        break;
      default:
        writeValue(field, message[field.name], out);
    }
  }
}

/** Reads a message into an object that has no field yet. Throws CodecError for what is none. */
export function readNativeFields(fields: readonly Field[], message: Fields, input: Reader): void {
  for (const field of fields) {
    input.field = field.path;
    switch (field.shape) {
      case "map":
        message[field.name] = readMap(field, input);
        break;
      case "oneof":
        message[field.name] = readChosen(field, input);
        break;
      case "repeated":
        message[field.name] = readList(field, input);
        break;
      case "optional":
        if (input.bool()) message[field.name] = field.kind.readNative(input);
        break;
      default:
        message[field.name] = field.kind.readNative(input);
    }
  }
}

/** The least bytes of a message. */
export function leastBytes(fields: readonly Field[]): number {
  let least = 0;
  for (const field of fields) {
    if (field.shape === "map" || field.shape === "repeated") least += 8;
    else if (field.shape === "oneof" || field.shape === "optional") least += 1;
    else least += field.kind.least();
  }
  return least;
}

/** What a oneof holds, as its row: undefined for none. Throws CodecError for a choice that there is not. */
export function chosenOf(field: OneofField, held: unknown, out: Writer): Choice | undefined {
  if (typeof held !== "object" || held === null) throw out.misfit("an object with case and value", held);
  const name = (held as Chosen).case;
  if (name === undefined) return undefined;
  const found = field.choices.find((choice) => choice.name === name);
  if (found === undefined) throw out.misfit(`a case out of ${field.choices.map((each) => each.name).join(", ")}`, name);
  return found;
}

/** A list that is to be written. */
export function listOf(held: unknown, out: Writer): readonly unknown[] {
  if (!Array.isArray(held)) throw out.misfit("an array", held);
  return held;
}

/** A map that is to be written. Throws CodecError also where its entries would lie too deep. */
export function mapOf(held: unknown, out: Writer): ReadonlyMap<unknown, unknown> {
  if (!(held instanceof Map)) throw out.misfit("a Map", held);
  if (held.size > 0 && out.depth >= MAX_DEPTH) {
    throw new CodecError(`is nested more than ${MAX_DEPTH} levels deep`, out.field);
  }
  return held;
}

function writeValue(field: ValueField, held: unknown, out: Writer): void {
  switch (field.shape) {
    case "optional":
      out.bool(held !== undefined);
      if (held !== undefined) field.kind.writeNative(held, out);
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
      if (held === undefined) throw out.misfit("a value, because it is required", held);
      field.kind.writeNative(held, out);
      break;
    default:
      field.kind.writeNative(held, out);
  }
}

function writeMap(field: MapField, held: unknown, out: Writer): void {
  const map = mapOf(held, out);
  out.length(map.size);
  out.depth += 1;
  for (const [key, value] of map) {
    field.key.writeNative(key, out);
    field.kind.writeNative(value, out);
  }
  out.depth -= 1;
}

function writeChosen(field: OneofField, held: unknown, out: Writer): void {
  const chosen = chosenOf(field, held, out);
  out.bool(chosen !== undefined);
  if (chosen === undefined) return;
  out.u32(field.choices.indexOf(chosen));
  chosen.kind.writeNative((held as Chosen).value, out);
}

function readList(field: ValueField, input: Reader): unknown[] {
  const least = field.kind.least();
  const at = input.pos;
  const count = least > 0 ? input.length(least) : Number(input.u64());
  if (least === 0 && count > MAX_EMPTY) {
    throw input.wrong(`${count} elements without content, but at most ${MAX_EMPTY} are allowed`, at);
  }
  const list: unknown[] = [];
  for (let index = 0; index < count; index++) list.push(field.kind.readNative(input));
  return list;
}

function readMap(field: MapField, input: Reader): Map<unknown, unknown> {
  const count = input.length(field.key.least() + field.kind.least());
  const map = new Map<unknown, unknown>();
  if (count === 0) return map;
  input.enter();
  for (let index = 0; index < count; index++) {
    const key = field.key.readNative(input);
    map.set(key, field.kind.readNative(input));
  }
  input.depth -= 1;
  return map;
}

function readChosen(field: OneofField, input: Reader): Chosen {
  if (!input.bool()) return { case: undefined };
  const at = input.pos;
  const index = input.u32();
  const chosen = field.choices[index];
  if (chosen === undefined) {
    throw input.wrong(`the variant at byte ${at} is ${index}, but must be below ${field.choices.length}`, at);
  }
  return { case: chosen.name, value: chosen.kind.readNative(input) };
}
