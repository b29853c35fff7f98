/** The log of the page: bounded however much arrives, frozen while it is paused, filtered by words. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MessageType, type TransportMessageInit } from "../../generated/index.ts";
import { EventLog } from "../../page/state/event_log.ts";
import { KEPT_PAYLOAD_BYTES } from "../../page/state/event_record.ts";
import { message } from "./message.ts";

type Change = (index: number) => TransportMessageInit;

function filled(count: number, capacity: number, change: Change = () => ({})): EventLog {
  const log = new EventLog(capacity);
  for (let index = 1; index <= count; index++) log.add(message({ id: `${index}`, ...change(index) }), index);
  return log;
}

const ids = (log: EventLog, limit = 100): string[] => log.shown(limit).map((record) => record.id);

test("the newest events come first, and no more are held than there is room for", () => {
  const log = filled(25, 10);
  assert.deepEqual(ids(log), ["25", "24", "23", "22", "21", "20", "19", "18", "17", "16"]);
  assert.deepEqual(ids(log, 2), ["25", "24"]);
  assert.equal(log.total, 25);
});

test("what is kept of a large event is small, and does not hold the rest of it in memory", () => {
  const headers = new Map(Array.from({ length: 100 }, (_, index) => [`name-${index}`, "v".repeat(10_000)]));
  const log = new EventLog();
  log.add(message({ payload: new Uint8Array(1_000_000), id: "i".repeat(10_000), headers }), 0);
  const [record] = log.shown(1);
  assert.ok(record);
  assert.equal(record.payload.buffer.byteLength, KEPT_PAYLOAD_BYTES);
  assert.equal(record.payloadBytes, 1_000_000);
  assert.equal(record.id.length, 513);
  assert.equal(record.headers.length + record.omittedHeaders, 100);
  assert.ok(JSON.stringify(record.headers).length < 40_000);
});

test("a paused log shows what it showed, and counts what arrives", () => {
  const log = filled(5, 3);
  log.pause();
  const before = ids(log);
  for (let index = 0; index < 100; index++) log.add(message({ id: "late" }), 0);
  assert.deepEqual(ids(log), before);
  assert.equal(log.arrivedMeanwhile, 100);
  log.pause();
  assert.equal(log.arrivedMeanwhile, 100, "to pause once more changes nothing");
  log.resume();
  assert.deepEqual(ids(log), ["late", "late", "late"]);
  assert.equal(log.arrivedMeanwhile, 0);
});

test("words are looked for in every field, in any case, and each has to be there", () => {
  const log = new EventLog();
  log.add(message({ id: "a", payload: new TextEncoder().encode('{"symbol":"ASML"}') }), 0);
  log.add(message({ id: "b", headers: new Map([["stream", "Trades"]]), sourceNode: "lisbon" }), 0);
  log.add(message({ id: "c", messageType: MessageType.CONTROL }), 0);
  for (const [text, found] of [
    ["asml", ["a"]],
    ["STREAM=trades  lisbon", ["b"]],
    ["trades asml", []],
    ["control", ["c"]],
    ["  ", ["c", "b", "a"]],
  ] as const) {
    log.filterBy(text);
    assert.deepEqual(ids(log), found, text);
  }
});

test("what the filter takes stays, however much else arrives", () => {
  const log = filled(5, 4, (index) => (index === 3 ? { sourceNode: "rare" } : {}));
  log.filterBy("rare");
  for (let index = 0; index < 1000; index++) log.add(message({ id: "other" }), 0);
  log.add(message({ id: "new", sourceNode: "rare" }), 0);
  assert.deepEqual(ids(log), ["new", "3"]);
  log.pause();
  log.add(message({ id: "later", sourceNode: "rare" }), 0);
  assert.deepEqual(ids(log), ["new", "3"]);
  log.filterBy("other");
  assert.deepEqual(ids(log), ["other", "other", "other"], "the filter of a paused log may be changed");
});

test("a cleared log is empty, also while it is paused, and goes on counting", () => {
  const log = filled(5, 10);
  log.pause();
  log.clear();
  assert.deepEqual(ids(log), []);
  log.resume();
  log.add(message({ id: "next" }), 0);
  assert.deepEqual(ids(log), ["next"]);
  assert.equal(log.total, 6);
});

test("a type that the page does not know is shown by its number", () => {
  const log = new EventLog();
  log.add(message({ messageType: 4711 as MessageType }), 0);
  assert.equal(log.shown(1)[0]?.type, 4711);
});
