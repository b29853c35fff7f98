/** Channels over sockets in memory, where the test is the server and moves the clock: from one connection to the next. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";

import type { ChannelStatus } from "../src/channel.ts";
import { Code } from "../src/error.ts";
import { Flag, FrameType } from "../src/frame.ts";
import { settled } from "../src/testing.ts";
import { EventRequest, EVENTS, SEND, STREAM, TransportMessage } from "./support/messages.ts";
import { answer, bytesOf, encoded, failure, frame, framesOf, goAway, hello, reasonOf, Rig, status } from "./support/script.ts";

let rig: Rig;

beforeEach(() => {
  rig = new Rig();
});

afterEach(async () => {
  await rig.close();
});

describe("a channel connects", () => {
  test("at the first call, and says how it is", async () => {
    await settled();
    assert.equal(rig.channel.state, "idle");
    assert.equal(rig.peers.length, 0);
    const calls = [rig.call(), rig.call()];
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
    rig.byHand();
    const pending = rig.call();
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
    assert.match((await failure(rig.call())).rawMessage, /cannot connect: connection refused/);
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
    await failure(rig.call());
    assert.equal(rig.channel.state, "waiting");
    const patient = rig.call({ waitForReady: true });
    assert.match((await failure(rig.call())).rawMessage, /refused/);
    const late = rig.call({ waitForReady: true, timeoutMs: 50 });
    await rig.clock.advance(60);
    assert.equal((await failure(late)).code, Code.DeadlineExceeded);
    const controller = new AbortController();
    const left = rig.call({ waitForReady: true, signal: controller.signal });
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
    assert.match((await failure(rig.call())).rawMessage, /does not speak EFT1/);
    rig.greet = (peer) => {
      peer.open();
      peer.send(bytesOf("EFT1", frame(FrameType.Hello, 0, 0, 2, 0, 0, 0)));
    };
    await rig.clock.advance(100);
    const frames = framesOf(rig.peer.take());
    assert.equal(reasonOf(frames).code, Code.Unimplemented);
    assert.match((await failure(rig.call())).rawMessage, /version 2\.0/);
  });
});

describe("a connection that is lost", () => {
  test("fails its calls, and another one is made", async () => {
    const pending = rig.call();
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
    await failure(rig.call());
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
    const pending = rig.call();
    await rig.clock.advance(100);
    rig.peer.send(answer(1, { id: "on" }));
    assert.equal((await pending).id, "on");
    assert.equal(rig.peers.length, 2);
  });
});

describe("a server that goes away", () => {
  test("loses no call: those it took end there, those it did not see are made again", async () => {
    await rig.clock.advance(0);
    const calls = [rig.call(), rig.call(), rig.call()];
    await rig.clock.advance(10_000);
    const old = rig.peer;
    old.take();
    old.send(goAway(1, 0, "server drains."));
    await settled();
    assert.equal(rig.peers.length, 2);
    assert.deepEqual((await rig.heard()).map(({ type }) => type), [FrameType.Open, FrameType.Open]);
    const fresh = rig.call();
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
    const error = await failure(answers[1] ?? rig.call());
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
    const pending = rig.call();
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
    const pending = rig.call();
    await settled();
    const { peer } = rig;
    peer.send(goAway(1, 13, "broken"));
    const error = await failure(pending);
    assert.match(error.rawMessage, /ends the connection: broken \(internal\)/);
    assert.ok(peer.isClosed);
  });
});

describe("close", () => {
  test("ends calls, in flight and waiting, and what comes later", async () => {
    const stream = rig.channel.serverStream(EVENTS, EventRequest.create())[Symbol.asyncIterator]();
    const pending = [rig.call(), stream.next()];
    for (const one of pending) one.catch(() => undefined);
    await rig.heard();
    await rig.channel.close();
    for (const one of pending) assert.match((await failure(one)).rawMessage, /channel is closed/);
    assert.match((await failure(rig.call({ waitForReady: true }))).rawMessage, /channel is closed/);
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
    rig.byHand();
    const connecting = rig.call();
    await settled();
    const closing = rig.channel.close();
    assert.match((await failure(connecting)).rawMessage, /channel is closed/);
    await closing;
    await rig.close();
    rig = new Rig();
    rig.greet = (peer) => peer.drop("refused");
    await failure(rig.call());
    const waiting = rig.call({ waitForReady: true });
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
