/** Servers that end and come back, over each wire: what becomes of calls meanwhile. */

import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";

import type { Channel, ChannelStatus } from "../src/channel.ts";
import { Code, RpcError } from "../src/error.ts";
import { EventRequest, EVENTS, HEARTBEAT, HeartbeatRequest, SEND, STREAM, TransportMessage } from "./support/messages.ts";
import { Server, WIRES } from "./support/server.ts";

for (const wire of WIRES) {
  describe(`a server over ${wire}`, () => {
    let server: Server | undefined;
    let channel: Channel | undefined;

    afterEach(async () => {
      await channel?.close();
      await server?.kill();
    });

    function send(init: Partial<TransportMessage> = {}, options = {}): Promise<TransportMessage> {
      assert.ok(channel !== undefined);
      return channel.unary(SEND, TransportMessage.create(init), options);
    }

    async function restarted(old: Server): Promise<Server> {
      server = await Server.start(wire, old.url);
      return server;
    }

    test("that drains loses no call, whatever is in flight and whatever comes", async () => {
      const old = (server = await Server.start(wire));
      channel = server.channel({ waitForReady: true });
      await send();
      // A call that is in flight all the while, and ends by itself.
      const requests = new Queue<TransportMessage>();
      const echo = channel.bidiStream(STREAM, requests)[Symbol.asyncIterator]();
      const echoed = async (id: string | undefined): Promise<string> => {
        requests.push(id === undefined ? undefined : TransportMessage.create({ id }));
        return (await echo.next()).value.id;
      };
      assert.equal(await echoed("before"), "before");
      let isOver = false;
      const answered = new Counter();
      const workers = Array.from({ length: 20 }, async (_, worker) => {
        for (let index = 0; !isOver; index++) {
          const id = `${worker}.${index}`;
          assert.equal((await send({ id })).id, id);
          answered.add();
        }
      });
      await answered.reaches(100);
      const ended = old.drain();
      await reached(channel, ({ state }) => state !== "ready");
      await restarted(old);
      await reached(channel, ({ state }) => state === "ready");
      await answered.reaches(answered.count + 100);
      isOver = true;
      await Promise.all(workers);
      assert.equal(await echoed("behind"), "behind");
      assert.equal(await echoed(undefined), "end");
      assert.equal((await echo.next()).done, true);
      await ended;
    });

    test("that crashes is found again when it is back", async () => {
      const old = (server = await Server.start(wire));
      const states: string[] = [];
      channel = server.channel({ backoff: { initialMs: 20, maxMs: 100 } });
      channel.onStatus(({ state }) => states.push(state));
      await send();
      const inFlight = send({ headers: { do: "linger" } });
      inFlight.catch(() => undefined);
      const stream = channel.serverStream(EVENTS, EventRequest.create({ nodeId: "linger" }))[Symbol.asyncIterator]();
      assert.equal((await stream.next()).value.id, "first");
      const echo = channel.bidiStream(STREAM, waitingFor("one"))[Symbol.asyncIterator]();
      assert.equal((await echo.next()).value.id, "one");
      await old.kill();
      for (const lost of [inFlight, stream.next(), echo.next()]) {
        const error = await lost.then(
          () => undefined,
          (reason: unknown) => reason,
        );
        assert.ok(error instanceof RpcError && error.code === Code.Unavailable, String(error));
      }
      await reached(channel, ({ state, error }) => state === "waiting" && error?.unprocessed === true);
      const refused = await send().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      assert.ok(refused instanceof RpcError && refused.code === Code.Unavailable && refused.unprocessed);
      const patient = send({ id: "patient" }, { waitForReady: true });
      await restarted(old);
      assert.equal((await patient).id, "patient");
      assert.equal(states[0], "connecting");
      assert.equal(states.at(-1), "ready");
      assert.ok(states.includes("waiting"));
      await channel.unary(HEARTBEAT, HeartbeatRequest.create());
    });

    test("that is not there fails calls with the reason", async () => {
      server = await Server.start(wire);
      channel = server.channel({ backoff: { initialMs: 20, maxMs: 100 } });
      await server.kill();
      const error = await send().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      assert.ok(error instanceof RpcError && error.code === Code.Unavailable);
      assert.match(error.rawMessage, /cannot connect: /);
    });
  });
}

async function* waitingFor(id: string): AsyncGenerator<TransportMessage> {
  yield TransportMessage.create({ id });
  await new Promise(() => undefined);
}

/** Resolves when a channel is as it is wanted. */
function reached(channel: Channel, isThere: (status: ChannelStatus) => boolean): Promise<void> {
  if (isThere(channel.status)) return Promise.resolve();
  return new Promise((resolve) => {
    const end = channel.onStatus((status) => {
      if (!isThere(status)) return;
      end();
      resolve();
    });
  });
}

/** Counts, and tells when it has come to a number. */
class Counter {
  count = 0;
  #wanted = Infinity;
  #tell: () => void = () => undefined;

  add(): void {
    this.count += 1;
    if (this.count >= this.#wanted) this.#tell();
  }

  reaches(wanted: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wanted = wanted;
      this.#tell = resolve;
    });
  }
}

/** Requests that the test hands over one by one; undefined ends them. */
class Queue<T> implements AsyncIterable<T> {
  readonly #items: (T | undefined)[] = [];
  #wake: () => void = () => undefined;

  push(item: T | undefined): void {
    this.#items.push(item);
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      while (this.#items.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
      const item = this.#items.shift();
      if (item === undefined) return;
      yield item;
    }
  }
}
