/** Connections over sockets in memory, where the test is the server and moves the clock: calls, and who keeps the rules. */

import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { afterEach, beforeEach, describe, test } from "node:test";

import { Code } from "../src/error.ts";
import { Flag, FrameType } from "../src/frame.ts";
import { settled } from "../src/testing.ts";
import { EventRequest, EVENTS, STREAM, TransportMessage } from "./support/messages.ts";
import { answer, block, bytesOf, encoded, failure, frame, framesOf, goAway, hello, reasonOf, Rig } from "./support/script.ts";

let rig: Rig;

beforeEach(() => {
  rig = new Rig();
});

afterEach(async () => {
  await rig.close();
});

describe("a server that breaks the protocol", () => {
  test("is told so, its calls fail with one clear error, and the connection ends", async () => {
    const calls = [rig.call(), rig.call()];
    await settled();
    const { peer } = rig;
    peer.take();
    peer.send(bytesOf(answer(1), frame(FrameType.Message, 0, 77, "x"), answer(2)));
    await calls[0];
    const error = await failure(calls[1] ?? rig.call());
    assert.equal(error.code, Code.Unavailable);
    assert.match(error.rawMessage, /the server broke the protocol: MESSAGE on stream 77, which was never opened/);
    assert.deepEqual(reasonOf(framesOf(peer.take())), {
      code: Code.Internal,
      reason: "MESSAGE on stream 77, which was never opened",
    });
    assert.ok(peer.isClosed);
  });

  test("cannot fill the memory with what nobody reads", async () => {
    await rig.close();
    rig = new Rig({ limits: { streamWindow: 65_536, connectionWindow: 1_048_576 } });
    const events = rig.channel.serverStream(EVENTS, EventRequest.create())[Symbol.asyncIterator]();
    const first = events.next();
    await settled();
    const part = frame(FrameType.Message, 0, 1, encoded({ payload: new Uint8Array(8000) }));
    let sent = 0;
    while (!rig.peer.isClosed && sent < 100) {
      rig.peer.send(part);
      sent += 1;
      assert.ok(rig.channel.heldBytes <= 65_536);
    }
    assert.ok(sent < 10, `${sent} messages of 8 kB went into a window of 64 KiB`);
    assert.equal((await first).value.payload.length, 8000);
  });

  test("is given up when it lets a frame hang", async () => {
    await rig.close();
    rig = new Rig({ keepalive: { intervalMs: 1000, timeoutMs: 500 } });
    const pending = rig.call();
    await settled();
    rig.peer.send(answer(1).slice(0, 11));
    for (let tick = 0; tick < 20 && !rig.peer.isClosed; tick++) {
      await rig.clock.advance(100);
      if (!rig.peer.isClosed) rig.peer.send(Uint8Array.of(0));
    }
    assert.match((await failure(pending)).rawMessage, /did not end within 1500 ms/);
  });
});

