/** The machine without I/O, on bytes written by hand and on those of docs/protocol.md. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Code } from "../src/error.ts";
import { Flag, FrameType } from "../src/frame.ts";
import { ClientMachine } from "../src/machine.ts";
import { Metadata } from "../src/metadata.ts";
import { checkSettings, DEFAULT_SETTINGS } from "../src/settings.ts";
import { eventsOf, ready, STREAMING, UNARY } from "./support/machine.ts";
import { block, bytesOf, frame, framesOf, hello, helloPayload, status, u16, u32, vectors } from "./support/script.ts";

const VECTORS = vectors();

function vector(name: string): Uint8Array {
  const bytes = VECTORS.get(name);
  assert.ok(bytes !== undefined && bytes.length >= 10, `docs/protocol.md has no hex block ${name}`);
  return bytes;
}

describe("the bytes of the protocol's page", () => {
  test("HELLO is the page's, but that no compression is offered", () => {
    const expected = vector("client-hello").slice();
    const at = expected.length - 5; // count and ids of compressions, count of methods
    assert.deepEqual([...expected.slice(at)], [2, 3, 1, 0, 0]);
    const ours = bytesOf(expected.slice(0, at), 0, 0, 0);
    ours[4] = (ours[4] ?? 0) - 2;
    assert.deepEqual(new ClientMachine(DEFAULT_SETTINGS, 0).output.take(), ours);
  });

  test("calls begin as on the page", () => {
    const machine = ready();
    const metadata = new Metadata([
      ["trace-id", "42"],
      ["span-bin", Uint8Array.of(0, 255)],
    ]);
    machine.open({ ...UNARY, timeoutUs: 1_500_000n, metadata, request: bytesOf("hi") });
    assert.deepEqual(machine.output.take(), vector("unary-open"));
    machine.open({ ...UNARY, method: 1, isProtobuf: true, request: new Uint8Array(0) });
    assert.deepEqual(machine.output.take(), vector("unary-open-empty"));
    machine.open({ ...STREAMING, method: 1, timeoutUs: 0n });
    assert.deepEqual(machine.output.take(), vector("stream-open"));
    machine.halfClose(machine.open({ ...STREAMING, method: 1 }));
    assert.deepEqual(machine.output.take(), vector("half-close"));
    machine.reset(4, Code.Canceled, "bore");
    assert.deepEqual(machine.output.take(), vector("reset"));
    machine.sendMessage(3, bytesOf("one"));
    assert.deepEqual(machine.output.take(), vector("message"));
    assert.deepEqual(eventsOf(machine, vector("ping")), []);
    assert.deepEqual(machine.output.take(), vector("pong"));
  });

  test("the server's HELLO is read", () => {
    const [event] = eventsOf(new ClientMachine(DEFAULT_SETTINGS, 0), vector("server-hello"));
    assert.ok(event?.type === "hello");
    assert.deepEqual([...event.peer.methods], [
      ["/demo.Clock/Now", { id: 0, fingerprint: 0x8899aabbccddeeffn }],
      ["/demo.Clock/Tick", { id: 1, fingerprint: 0x0123456789abcdefn }],
    ]);
    assert.equal(event.peer.maxStreams, 1000);
    assert.ok(event.peer.hasProtobuf);
  });

  test("answers are read", () => {
    const machine = ready([UNARY, UNARY, STREAMING, STREAMING, STREAMING]);
    const names = ["headers", "message", "response-parts", "stream-status", "unary-status", "unary-error", "goaway"];
    const events = eventsOf(machine, ...names.map(vector), vector("credit"));
    assert.deepEqual(
      events.map(({ type }) => type),
      ["headers", "message", "message", "status", "status", "status", "goaway"],
    );
    const [headers, one, parts, , unary, error, goaway] = events;
    assert.ok(headers?.type === "headers" && headers.metadata.get("a") === "b c");
    assert.ok(one?.type === "message" && new TextDecoder().decode(one.message) === "one");
    assert.ok(parts?.type === "message" && new TextDecoder().decode(parts.message) === "abcdef");
    assert.ok(unary?.type === "status" && unary.status.code === 0);
    assert.equal(new TextDecoder().decode(unary.message), "hello");
    assert.ok(error?.type === "status" && error.message === undefined);
    assert.equal(error.status.code, Code.NotFound);
    assert.equal(error.status.text, "no clock");
    assert.deepEqual(error.status.details, [{ typeUrl: "x/y", value: Uint8Array.of(8, 1) }]);
    assert.equal(error.status.trailers.get("retry"), "in 10 min.");
    assert.ok(goaway?.type === "goaway" && goaway.code === 0 && goaway.reason === "server drains.");
  });
});

/** All that a server may say, in one piece. */
const CONVERSATION = bytesOf(
  frame(FrameType.Headers, 0, 1, block(["k", "v"])),
  frame(200, 255, 99, "an extension"),
  frame(FrameType.Message, Flag.More, 2, "ab"),
  frame(FrameType.Ping, 0, 0, "12345678"),
  frame(FrameType.Message, 0, 2, "cd"),
  frame(FrameType.Message, 0, 2),
  frame(FrameType.Status, Flag.Message, 1, "whole"),
  frame(FrameType.Credit, 0, 0, u32(77)),
  frame(FrameType.Reset, Flag.Unprocessed, 3, 14, "later"),
  frame(FrameType.Message, 0, 3, "late"),
  frame(FrameType.GoAway, 0, 0, u32(2), 0, "bye"),
  frame(FrameType.Status, Flag.Full, 2, status(5, "none")),
);

