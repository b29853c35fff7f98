/** Flow control of the machine, in both directions, without I/O. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Code } from "../src/error.ts";
import type { MachineEvent } from "../src/event.ts";
import { Flag, FrameType } from "../src/frame.ts";
import { ClientMachine } from "../src/machine.ts";
import { eventsOf, ready, STREAMING, UNARY } from "./support/machine.ts";
import { bytesOf, frame, framesOf, status, u32 } from "./support/script.ts";

describe("flow control of what arrives", () => {
  const windows = { streamWindow: 16_384, connectionWindow: 65_536 };

  test("a stream that overruns its window ends the connection", () => {
    const machine = ready([STREAMING], windows);
    const { error } = machine.receive(bytesOf(frame(4, 0, 1, new Uint8Array(10_000)), frame(4, 0, 1, new Uint8Array(6300))), 0);
    assert.match(error?.message ?? "", /stream 1 overran its window of 16384 bytes by 44/);
    assert.equal(error?.code, Code.ResourceExhausted);
  });

  test("streams together cannot overrun the connection's", () => {
    const machine = ready(Array.from({ length: 5 }, () => STREAMING), windows);
    const parts = [1, 2, 3, 4, 5].map((stream) => frame(4, 0, stream, new Uint8Array(16_000)));
    const { error } = machine.receive(bytesOf(...parts), 0);
    assert.match(error?.message ?? "", /connection's window of 65536/);
  });

  test("credit comes with what the application takes, and not before", () => {
    const machine = ready([STREAMING], windows);
    const sent = [4000, 4000, 4000];
    eventsOf(machine, ...sent.map((size) => frame(4, 0, 1, new Uint8Array(size))));
    assert.equal(machine.output.pos, 0);
    assert.equal(machine.heldBytes, 3 * 4064);
    machine.consumed(1, 4000);
    assert.equal(machine.output.pos, 0, "a small credit is not worth a frame");
    machine.consumed(1, 4000);
    machine.consumed(1, 4000);
    const credits = framesOf(machine.output.take()).map(({ stream, payload }) => [stream, Buffer.from(payload).readUint32LE()]);
    assert.deepEqual(credits, [
      [1, 12_192],
      [0, 12_192],
    ]);
    assert.equal(machine.heldBytes, 0);
  });

  test("a message longer than the windows arrives, by loan", () => {
    const machine = ready([STREAMING, STREAMING], windows);
    const size = 300_000;
    const grants = new Map([
      [0, windows.connectionWindow],
      [1, windows.streamWindow],
    ]);
    const events: MachineEvent[] = [];
    for (let sent = 0; sent < size; ) {
      const room = Math.min(grants.get(0) ?? 0, grants.get(1) ?? 0) - 64;
      assert.ok(room > 0, `stuck behind ${sent} bytes`);
      const part = Math.min(room, size - sent, 5000);
      sent += part;
      events.push(...eventsOf(machine, frame(4, sent < size ? Flag.More : 0, 1, new Uint8Array(part).fill(7))));
      for (const stream of [0, 1]) grants.set(stream, (grants.get(stream) ?? 0) - part - 64);
      for (const { stream, payload } of framesOf(machine.output.take())) {
        grants.set(stream, (grants.get(stream) ?? 0) + Buffer.from(payload).readUint32LE());
      }
    }
    assert.ok(events[0]?.type === "message" && events[0].message.length === size);
    machine.consumed(1, size);
    assert.equal(machine.heldBytes, 0);
  });

  test("what was left unread of a call that ended is given back", () => {
    const machine = ready([STREAMING, STREAMING], windows);
    eventsOf(machine, frame(4, 0, 1, new Uint8Array(9000)), frame(6, 0, 1), frame(4, 0, 2, new Uint8Array(9000)));
    assert.equal(machine.heldBytes, 2 * 9064);
    machine.reset(1, Code.Canceled, "left behind the status");
    assert.equal(machine.heldBytes, 9064);
    machine.reset(2, Code.Canceled, "left");
    assert.equal(machine.heldBytes, 0);
    eventsOf(machine, frame(4, 0, 2, new Uint8Array(9000)));
    assert.equal(machine.heldBytes, 0);
  });

  test("what comes late of a call that was left gives its credit back", () => {
    const machine = ready([STREAMING], windows);
    machine.reset(1, Code.Canceled, "left");
    machine.output.take();
    eventsOf(machine, frame(4, 0, 1, new Uint8Array(9000)));
    assert.deepEqual(
      framesOf(machine.output.take()).map(({ stream, payload }) => [stream, Buffer.from(payload).readUint32LE()]),
      [[0, 9064]],
    );
  });

  test("a call that has ended is given no more credit, its connection is", () => {
    const machine = ready([STREAMING], windows);
    eventsOf(machine, frame(4, 0, 1, new Uint8Array(12_000)), frame(6, 0, 1));
    machine.consumed(1, 12_000);
    assert.deepEqual(
      framesOf(machine.output.take()).map(({ type, stream }) => [type, stream]),
      [[FrameType.Credit, 0]],
    );
  });

  test("a message over the limit ends its call alone, at the frame that goes over it", () => {
    const machine = ready([STREAMING, STREAMING], { maxMessageBytes: 1000 });
    const [event] = eventsOf(machine, frame(4, Flag.More, 1, new Uint8Array(900)), frame(4, Flag.More, 1, new Uint8Array(101)));
    assert.ok(event?.type === "reset" && event.code === Code.ResourceExhausted && !event.unprocessed);
    assert.match(event.reason, /1001 bytes or more is over the limit of 1000/);
    assert.equal(framesOf(machine.output.take()).at(-1)?.type, FrameType.Reset);
    const [answer] = eventsOf(machine, frame(4, 0, 1, "late"), frame(4, 0, 2, "ok"));
    assert.ok(answer?.type === "message" && answer.stream === 2);
    assert.equal(machine.activeStreams, 1);
  });
});

describe("flow control of what is sent", () => {
  const windows = { 5: 16_384, 6: 32_768 };

  function sizes(machine: ClientMachine): [stream: number, size: number, flags: number][] {
    return framesOf(machine.output.take()).map(({ stream, payload, flags }) => [stream, payload.length, flags]);
  }

  test("a long message goes as far as its stream's credit, and on with more", () => {
    const machine = ready([STREAMING], {}, windows);
    assert.equal(machine.sendMessage(1, new Uint8Array(20_000)), false);
    assert.deepEqual(sizes(machine), [[1, 16_320, Flag.More]]);
    machine.halfClose(1);
    assert.deepEqual(eventsOf(machine, frame(8, 0, 1, u32(64))), []);
    assert.deepEqual(sizes(machine), []);
    assert.deepEqual(eventsOf(machine, frame(8, 0, 1, u32(10_000))), [{ type: "sent", stream: 1 }]);
    assert.deepEqual(sizes(machine), [[1, 3680, Flag.End]]);
  });

  test("the message that began first alone takes the last quarter of the connection's credit", () => {
    const machine = ready([STREAMING, STREAMING, STREAMING], {}, windows);
    machine.sendMessage(1, new Uint8Array(60_000));
    machine.sendMessage(2, new Uint8Array(60_000));
    machine.sendMessage(3, new Uint8Array(0));
    // 32,768 in all; a quarter of it, 8,192, is left by the second; the third finds no room beyond that.
    assert.deepEqual(sizes(machine), [
      [1, 16_320, Flag.More],
      [2, 32_768 - 16_384 - 8192 - 64, Flag.More],
    ]);
    assert.deepEqual(eventsOf(machine, frame(8, 0, 1, u32(100_000))), []);
    assert.deepEqual(sizes(machine), [[1, 8192 - 64, Flag.More]]);
    assert.deepEqual(eventsOf(machine, frame(8, 0, 0, u32(1000))), []);
    assert.deepEqual(sizes(machine), [[1, 936, Flag.More]]);
    const done = eventsOf(machine, frame(8, 0, 0, u32(100_000)));
    assert.deepEqual(
      done.map((event) => event.type === "sent" && event.stream),
      [1, 3],
    );
  });

  test("a long only request follows its OPEN in parts", () => {
    const machine = ready([], {}, { 5: 2 ** 20, 6: 2 ** 20, 1: 65_536 });
    machine.open({ ...UNARY, request: new Uint8Array(70_000) });
    assert.deepEqual(
      framesOf(machine.output.take()).map(({ type, flags, payload }) => [type, flags, payload.length]),
      [
        [FrameType.Open, 0, 10],
        [FrameType.Message, Flag.More, 65_536],
        [FrameType.Message, Flag.End, 4464],
      ],
    );
  });

  test("a call that ends takes what waits of it along", () => {
    const machine = ready([STREAMING, STREAMING], {}, windows);
    machine.sendMessage(1, new Uint8Array(60_000));
    eventsOf(machine, frame(6, Flag.Full, 1, status(5, "enough")));
    sizes(machine);
    assert.deepEqual(eventsOf(machine, frame(8, 0, 1, u32(100_000)), frame(8, 0, 0, u32(100_000))), []);
    assert.deepEqual(sizes(machine), []);
    assert.equal(machine.sendMessage(1, new Uint8Array(9)), true, "it is dropped");
    assert.equal(machine.sendMessage(2, new Uint8Array(9)), true);
  });

  test("credit above 2^40 is an error", () => {
    const machine = ready();
    const grants = Array.from({ length: 600 }, () => frame(8, 0, 0, u32(2 ** 31 - 1)));
    assert.match(machine.receive(bytesOf(...grants), 0).error?.message ?? "", /over the limit of 1099511627776/);
  });

  test("the socket's room counts like credit", () => {
    const machine = ready([STREAMING], {}, { 5: 2 ** 20, 6: 2 ** 20 });
    machine.allow(0);
    assert.equal(machine.sendMessage(1, new Uint8Array(100)), false);
    assert.ok(machine.isWaitingForSocket);
    assert.deepEqual(machine.allow(1), [1]);
    assert.ok(!machine.isWaitingForSocket);
    machine.output.take();
    machine.allow(20_000);
    machine.sendMessage(1, new Uint8Array(500_000));
    assert.equal(framesOf(machine.output.take()).length, 2, "frames of 16,384 bytes go out until the room is used up");
  });
});
