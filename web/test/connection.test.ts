/** Channels and connections over sockets in memory, where the test is the server and moves the clock. */

import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { afterEach, beforeEach, describe, test } from "node:test";

import type { ChannelStatus } from "../src/channel.ts";
import { Code, RpcError } from "../src/error.ts";
import { Flag, FrameType } from "../src/frame.ts";
import { Writer } from "../src/message.ts";
import { settled } from "../src/testing.ts";
import { EventRequest, EVENTS, SEND, STREAM, TransportMessage } from "./support/messages.ts";
import { block, bytesOf, frame, framesOf, hello, reasonOf, Rig, status, u32 } from "./support/script.ts";

let rig: Rig;

beforeEach(() => {
  rig = new Rig();
});

afterEach(async () => {
  await rig.close();
});

function encoded(init: Partial<TransportMessage> = {}): Uint8Array {
  const out = new Writer();
  TransportMessage.writeNative(TransportMessage.create(init), out);
  return out.take();
}

/** What a server answers a unary call with. */
function answer(stream: number, init: Partial<TransportMessage> = {}): Uint8Array {
  return frame(FrameType.Status, Flag.Message, stream, encoded(init));
}

function call(options: Parameters<Rig["channel"]["unary"]>[2] = {}): Promise<TransportMessage> {
  const pending = rig.channel.unary(SEND, TransportMessage.create(), options);
  pending.catch(() => undefined); // a test looks at it later
  return pending;
}