describe("bytes in pieces", () => {
  const whole = eventsOf(ready([UNARY, STREAMING, STREAMING]), CONVERSATION);

  test("they mean the same however they are cut", () => {
    assert.equal(whole.length, 7);
    for (const size of [1, 2, 3, 7, 11, 64, 1000]) {
      const chunks: Uint8Array[] = [];
      for (let at = 0; at < CONVERSATION.length; at += size) chunks.push(CONVERSATION.slice(at, at + size));
      assert.deepEqual(eventsOf(ready([UNARY, STREAMING, STREAMING]), ...chunks), whole, `pieces of ${size}`);
    }
  });

  test("events do not change when the buffer they came in does", () => {
    const bytes = CONVERSATION.slice();
    const events = eventsOf(ready([UNARY, STREAMING, STREAMING]), bytes);
    bytes.fill(0);
    assert.deepEqual(events, whole);
  });

  test("changed bytes are understood or refused, and nothing else is thrown", () => {
    let seed = 7;
    const draw = (below: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return (seed >>> 8) % below;
    };
    const script = bytesOf(hello(), CONVERSATION);
    let refused = 0;
    for (let round = 0; round < 4000; round++) {
      const machine = new ClientMachine(DEFAULT_SETTINGS, 0);
      const bytes = script.slice();
      for (let changes = draw(4); changes >= 0; changes--) bytes[draw(bytes.length)] = draw(256);
      const first = machine.receive(bytes.slice(0, hello().length), 0);
      if (first.error === undefined && machine.canOpen) for (const call of [UNARY, STREAMING, STREAMING]) machine.open(call);
      const { error } = machine.receive(bytes.slice(hello().length), 0);
      if ((error ?? first.error) !== undefined) refused += 1;
    }
    assert.ok(refused > 500, `only ${refused} of 4000 were refused`);
  });
});

const ENDED = Code.Internal;
const LIMIT = Code.ResourceExhausted;

