/** Servers that end and come back, over each wire: what becomes of calls meanwhile. */

import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";

import type { Channel } from "../src/channel.ts";
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
      const nothing = (): void => undefined;
      let next: (id: string | undefined) => void = nothing;
      async function* requests(): AsyncGenerator<TransportMessage> {
        for (;;) {
          const id = await new Promise<string | undefined>((resolve) => (next = resolve));
          if (id === undefined) return;
          yield TransportMessage.create({ id });
        }
      }
      const echo = channel.bidiStream(STREAM, requests())[Symbol.asyncIterator]();
      const echoed = async (id: string | undefined): Promise<string> => {
        const answer = echo.next();
        await until(() => next !== nothing);
        next(id);
        next = nothing;
        return (await answer).value.id;
      };
      assert.equal(await echoed("before"), "before");
      let isOver = false;
      let answered = 0;
      const workers = Array.from({ length: 20 }, async (_, worker) => {
        for (let index = 0; !isOver; index++) {
          const id = `${worker}.${index}`;
          assert.equal((await send({ id })).id, id);
          answered += 1;
        }
      });
      await until(() => answered > 100);
      const ended = old.drain();
      await until(() => channel?.state !== "ready");
      await restarted(old);
      await until(() => channel?.state === "ready");
      const before = answered;
      await until(() => answered > before + 100);
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
      await until(() => channel?.state === "waiting" && channel.status.error?.unprocessed === true);
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

/** Looks until something is so; the test's own time limit ends it. */
async function until(isTrue: () => boolean): Promise<void> {
  const end = performance.now() + 20_000;
  while (!isTrue()) {
    assert.ok(performance.now() < end, "never so");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