describe("answers", () => {
  test("one that does not decode fails its call alone", async () => {
    const pending = rig.call();
    const other = rig.call();
    await settled();
    rig.peer.send(frame(FrameType.Status, Flag.Message, 1, encoded().slice(1)));
    const error = await failure(pending);
    assert.equal(error.code, Code.Internal);
    assert.match(error.rawMessage, /SendMessage does not decode/);
    rig.peer.send(answer(2, { id: "fine" }));
    assert.equal((await other).id, "fine");
    assert.equal(rig.channel.state, "ready");
  });

  test("a stream's that does not decode resets the call", async () => {
    const events = rig.channel.serverStream(EVENTS, EventRequest.create())[Symbol.asyncIterator]();
    const first = events.next();
    await rig.heard();
    rig.peer.send(bytesOf(frame(FrameType.Message, 0, 1, "?"), frame(FrameType.Message, 0, 1, encoded())));
    assert.equal((await failure(first)).code, Code.Internal);
    const [reset] = await rig.heard();
    assert.equal(reset?.type, FrameType.Reset);
    assert.equal(rig.channel.heldBytes, 0);
  });

  test("none, or more than one, of a method that has one is Unimplemented", async () => {
    const [none, many] = [rig.call(), rig.call()];
    await rig.heard();
    rig.peer.send(bytesOf(frame(FrameType.Status, 0, 1), ...[1, 2].map(() => frame(FrameType.Message, 0, 2, encoded()))));
    assert.equal((await failure(none)).code, Code.Unimplemented);
    assert.equal((await failure(many)).code, Code.Unimplemented);
    assert.deepEqual((await rig.heard()).map(({ type, stream }) => [type, stream]), [[FrameType.Reset, 2]]);
  });

  test("headers come before the first response, and once", async () => {
    const told: string[] = [];
    const options = { onHeader: () => void told.push("header"), onTrailer: () => void told.push("trailer") };
    const events = rig.channel.serverStream(EVENTS, EventRequest.create(), options)[Symbol.asyncIterator]();
    const first = events.next();
    await settled();
    rig.peer.send(frame(FrameType.Headers, 0, 1, block(["a", "b"])));
    await settled();
    assert.deepEqual(told, ["header"]);
    rig.peer.send(bytesOf(frame(FrameType.Message, 0, 1, encoded()), frame(FrameType.Status, 0, 1)));
    await first;
    await events.next();
    assert.deepEqual(told, ["header", "trailer"]);
  });

  test("what a callback throws is how its call fails", async () => {
    const why = new Error("in the callback");
    const pending = rig.call({
      onHeader: () => {
        throw why;
      },
    });
    await rig.heard();
    rig.peer.send(frame(FrameType.Headers, 0, 1, block()));
    await assert.rejects(pending, why);
    assert.equal((await rig.heard())[0]?.type, FrameType.Reset);
  });

  test("several that are asked for at a time come in order", async () => {
    const events = rig.channel.serverStream(EVENTS, EventRequest.create())[Symbol.asyncIterator]();
    const asked = [events.next(), events.next(), events.next()];
    await settled();
    rig.peer.send(bytesOf(...["a", "b"].map((id) => frame(FrameType.Message, 0, 1, encoded({ id }))), frame(6, 0, 1)));
    const taken = await Promise.all(asked);
    assert.deepEqual(
      taken.map(({ value }) => value?.id),
      ["a", "b", undefined],
    );
  });
});

describe("deadlines", () => {
  test("are sent, kept here, and the call is left", async () => {
    await rig.channel.connect();
    const pending = rig.call({ timeoutMs: 1500 });
    const [open] = await rig.heard();
    assert.equal(Buffer.from(open?.payload ?? []).readBigInt64LE(2), 1_500_000n);
    await rig.clock.advance(1499);
    assert.deepEqual(await rig.heard(), []);
    await rig.clock.advance(1);
    assert.equal((await failure(pending)).code, Code.DeadlineExceeded);
    const [reset] = await rig.heard();
    assert.deepEqual([reset?.type, reset?.payload[0]], [FrameType.Reset, Code.Canceled]);
    rig.peer.send(answer(1)); // crossed the reset
    assert.equal(rig.channel.state, "ready");
  });

  test("go on while a connection is made, and are longer than a timer can be", async () => {
    rig.byHand();
    const pending = rig.call({ timeoutMs: 1000 });
    const month = rig.call({ timeoutMs: 40 * 86_400_000 });
    await rig.clock.advance(400);
    rig.peer.open();
    rig.peer.send(hello());
    const opens = (await rig.heard()).map(({ payload }) => Buffer.from(payload).readBigInt64LE(2));
    assert.deepEqual(opens, [600_000n, 40n * 86_400_000_000n - 400_000n]);
    await rig.clock.advance(600);
    assert.equal((await failure(pending)).code, Code.DeadlineExceeded);
    await rig.clock.advance(39.5 * 86_400_000);
    rig.peer.send(answer(2, { id: "in time" }));
    assert.equal((await month).id, "in time");
  });

  test("and signals leave no listener behind", async () => {
    const controller = new AbortController();
    const pending = rig.call({ timeoutMs: 1000, signal: controller.signal });
    await settled();
    assert.equal(getEventListeners(controller.signal, "abort").length, 1);
    rig.peer.send(answer(1));
    await pending;
    assert.equal(getEventListeners(controller.signal, "abort").length, 0);
    assert.equal(rig.clock.running, 0);
  });

  test("of the channel hold for calls that name none", async () => {
    await rig.close();
    rig = new Rig({ timeoutMs: 100 });
    const pending = rig.call();
    await rig.clock.advance(100);
    assert.equal((await failure(pending)).code, Code.DeadlineExceeded);
  });
});