/** What a server must not do: after the handshake, with stream 1 unary and stream 2 streaming; the GOAWAY's code. */
const VIOLATIONS: readonly (readonly [what: string, code: Code, text: RegExp, bytes: Uint8Array])[] = [
  ["a frame over the limit", LIMIT, /MESSAGE of 65537 bytes is over the limit of 65536/, bytesOf(u32(65_537), 4, 0, u32(1))],
  ["a frame of 4 GiB", LIMIT, /4294967295 bytes/, bytesOf(u32(0xffffffff), 200, 0, u32(1))],
  ["HELLO again", ENDED, /second time/, frame(1, 0, 0, helloPayload())],
  ["OPEN", ENDED, /OPEN from a server/, frame(2, 0, 1, "0123456789")],
  ["HALF_CLOSE", ENDED, /HALF_CLOSE from a server/, frame(5, 0, 1)],
  ["an unknown type", ENDED, /type 12/, frame(12, 0, 0)],
  ["type 0", ENDED, /from a server/, frame(0, 0, 0)],
  ["a stream that was never opened", ENDED, /stream 3, which was never opened/, frame(4, 0, 3, "x")],
  ["a status of stream 0", ENDED, /never opened/, frame(6, 0, 0)],
  ["credit for a stream that was never opened", ENDED, /never opened/, frame(8, 0, 9, u32(1))],
  ["a stream id beyond any", ENDED, /never opened/, frame(7, 0, 0xffffffff, 1)],
  ["PING on a stream", ENDED, /belongs on stream 0/, frame(9, 0, 1, "12345678")],
  ["a short PING", ENDED, /PING of 7 bytes/, frame(9, 0, 0, "1234567")],
  ["a long PONG", ENDED, /PONG of 9 bytes/, frame(10, 0, 0, "123456789")],
  ["credit of nothing", ENDED, /CREDIT of 0/, frame(8, 0, 0, u32(0))],
  ["credit of too much", ENDED, /CREDIT of 2147483648/, frame(8, 0, 0, u32(2 ** 31))],
  ["credit that is cut short", ENDED, /CREDIT is cut short/, frame(8, 0, 0, u16(1))],
  ["credit with more behind it", ENDED, /1 bytes behind/, frame(8, 0, 0, u32(1), 0)],
  ["flags of a client", ENDED, /flags 0x1/, frame(4, 1, 2, "x")],
  ["a compressed message", ENDED, /offered no compression/, frame(4, Flag.Compressed, 2, vector("compressed").slice(10))],
  ["HEADERS behind a message", ENDED, /answered already/, bytesOf(frame(4, 0, 2), frame(3, 0, 2, block()))],
  ["HEADERS twice", ENDED, /answered already/, bytesOf(frame(3, 0, 2, block()), frame(3, 0, 2, block()))],
  ["bytes behind HEADERS", ENDED, /behind its last field/, frame(3, 0, 1, block(), 0)],
  ["metadata over the limit", LIMIT, /over our max_metadata_bytes of 16384/, frame(3, 0, 1, u32(16_385), new Uint8Array(16_385))],
  ["metadata over its frame", ENDED, /with 2 left/, frame(3, 0, 1, u32(3), u16(0))],
  ["a key in capitals", ENDED, /"Key" has to be/, frame(3, 0, 1, block(["Key", "v"]))],
  ["a reserved key", ENDED, /reserved/, frame(3, 0, 1, block(["grpc-status", "v"]))],
  ["a text that is none", ENDED, /printable ASCII/, frame(3, 0, 1, block(["k", "\n"]))],
  ["a text with spaces at its ends", ENDED, /spaces/, frame(3, 0, 1, block(["k", " v"]))],
  ["a key that is not UTF-8", ENDED, /UTF-8/, frame(3, 0, 1, u32(8), u16(1), 1, 0xff, u32(0))],
  ["an empty part", ENDED, /empty part/, frame(4, Flag.More, 2)],
  ["an OK status within a message", ENDED, /middle of a message/, bytesOf(frame(4, Flag.More, 2, "x"), frame(6, 0, 2))],
  ["a status with bytes behind it", ENDED, /behind its last field/, frame(6, 0, 1, "x")],
  ["a status that is cut short", ENDED, /STATUS is cut short/, frame(6, Flag.Full, 1, 5, u32(100), "x")],
  ["a status whose text is not UTF-8", ENDED, /UTF-8/, frame(6, Flag.Full, 1, 5, u32(1), 0xff, u16(0), block())],
  ["a reset with OK", ENDED, /code OK/, frame(7, 0, 1, 0)],
  ["an empty reset", ENDED, /RESET is cut short/, frame(7, 0, 1)],
  ["a reset with a long reason", ENDED, /1025/, frame(7, 0, 1, 1, "x".repeat(1025))],
  ["a go-away with a long reason", ENDED, /1025/, frame(11, 0, 0, u32(0), 0, "x".repeat(1025))],
  ["a go-away beyond any stream", ENDED, /beyond any id/, frame(11, 0, 0, u32(2 ** 31), 0)],
  ["many pings", LIMIT, /too_many_pings/, bytesOf(...Array.from({ length: 11 }, () => frame(9, 0, 0, "12345678")))],
];

