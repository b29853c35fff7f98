/** Calls against a server in Python, over each wire: what a user relies on. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import type { Channel } from "../src/channel.ts";
import { Code, RpcError } from "../src/error.ts";
import { Metadata } from "../src/metadata.ts";
import {
  EventRequest,
  EVENTS,
  HEARTBEAT,
  HeartbeatRequest,
  INPUT,
  InputRequest,
  OtherMessage,
  SEND,
  STREAM,
  TransportMessage,
} from "./support/messages.ts";
import { Server, WIRES } from "./support/server.ts";

const MIB = 1024 * 1024;

function patterned(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let index = 0; index < size; index += 509) bytes[index] = index % 251;
  return bytes;
}

function message(init: Partial<TransportMessage> = {}): TransportMessage {
  return TransportMessage.create(init);
}

async function failure(promise: Promise<unknown>): Promise<RpcError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof RpcError, String(error));
    return error;
  }
  return assert.fail("the call did not fail");
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const taken: T[] = [];
  for await (const item of items) taken.push(item);
  return taken;
}

for (const wire of WIRES) {
  describe(`calls over ${wire}`, () => {
    let server: Server;
    let channel: Channel;

    before(async () => {
      server = await Server.start(wire);
      channel = server.channel();
    });

    after(async () => {
      await channel.close();
      await server.kill();
    });

    async function facts(nodeId = ""): Promise<Record<string, string>> {
      const response = await channel.unary(HEARTBEAT, HeartbeatRequest.create({ nodeId }));
      return response.serverStatus?.metadata ?? {};
    }

    async function until(isTrue: (facts: Record<string, string>) => boolean): Promise<void> {
      for (let tries = 0; tries < 500; tries++) {
        if (isTrue(await facts())) return;
      }
      assert.fail(`never so: ${JSON.stringify(await facts())}`);
    }

    test("a unary call brings back what was sent, 64-bit numbers to the last bit", async () => {
      for (const timestamp of [0n, -1n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)]) {
        const sent = message({ id: "ä→𝄞", timestamp, payload: Uint8Array.of(0, 255), headers: { a: "1", b: "" } });
        assert.deepEqual(await channel.unary(SEND, sent), sent);
      }
    });

    test("many calls at a time each get their own answer", async () => {
      const calls = Array.from({ length: 2000 }, (_, index) => channel.unary(SEND, message({ id: String(index) })));
      const answers = await Promise.all(calls);
      assert.deepEqual(
        answers.map(({ id }) => id),
        calls.map((_, index) => String(index)),
      );
    });

    test("a server stream brings its events in order and its trailers", async () => {
      let trailers = new Metadata();
      const request = EventRequest.create({ batchSize: 300 });
      const events = await collect(channel.serverStream(EVENTS, request, { onTrailer: (all) => (trailers = all) }));
      assert.deepEqual(
        events.map(({ id }) => id),
        Array.from({ length: 300 }, (_, index) => String(index)),
      );
      assert.equal(trailers.get("count"), "300");
    });

    test("a client stream takes all requests, from an array or a generator", async () => {
      const sizes = [0, 1, 70_000, 500_000, 3];
      const requests = sizes.map((size) => InputRequest.create({ payload: { type: 0, body: patterned(size) } }));
      const sum = sizes.reduce((total, size) => total + size);
      assert.equal((await channel.clientStream(INPUT, requests)).aggregatedPayloadSize, sum);
      const generated = (async function* () {
        yield* requests;
      })();
      assert.equal((await channel.clientStream(INPUT, generated)).aggregatedPayloadSize, sum);
    });

    test("a bidirectional stream answers each request as it comes", async () => {
      let answered: (() => void) | undefined;
      async function* requests(): AsyncGenerator<TransportMessage> {
        for (let index = 0; index < 50; index++) {
          const isAnswered = new Promise<void>((resolve) => (answered = resolve));
          yield message({ id: String(index) });
          await isAnswered;
        }
      }
      const ids: string[] = [];
      for await (const { id } of channel.bidiStream(STREAM, requests())) {
        ids.push(id);
        answered?.();
      }
      assert.deepEqual(ids, [...Array.from({ length: 50 }, (_, index) => String(index)), "end"]);
    });

    test("messages of a megabyte and of many frames travel both ways", async () => {
      for (const size of [65_500, 65_536, MIB, 5 * MIB + 1]) {
        const sent = message({ payload: patterned(size) });
        const { payload } = await channel.unary(SEND, sent);
        assert.ok(Buffer.from(payload).equals(sent.payload), `${size} bytes`);
      }
      const large = message({ payload: patterned(3 * MIB) });
      const [echoed] = await collect(channel.bidiStream(STREAM, [large]));
      assert.ok(Buffer.from(echoed?.payload ?? []).equals(large.payload));
    });

    test("large messages of several calls get through side by side", async () => {
      const sent = Array.from({ length: 8 }, (_, index) => message({ id: String(index), payload: patterned(2 * MIB) }));
      const answers = await Promise.all(sent.map((one) => channel.unary(SEND, one)));
      for (const [index, answer] of answers.entries()) {
        assert.equal(answer.id, String(index));
        assert.ok(Buffer.from(answer.payload).equals(sent[index]?.payload ?? new Uint8Array(0)));
      }
    });

    test("methods whose fingerprints differ are called in protobuf's encoding", async () => {
      const skewed = { ...SEND, fingerprint: SEND.fingerprint ^ 1n, input: OtherMessage, output: OtherMessage };
      const sent = OtherMessage.create({ id: "old", timestamp: -(2n ** 62n), later: "unknown there" });
      const answer = await channel.unary(skewed, sent);
      assert.equal(answer.id, "old");
      assert.equal(answer.timestamp, -(2n ** 62n));
      const stream = { ...STREAM, fingerprint: 0n, input: OtherMessage, output: OtherMessage };
      const echoed = await collect(channel.bidiStream(stream, [sent, sent]));
      assert.deepEqual(
        echoed.map(({ id }) => id),
        ["old", "old", "end"],
      );
    });

    test("metadata goes both ways, bytes under -bin", async () => {
      let header = new Metadata();
      let trailer = new Metadata();
      const headers = new Headers({ "X-Text": "a b", "x-blob-bin": "AP8=" });
      const options = { headers, onHeader: (all: Metadata) => (header = all), onTrailer: (all: Metadata) => (trailer = all) };
      await channel.unary(SEND, message({ headers: { do: "metadata" } }), options);
      assert.equal(header.get("seen"), "2");
      assert.equal(trailer.get("x-text"), "a b");
      assert.deepEqual(trailer.getBinary("x-blob-bin"), Uint8Array.of(0, 255));
      assert.equal(trailer.get("x-blob-bin"), "AP8=");
    });

    test("metadata that cannot travel is refused with a reason", async () => {
      const call = (headers: Record<string, string>): Promise<unknown> => channel.unary(SEND, message(), { headers });
      await assert.rejects(call({ "grpc-status": "0" }), /reserved/);
      await assert.rejects(call({ "a b": "0" }), /characters/);
      await assert.rejects(call({ a: "ä" }), /-bin/);
      await assert.rejects(call({ "a-bin": "%" }), /base64/);
      const error = await failure(call({ a: "x".repeat(70_000) }));
      assert.equal(error.code, Code.ResourceExhausted);
    });

    test("errors bring code, text, details and trailers", async () => {
      const error = await failure(channel.unary(SEND, message({ headers: { do: "fail-with-trailers" } })));
      assert.equal(error.code, Code.NotFound);
      assert.equal(error.rawMessage, "no such thing");
      assert.equal(error.message, "[not_found] no such thing");
      assert.deepEqual(error.details, [{ typeUrl: "type.googleapis.com/example.Detail", value: Uint8Array.of(8, 1) }]);
      assert.equal(error.metadata.get("reason"), "gone");
      assert.deepEqual(error.metadata.getBinary("blob-bin"), Uint8Array.of(0, 255));
      assert.equal(error.unprocessed, false);
      const events = channel.serverStream(EVENTS, EventRequest.create({ nodeId: "fail" }))[Symbol.asyncIterator]();
      assert.equal((await events.next()).value.id, "first");
      assert.equal((await failure(events.next())).code, Code.NotFound);
      assert.equal((await events.next()).done, true);
    });

    test("every code of the server arrives as it is", async () => {
      const names = ["CANCELLED", "UNKNOWN", "ABORTED", "DATA_LOSS", "UNAUTHENTICATED", "UNAVAILABLE"];
      const codes = [Code.Canceled, Code.Unknown, Code.Aborted, Code.DataLoss, Code.Unauthenticated, Code.Unavailable];
      for (const [index, code] of names.entries()) {
        const error = await failure(channel.unary(SEND, message({ headers: { do: "fail", code } })));
        assert.equal(error.code, codes[index]);
      }
    });

    test("a method that the server lacks is Unimplemented, and the connection goes on", async () => {
      const error = await failure(channel.unary({ ...SEND, path: "/no.Such/Method" }, message()));
      assert.equal(error.code, Code.Unimplemented);
      assert.match(error.rawMessage, /\/no\.Such\/Method/);
      assert.equal((await channel.unary(SEND, message({ id: "on" }))).id, "on");
    });

    test("a deadline ends the call here and there", async () => {
      const { cancelled } = await facts();
      const call = channel.unary(SEND, message({ headers: { do: "linger" } }), { timeoutMs: 150 });
      const error = await failure(call);
      assert.equal(error.code, Code.DeadlineExceeded);
      await until((now) => Number(now["cancelled"]) > Number(cancelled));
      const remaining = Number((await facts())["remaining"]);
      assert.ok(remaining > 0 && remaining <= 0.15, `${remaining} s were left at the server`);
    });

    test("a timeout of 0 fails at once, and a wrong one is refused", async () => {
      const { seen } = await facts();
      assert.equal((await failure(channel.unary(SEND, message(), { timeoutMs: 0 }))).code, Code.DeadlineExceeded);
      assert.equal((await facts())["seen"], seen);
      for (const timeoutMs of [-1, NaN]) {
        await assert.rejects(channel.unary(SEND, message(), { timeoutMs }), RangeError);
      }
      assert.equal((await channel.unary(SEND, message({ id: "x" }), { timeoutMs: Infinity })).id, "x");
    });

    test("an AbortSignal leaves the call, and the server sees it", async () => {
      const { cancelled, seen } = await facts();
      const controller = new AbortController();
      const call = channel.unary(SEND, message({ headers: { do: "linger" } }), { signal: controller.signal });
      await until((now) => Number(now["seen"]) > Number(seen));
      const why = new Error("the user left");
      controller.abort(why);
      const error = await failure(call);
      assert.equal(error.code, Code.Canceled);
      assert.equal(error.cause, why);
      await until((now) => Number(now["cancelled"]) > Number(cancelled));
      const late = failure(channel.unary(SEND, message(), { signal: controller.signal }));
      assert.equal((await late).code, Code.Canceled);
      const timed = failure(channel.unary(SEND, message({ headers: { do: "linger" } }), { signal: AbortSignal.timeout(30) }));
      assert.equal((await timed).code, Code.DeadlineExceeded);
    });

    test("leaving a stream early tells the server", async () => {
      const { cancelled } = await facts();
      for await (const { id } of channel.serverStream(EVENTS, EventRequest.create({ nodeId: "forever", batchSize: 10 }))) {
        if (id === "20") break;
      }
      await until((now) => Number(now["cancelled"]) > Number(cancelled));
    });

    test("return() ends a wait for the next event", async () => {
      const events = channel.serverStream(EVENTS, EventRequest.create({ nodeId: "linger" }))[Symbol.asyncIterator]();
      await events.next();
      const waiting = events.next();
      await events.return?.();
      assert.equal((await waiting).done, true);
    });

    test("a reader that stops stops the sender, and gets everything when it goes on", async () => {
      const own = server.channel({ limits: { streamWindow: 65_536 } });
      try {
        const { sent } = await facts();
        const request = EventRequest.create({ nodeId: "forever", batchSize: 10_000 });
        const events = own.serverStream(EVENTS, request)[Symbol.asyncIterator]();
        assert.equal((await events.next()).value.id, "0");
        let before = sent;
        // The server has stopped once its count stands still over many round trips.
        for (let still = 0; still < 20; ) {
          const now = (await facts())["sent"];
          still = now === before ? still + 1 : 0;
          before = now;
        }
        assert.ok(Number(before) - Number(sent) < 30, `${Number(before) - Number(sent)} messages of 10 kB were sent`);
        assert.ok(own.heldBytes <= 65_536 + 10_200, `${own.heldBytes} bytes are held`);
        for (let index = 1; index < 200; index++) assert.equal((await events.next()).value.id, String(index));
        await events.return?.();
      } finally {
        await own.close();
      }
    });

    test("requests that fail end the call with the caller's error, and the server hears of it", async () => {
      const why = new Error("no more of them");
      async function* requests(): AsyncGenerator<TransportMessage> {
        yield message({ id: "only" });
        throw why;
      }
      const echoed: string[] = [];
      await assert.rejects(
        (async () => {
          for await (const { id } of channel.bidiStream(STREAM, requests())) echoed.push(id);
        })(),
        why,
      );
      await assert.rejects(channel.clientStream(INPUT, 7 as never), TypeError);
    });

    test("requests are not asked for once the call has ended", async () => {
      let isReturned = false;
      async function* requests(): AsyncGenerator<TransportMessage> {
        try {
          for (;;) yield message({ headers: { do: "return" } });
        } finally {
          isReturned = true;
        }
      }
      assert.deepEqual(await collect(channel.bidiStream(STREAM, requests())), []);
      await facts();
      assert.ok(isReturned);
    });

    test("calls of all kinds and sizes, some of them left, share small windows", async () => {
      const own = server.channel({ limits: { streamWindow: 16_384, connectionWindow: 65_536 } });
      let seed = 11;
      const draw = (below: number): number => {
        seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
        return (seed >>> 8) % below;
      };
      const sizes = [0, 1, 500, 16_300, 16_384, 70_000, 300_000];
      const one = async (number: number): Promise<void> => {
        const payload = patterned(sizes[draw(sizes.length)] ?? 0);
        const id = String(number);
        const isLeft = draw(6) === 0;
        if (draw(2) === 0) {
          const signal = isLeft ? AbortSignal.timeout(draw(20)) : undefined;
          const answer = await own.unary(SEND, message({ id, payload }), { signal }).catch((error: unknown) => error);
          if (answer instanceof RpcError && isLeft) return;
          assert.deepEqual(answer, message({ id, payload }));
          return;
        }
        const requests = Array.from({ length: 1 + draw(4) }, () => message({ id, payload }));
        let count = 0;
        for await (const echoed of own.bidiStream(STREAM, requests)) {
          if (isLeft && count === 1) return;
          assert.deepEqual(echoed, requests[count++] ?? message({ id: "end" }));
        }
        assert.equal(count, requests.length + 1);
      };
      try {
        const work = Array.from({ length: 150 }, (_, number) => number);
        await Promise.all(
          Array.from({ length: 12 }, async () => {
            for (let number = work.pop(); number !== undefined; number = work.pop()) await one(number);
          }),
        );
        await own.unary(SEND, message());
        assert.equal(own.heldBytes, 0);
        assert.equal(own.state, "ready");
        assert.ok(own.status.error === undefined);
      } finally {
        await own.close();
      }
    });

    test("a request over the server's limit fails here, and one response over ours is reset", async () => {
      const small = server.channel({ limits: { maxMessageBytes: 100_000 } });
      try {
        const request = message({ headers: { do: "size", bytes: "200000" } });
        assert.equal((await failure(small.unary(SEND, request))).code, Code.ResourceExhausted);
        const fits = message({ headers: { do: "size", bytes: "99000" } });
        assert.equal((await small.unary(SEND, fits)).payload.length, 99_000);
      } finally {
        await small.close();
      }
      const tooLong = message({ payload: new Uint8Array(64 * MIB + 1) });
      assert.equal((await failure(channel.unary(SEND, tooLong))).code, Code.ResourceExhausted);
    });
  });
}
