/** The generated client of the shipped IDL, against a server in Python, over each wire. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { MessageType, TransportClient, TransportMessage, type TransportMessageInit, TransportService } from "../generated/index.ts";
import type { Channel, Transport } from "../src/channel.ts";
import { CodecError } from "../src/message.ts";
import { Server, WIRES } from "./support/server.ts";

for (const wire of WIRES) {
  describe(`the generated client over ${wire}`, () => {
    let server: Server;
    let channel: Channel;
    let client: TransportClient;

    before(async () => {
      server = await Server.start(wire);
      channel = server.channel();
      client = new TransportClient(channel);
    });

    after(async () => {
      await channel.close();
      await server.kill();
    });

    test("messages are given as what is set of them, and come back whole", async () => {
      const sent = TransportMessage.create({
        id: "ä→𝄞",
        messageType: MessageType.CHECKPOINT,
        payload: Uint8Array.of(0, 255),
        headers: { "": "empty", ["__proto__"]: "own" },
        timestamp: -(2n ** 63n) + 1n,
        priority: -(2 ** 31),
        compression: 77,
      });
      assert.deepEqual(await client.sendMessage(sent), sent);
      const { headers, timestamp } = await client.sendMessage({ timestamp: 2n ** 53n + 1n });
      assert.equal(headers.size, 0);
      assert.equal(timestamp, 2n ** 53n + 1n);
    });

    test("streams are async iterables, both ways", async () => {
      const ids: string[] = [];
      for await (const event of client.streamEvents({ nodeId: "n", batchSize: 3, filter: { endTimestamp: 5n } })) {
        ids.push(event.id);
      }
      assert.deepEqual(ids, ["0", "1", "2"]);
      async function* requests(): AsyncGenerator<TransportMessageInit> {
        yield { id: "a" };
        yield { id: "b", headers: new Map([["k", "v"]]) };
      }
      const echoed: [string, number][] = [];
      for await (const { id, headers } of client.streamMessages(requests())) echoed.push([id, headers.size]);
      assert.deepEqual(echoed, [["a", 0], ["b", 1], ["end", 0]]);
    });

    test("presence is kept: what is absent is undefined", async () => {
      const answer = await client.heartbeat({ nodeId: "n", timestamp: 7n });
      assert.equal(answer.serverTimestamp, 7n);
      assert.equal(answer.clusterInfo, undefined);
      assert.ok(answer.serverStatus?.metadata.has("sent"));
    });

    test("a value that cannot be written fails its call with the field's name", async () => {
      const lone = client.sendMessage({ id: "\ud800" });
      await assert.rejects(lone, (error) => error instanceof CodecError && /id/.test(error.message));
      await assert.rejects(client.sendMessage({ timestamp: 2n ** 63n }), CodecError);
      assert.equal((await client.sendMessage({ id: "on" })).id, "on");
    });

    test("a client of another version is served in protobuf's encoding, and keeps what it does not know", async () => {
      const skewed: Transport = {
        unary: (method, request, options) => channel.unary({ ...method, fingerprint: ~method.fingerprint }, request, options),
        serverStream: (method, request, options) => channel.serverStream(method, request, options),
        clientStream: (method, requests, options) => channel.clientStream(method, requests, options),
        bidiStream: (method, requests, options) => channel.bidiStream(method, requests, options),
      };
      const unknown = Uint8Array.of(0xea, 0x04, 2, 104, 105); // field 77, "hi"
      const answer = await new TransportClient(skewed).sendMessage({ id: "old", timestamp: -1n, $unknown: unknown });
      assert.deepEqual([answer.id, answer.timestamp, answer.$unknown], ["old", -1n, unknown]);
    });

    test("requests that are taken from a queue are let go of when the call ends", async () => {
      let isReturned = false;
      const queue: AsyncIterable<TransportMessageInit> = {
        [Symbol.asyncIterator]: () => ({
          next: () => new Promise(() => undefined), // nobody puts anything in
          return: () => {
            isReturned = true;
            return Promise.resolve({ done: true, value: undefined });
          },
        }),
      };
      const controller = new AbortController();
      const echo = client.streamMessages(queue, { signal: controller.signal })[Symbol.asyncIterator]();
      const answer = echo.next();
      controller.abort();
      await assert.rejects(answer, /canceled/);
      assert.ok(isReturned);
    });
  });
}

test("a method has its own deadline", () => {
  assert.equal(TransportService.methods.heartbeat.timeoutMs, 10_000);
});