describe("a server that breaks the protocol", () => {
  for (const [what, code, text, bytes] of VIOLATIONS) {
    test(what, () => {
      const machine = ready([UNARY, STREAMING]);
      const { error } = machine.receive(bytes, 0);
      assert.match(error?.message ?? "none", text);
      assert.equal(error?.code, code);
      const last = framesOf(machine.output.take()).at(-1);
      assert.equal(last?.type, FrameType.GoAway);
      assert.equal(last.payload[4], code);
      assert.match(new TextDecoder().decode(last.payload.slice(5)), text);
      assert.deepEqual(machine.receive(frame(6, 0, 1), 0), { events: [], error: undefined });
    });
  }

  test("another protocol is named by its first bytes", () => {
    for (const first of ["HTTP/1.1 400 Bad Request\r\n", "\x16\x03", "E", "\0\0\0\x05"]) {
      const machine = new ClientMachine(DEFAULT_SETTINGS, 0);
      machine.output.take();
      const { error } = machine.receive(bytesOf(first), 0);
      if (first === "E") assert.equal(error, undefined);
      else assert.match(error?.message ?? "", /does not speak EFT1: its first bytes are/);
      assert.equal(machine.output.pos, 0, "it would not understand a GOAWAY");
    }
  });

  test("HELLO is held to its rules", () => {
    const refused = (bytes: Uint8Array, text: RegExp): void => {
      const { error } = new ClientMachine(DEFAULT_SETTINGS, 0).receive(bytesOf("EFT1", bytes), 0);
      assert.match(error?.message ?? "none", text);
    };
    refused(frame(9, 0, 0, "12345678"), /PING ahead of HELLO/);
    refused(bytesOf(u32(1_048_577), 1, 0, u32(0)), /HELLO of 1048577 bytes/);
    refused(frame(1, 0, 1, helloPayload()), /stream 1/);
    refused(frame(1, 0, 0, u16(2), u16(0)), /version 2\.0/);
    refused(frame(1, 0, 0, helloPayload(), 0), /behind its last field/);
    refused(frame(1, 0, 0, helloPayload({ 5: 16_383 })), /streamWindow 16383, the least is 16384/);
    refused(frame(1, 0, 0, u16(1), u16(0), u16(0), 0, u16(2), ...[1, 2].flatMap(() => [u16(2), "/a", new Uint8Array(8)])), /twice/);
    refused(frame(1, 0, 0, helloPayload().slice(0, -1)), /HELLO is cut short/);
  });

  test("a version that is newer by its minor number, and keys that are new, are taken", () => {
    const payload = helloPayload({ 4: 10 ** 15, 9999: 1 });
    payload[2] = 9;
    const [event] = eventsOf(new ClientMachine(DEFAULT_SETTINGS, 0), bytesOf("EFT1", frame(1, 0, 0, payload)));
    assert.ok(event?.type === "hello" && event.peer.maxMetadataBytes === 2 ** 31 - 1);
  });
});

test("settings are held to their ranges", () => {
  for (const [name, value] of [
    ["maxFrameBytes", 16_383],
    ["maxMessageBytes", 0],
    ["maxMetadataBytes", 65_536],
    ["streamWindow", 1.5],
    ["connectionWindow", 16_384],
    ["minPingIntervalMs", NaN],
  ] as const) {
    assert.throws(() => checkSettings({ ...DEFAULT_SETTINGS, [name]: value }), new RegExp(`${name} has to be`));
  }
});