async function failure(promise: Promise<unknown>): Promise<RpcError> {
  const error: unknown = await promise.then(
    () => assert.fail("the call did not fail"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof RpcError, String(error));
  return error;
}

function goAway(last: number, code: number, reason: string): Uint8Array {
  return frame(FrameType.GoAway, 0, 0, u32(last), code, reason);
}

/** Has nothing happen on its own from the next socket on. */
function byHand(): void {
  rig.greet = undefined;
}

describe("a channel connects", () => {
  test("at the first call, and says how it is", async () => {
    await settled();
    assert.equal(rig.channel.state, "idle");
    assert.equal(rig.peers.length, 0);
    const calls = [call(), call()];
    assert.equal((await rig.heard()).length, 2);
    assert.equal(rig.peers.length, 1);
    rig.peer.send(bytesOf(answer(2, { id: "two" }), answer(1, { id: "one" })));
    assert.deepEqual((await Promise.all(calls)).map(({ id }) => id), ["one", "two"]);
    await rig.channel.close();
    await settled();
    assert.deepEqual(rig.states, ["connecting", "ready", "closed"]);
  });

  test("or when it is told to", async () => {
    rig.channel.connect();
    rig.channel.connect();
    await settled();
    assert.equal(rig.channel.state, "ready");
    assert.equal(rig.peers.length, 1);
  });

  test("and gives a server up that does not answer in time", async () => {
    byHand();
    const pending = call();
    await rig.clock.advance(0);
    rig.peer.open();
    await rig.clock.advance(4999);
    assert.equal(rig.channel.state, "connecting");
    await rig.clock.advance(1);
    const error = await failure(pending);
    assert.equal(error.code, Code.Unavailable);
    assert.ok(error.unprocessed);
    assert.match(error.rawMessage, /handshake within 5000 ms/);
    assert.ok(rig.peer.isClosed);
  });

  test("and waits longer from failure to failure, but not for ever longer", async () => {
    const waits: (number | undefined)[] = [];
    rig.channel.onStatus((now: ChannelStatus) => now.state === "waiting" && waits.push(Math.round(now.retryInMs ?? 0)));
    rig.greet = (peer) => peer.drop("connection refused");
    assert.match((await failure(call())).rawMessage, /cannot connect: connection refused/);
    await rig.clock.advance(60_000);
    assert.deepEqual(waits.slice(0, 11), [100, 160, 256, 410, 655, 1049, 1678, 2684, 4295, 5000, 5000]);
    rig.greet = (peer) => {
      peer.open();
      peer.send(hello());
    };
    await rig.clock.advance(5000);
    assert.equal(rig.channel.state, "ready");
  });

  test("calls fail at once meanwhile, or wait if they are told to", async () => {
    rig.greet = (peer) => peer.drop("connection refused");
    await failure(call());
    assert.equal(rig.channel.state, "waiting");
    const patient = call({ waitForReady: true });
    assert.match((await failure(call())).rawMessage, /refused/);
    const late = call({ waitForReady: true, timeoutMs: 50 });
    await rig.clock.advance(60);
    assert.equal((await failure(late)).code, Code.DeadlineExceeded);
    const controller = new AbortController();
    const left = call({ waitForReady: true, signal: controller.signal });
    controller.abort();
    assert.equal((await failure(left)).code, Code.Canceled);
    rig.greet = (peer) => {
      peer.open();
      peer.send(hello());
    };
    rig.greet = (peer) => peer.drop("connection refused");
    await rig.clock.advance(40); // another attempt that fails
    rig.greet = (peer) => {
      peer.open();
      peer.send(hello());
    };
    await rig.clock.advance(160);
    rig.peer.send(answer(1, { id: "at last" }));
    assert.equal((await patient).id, "at last");
  });

  test("a factory that throws is an attempt that failed", async () => {
    const own = new Rig();
    own.greet = () => undefined;
    const { Channel } = await import("../src/channel.ts");
    const channel = new Channel(() => {
      throw new TypeError("no sockets here");
    });
    assert.match((await failure(channel.unary(SEND, TransportMessage.create()))).rawMessage, /no sockets here/);
    await channel.close();
    await own.close();
  });

  test("a peer of another protocol, or of another version, is named", async () => {
    rig.greet = (peer) => {
      peer.open();
      peer.send(bytesOf("HTTP/1.1 400 Bad Request"));
    };
    assert.match((await failure(call())).rawMessage, /does not speak EFT1/);
    rig.greet = (peer) => {
      peer.open();
      peer.send(bytesOf("EFT1", frame(FrameType.Hello, 0, 0, 2, 0, 0, 0)));
    };
    await rig.clock.advance(100);
    const frames = framesOf(rig.peer.take());
    assert.equal(reasonOf(frames).code, Code.Unimplemented);
    assert.match((await failure(call())).rawMessage, /version 2\.0/);
  });
});

describe("a connection that is lost", () => {
  test("fails its calls, and another one is made", async () => {
    const pending = call();
    await rig.clock.advance(10_000);
    rig.peer.drop("cable cut");
    const error = await failure(pending);
    assert.equal(error.code, Code.Unavailable);
    assert.equal(error.unprocessed, false, "the server may have seen it");
    assert.match(error.rawMessage, /lost: cable cut/);
    await settled();
    assert.equal(rig.channel.state, "ready");
    assert.equal(rig.peers.length, 2);
  });

  test("again and again is made anew after longer and longer waits", async () => {
    const times: number[] = [];
    rig.greet = (peer) => {
      times.push(rig.clock.now());
      peer.open();
      peer.send(hello());
      rig.clock.start(() => peer.drop("flapping"), 150);
    };
    rig.channel.connect();
    await rig.clock.advance(2000);
    // It serves for 150 ms, longer than the first wait of 100 ms; the ones after that are waited out.
    const between = times.slice(1).map((time, index) => Math.round(time - (times[index] ?? 0)));
    assert.deepEqual(between.slice(0, 4), [150, 310, 406, 560]);
    rig.greet = () => undefined;
  });

  test("is forgiven its failures once it has served for a while", async () => {
    rig.greet = (peer) => peer.drop("refused");
    await failure(call());
    await rig.clock.advance(2000);
    rig.greet = (peer) => {
      peer.open();
      peer.send(hello());
    };
    await rig.clock.advance(5000);
    assert.equal(rig.channel.state, "ready");
    rig.greet = (peer) => peer.drop("refused");
    await rig.clock.advance(10_000);
    rig.peer.drop("cable cut");
    await settled();
    assert.equal(rig.channel.state, "waiting");
    assert.equal(rig.channel.status.retryInMs, 100);
  });

  test("because its socket throws is lost like any other", async () => {
    const { Channel } = await import("../src/channel.ts");
    let isBroken = false;
    const channel = new Channel((events) => {
      queueMicrotask(() => {
        events.onOpen();
        if (!isBroken) events.onData(hello());
        isBroken = true;
      });
      return {
        send: () => {
          if (isBroken) throw new Error("not writable");
        },
        bufferedAmount: 0,
        close: () => undefined,
        abort: () => events.onClosed("aborted"),
      };
    });
    assert.match((await failure(channel.unary(SEND, TransportMessage.create()))).rawMessage, /lost: not writable/);
    await channel.close();
  });

  test("brings what came before the end", async () => {
    const events = rig.channel.serverStream(EVENTS, EventRequest.create())[Symbol.asyncIterator]();
    const first = events.next();
    await settled();
    rig.peer.send(bytesOf(...["a", "b"].map((id) => frame(FrameType.Message, 0, 1, encoded({ id })))));
    rig.peer.drop("cable cut");
    assert.equal((await first).value.id, "a");
    assert.equal((await events.next()).value.id, "b");
    assert.equal((await failure(events.next())).code, Code.Unavailable);
    assert.equal((await events.next()).done, true);
  });

  test("is not made anew at once if it has only just been made, and calls wait for that", async () => {
    rig.channel.connect();
    await settled();
    rig.peer.drop("flapping");
    await settled();
    assert.equal(rig.channel.state, "waiting");
    const pending = call();
    await rig.clock.advance(100);
    rig.peer.send(answer(1, { id: "on" }));
    assert.equal((await pending).id, "on");
    assert.equal(rig.peers.length, 2);
  });
});

describe("a server that breaks the protocol", () => {
  test("is told so, its calls fail with one clear error, and the connection ends", async () => {
    const calls = [call(), call()];
    await settled();
    const { peer } = rig;
    peer.take();
    peer.send(bytesOf(answer(1), frame(FrameType.Message, 0, 77, "x"), answer(2)));
    await calls[0];
    const error = await failure(calls[1] ?? call());
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
    const pending = call();
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
    const pending = call();
    const other = call();
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
    const [none, many] = [call(), call()];
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
    const pending = call({
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
    const pending = call({ timeoutMs: 1500 });
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
    byHand();
    const pending = call({ timeoutMs: 1000 });
    const month = call({ timeoutMs: 40 * 86_400_000 });
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
    const pending = call({ timeoutMs: 1000, signal: controller.signal });
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
    const pending = call();
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
    const calls = [call(), call(), call(), call()];
    assert.equal((await rig.heard()).length, 2);
    rig.peer.send(answer(1));
    assert.equal((await rig.heard()).length, 1);
    const controller = new AbortController();
    const left = call({ signal: controller.signal });
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
    const other = call();
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

describe("a server that goes away", () => {
  test("loses no call: those it took end there, those it did not see are made again", async () => {
    await rig.clock.advance(0);
    const calls = [call(), call(), call()];
    await rig.clock.advance(10_000);
    const old = rig.peer;
    old.take();
    old.send(goAway(1, 0, "server drains."));
    await settled();
    assert.equal(rig.peers.length, 2);
    assert.deepEqual((await rig.heard()).map(({ type }) => type), [FrameType.Open, FrameType.Open]);
    const fresh = call();
    rig.peer.send(bytesOf(answer(1, { id: "new" }), answer(2, { id: "new" })));
    await rig.heard();
    rig.peer.send(answer(3, { id: "new" }));
    assert.ok(!old.isClosed);
    old.send(answer(1, { id: "old" }));
    assert.deepEqual((await Promise.all(calls)).map(({ id }) => id), ["old", "new", "new"]);
    assert.equal((await fresh).id, "new");
    await settled();
    assert.ok(old.isClosed, "the client closes a connection whose last call has ended");
  });

  test("streams whose requests are still known begin anew, and others fail as unprocessed", async () => {
    async function* requests(): AsyncGenerator<TransportMessage> {
      yield TransportMessage.create({ id: "a" });
      yield TransportMessage.create({ id: "b" });
      await new Promise(() => undefined);
    }
    async function* many(): AsyncGenerator<TransportMessage> {
      for (let index = 0; index < 8; index++) yield TransportMessage.create({ payload: new Uint8Array(60_000) });
      await new Promise(() => undefined);
    }
    rig.greet = (peer) => {
      peer.open();
      peer.send(hello({ 5: 2 ** 30, 6: 2 ** 30 }));
    };
    const short = rig.channel.bidiStream(STREAM, requests())[Symbol.asyncIterator]();
    const long = rig.channel.bidiStream(STREAM, many())[Symbol.asyncIterator]();
    const answers = [short.next(), long.next()];
    answers[1]?.catch(() => undefined);
    await rig.clock.advance(10_000);
    rig.peer.send(goAway(0, 0, "drain"));
    const frames = await rig.heard();
    assert.deepEqual(frames.map(({ type }) => type), [FrameType.Open, FrameType.Message, FrameType.Message]);
    assert.deepEqual(frames[2]?.payload, encoded({ id: "b" }));
    rig.peer.send(frame(FrameType.Message, 0, 1, encoded({ id: "c" })));
    assert.equal((await answers[0])?.value.id, "c");
    const error = await failure(answers[1] ?? call());
    assert.ok(error.unprocessed && error.code === Code.Unavailable);
    await short.return?.();
  });

  test("a call that has been answered is not made again", async () => {
    const events = rig.channel.serverStream(EVENTS, EventRequest.create())[Symbol.asyncIterator]();
    const first = events.next();
    await settled();
    rig.peer.send(frame(FrameType.Message, 0, 1, encoded()));
    await first;
    const second = events.next();
    rig.peer.send(frame(FrameType.Reset, Flag.Unprocessed, 1, Code.Unavailable, "odd"));
    assert.ok((await failure(second)).unprocessed);
  });

  test("a call that comes back again and again fails in the end", async () => {
    const pending = call();
    let opened = 0;
    for (let turn = 0; turn < 20; turn++) {
      for (const { stream } of await rig.heard()) {
        opened += 1;
        rig.peer.send(frame(FrameType.Reset, Flag.Unprocessed, stream, Code.Unavailable, "not now"));
      }
      await rig.clock.advance(100);
    }
    assert.equal((await failure(pending)).rawMessage, "not now");
    assert.equal(opened, 6);
  });

  test("a call that a handler may have seen is not made again, idempotent or not", async () => {
    const pending = rig.channel.unary({ ...SEND, idempotent: true }, TransportMessage.create());
    pending.catch(() => undefined);
    await rig.heard();
    rig.peer.send(frame(FrameType.Status, Flag.Full, 1, status(14, "busy")));
    assert.equal((await failure(pending)).unprocessed, false);
    assert.deepEqual(await rig.heard(), []);
  });

  test("with an error ends its calls at once", async () => {
    const pending = call();
    await settled();
    const { peer } = rig;
    peer.send(goAway(1, 13, "broken"));
    const error = await failure(pending);
    assert.match(error.rawMessage, /ends the connection: broken \(internal\)/);
    assert.ok(peer.isClosed);
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
    const pending = call();
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

describe("close", () => {
  test("ends calls, in flight and waiting, and what comes later", async () => {
    const stream = rig.channel.serverStream(EVENTS, EventRequest.create())[Symbol.asyncIterator]();
    const pending = [call(), stream.next()];
    for (const one of pending) one.catch(() => undefined);
    await rig.heard();
    await rig.channel.close();
    for (const one of pending) assert.match((await failure(one)).rawMessage, /channel is closed/);
    assert.match((await failure(call({ waitForReady: true }))).rawMessage, /channel is closed/);
    assert.deepEqual(reasonOf(framesOf(rig.peer.take())), { code: 0, reason: "the channel is closed: make another one" });
    await rig.channel.close();
  });

  test("leaves no timer of a stream that nobody reads any more", async () => {
    const stream = rig.channel.serverStream(EVENTS, EventRequest.create(), { timeoutMs: 60_000 })[Symbol.asyncIterator]();
    const first = stream.next();
    await settled();
    rig.peer.send(frame(FrameType.Message, 0, 1, encoded()));
    await first;
    assert.equal(rig.clock.running, 1);
    await rig.channel.close();
    assert.equal(rig.clock.running, 0);
    assert.match((await failure(stream.next())).rawMessage, /channel is closed/);
  });

  test("while it connects, and while it waits", async () => {
    byHand();
    const connecting = call();
    await settled();
    const closing = rig.channel.close();
    assert.match((await failure(connecting)).rawMessage, /channel is closed/);
    await closing;
    await rig.close();
    rig = new Rig();
    rig.greet = (peer) => peer.drop("refused");
    await failure(call());
    const waiting = call({ waitForReady: true });
    await rig.channel.close();
    assert.match((await failure(waiting)).rawMessage, /channel is closed/);
  });

  test("is over within a second, whatever the socket does", async () => {
    rig.channel.connect();
    await settled();
    Object.defineProperty(rig.peer, "isClosed", { value: true }); // as if it had closed before, and said nothing
    let isOver = false;
    const closing = rig.channel.close().then(() => (isOver = true));
    await rig.clock.advance(999);
    assert.equal(isOver, false);
    await rig.clock.advance(1);
    await closing;
  });

  test("options out of their range are refused with what is allowed", () => {
    assert.throws(() => new Rig({ timeoutMs: -1 }), /timeoutMs has to be a number of milliseconds from 0 on, not -1/);
    assert.throws(() => new Rig({ backoff: { initialMs: 200, maxMs: 100 } }), /backoff\.maxMs/);
    assert.throws(() => new Rig({ limits: { streamWindow: 1 } }), /streamWindow has to be/);
  });
});