describe("room", () => {
  test("more calls than the server takes wait for others to end", async () => {
    rig.greet = (peer) => {
      peer.open();
      peer.send(hello({ 3: 2 }));
    };
    const calls = [rig.call(), rig.call(), rig.call(), rig.call()];
    assert.equal((await rig.heard()).length, 2);
    rig.peer.send(answer(1));
    assert.equal((await rig.heard()).length, 1);
    const controller = new AbortController();
    const left = rig.call({ signal: controller.signal });
    controller.abort();
    assert.equal((await failure(left)).code, Code.Canceled);
    rig.peer.send(bytesOf(answer(2), answer(3)));
    assert.equal((await rig.heard()).length, 1);
    rig.peer.send(answer(4));
    await Promise.all(calls);
    assert.deepEqual(await rig.heard(), []);
  });

  test("a socket that takes nothing more stops calls and messages", async () => {
    rig.greet = (peer) => {
      peer.open();
      peer.send(hello({ 5: 2 ** 22, 6: 2 ** 22, 1: 65_536 }));
    };
    let asked = 0;
    async function* requests(): AsyncGenerator<TransportMessage> {
      for (;;) {
        asked += 1;
        yield TransportMessage.create({ payload: new Uint8Array(50_000) });
      }
    }
    rig.channel.connect();
    await settled();
    const { peer } = rig;
    const stream = rig.channel.bidiStream(STREAM, requests())[Symbol.asyncIterator]();
    peer.isStalled = true;
    const pending = stream.next();
    await rig.clock.advance(500);
    const waits = peer.bufferedAmount;
    assert.ok(waits > 900_000 && waits < 1_048_576 + 65_610, `${waits} bytes wait in the socket`);
    const held = asked;
    const other = rig.call();
    await rig.clock.advance(500);
    assert.equal(peer.bufferedAmount, waits);
    assert.equal(asked, held, "requests were asked for that cannot be sent");
    peer.take();
    peer.isStalled = false;
    await rig.clock.advance(40);
    peer.isStalled = true;
    assert.ok(framesOf(peer.take()).some(({ type, stream: id }) => type === FrameType.Open && id === 2));
    assert.ok(asked > held);
    await stream.return?.();
    await pending;
    peer.send(answer(2));
    await other;
  });
});

describe("keepalive", () => {
  beforeEach(async () => {
    await rig.close();
    rig = new Rig({ keepalive: { intervalMs: 30_000, timeoutMs: 10_000 } });
    rig.channel.connect();
    await settled();
    await rig.heard();
  });

  test("pings after a silence, and any answer is a sign of life", async () => {
    await rig.clock.advance(29_999);
    assert.deepEqual(await rig.heard(), []);
    await rig.clock.advance(1);
    assert.deepEqual((await rig.heard()).map(({ type }) => type), [FrameType.Ping]);
    rig.peer.send(frame(FrameType.Pong, 0, 0, "12345678"));
    await rig.clock.advance(35_000);
    assert.deepEqual((await rig.heard()).map(({ type }) => type), [FrameType.Ping]);
    assert.equal(rig.peers.length, 1);
  });

  test("gives up a server that does not answer", async () => {
    const pending = rig.call();
    await rig.clock.advance(39_999);
    assert.equal(rig.peers.length, 1);
    await rig.clock.advance(1);
    const error = await failure(pending);
    assert.equal(error.code, Code.Unavailable);
    assert.match(error.rawMessage, /sent nothing for 40000 ms, not even to a ping/);
    assert.equal(rig.peers.length, 2);
  });

  test("does not mistake a computer that slept for a server that is gone", async () => {
    await rig.clock.advance(30_000);
    await rig.heard();
    rig.clock.skip(3_600_000);
    await rig.clock.advance(0);
    assert.deepEqual((await rig.heard()).map(({ type }) => type), [FrameType.Ping]);
    rig.peer.send(frame(FrameType.Pong, 0, 0, "12345678"));
    await rig.clock.advance(20_000);
    assert.equal(rig.peers.length, 1);
  });

  test("pings half as often once a server has found it too much", async () => {
    await rig.clock.advance(20_000);
    rig.peer.send(goAway(0, 8, "too_many_pings: at most one every 60 s"));
    await settled();
    assert.equal(rig.peers.length, 2);
    await rig.heard();
    await rig.clock.advance(59_000);
    assert.deepEqual(await rig.heard(), []);
    await rig.clock.advance(1000);
    assert.deepEqual((await rig.heard()).map(({ type }) => type), [FrameType.Ping]);
  });
});
