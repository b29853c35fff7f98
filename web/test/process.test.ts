/** What a whole program sees: it ends when its channel is closed, and nothing that fails goes unhandled. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";

import { Server, WIRES } from "./support/server.ts";

const run = promisify(execFile);
const HERE = new URL(".", import.meta.url).href;

const PROGRAM = `
const { connect } = await import("${HERE}../src/node.js");
const { SEND, EVENTS, TransportMessage, EventRequest } = await import("${HERE}support/messages.js");
const { WebSocket } = await import("ws");
const [, url, wire] = process.argv;
const channel = connect(url, wire === "ws" ? { WebSocket } : {});
process.on("unhandledRejection", (error) => { console.log("unhandled", error); process.exit(1); });
const first = await channel.unary(SEND, TransportMessage.create({ id: "a" }));
const events = channel.serverStream(EVENTS, EventRequest.create({ nodeId: "linger" }), { timeoutMs: 60000 });
const iterator = events[Symbol.asyncIterator]();
await iterator.next();
// Nobody looks at these any more.
void channel.unary(SEND, TransportMessage.create({ headers: { do: "linger" } }), { timeoutMs: 60000 }).catch(() => {});
await channel.close();
console.log(first.id, channel.state);
`;

for (const wire of WIRES) {
  describe(`a program over ${wire}`, () => {
    let server: Server;
    before(async () => {
      server = await Server.start(wire);
    });
    after(() => server.kill());

    test("ends when its channel is closed", async () => {
      const flags = [...process.execArgv.filter((flag) => flag !== "--test"), "--input-type=module", "--eval", PROGRAM];
      const started = performance.now();
      const { stdout } = await run(process.execPath, [...flags, server.url, wire], { timeout: 20_000 });
      assert.equal(stdout.trim(), "a closed");
      assert.ok(performance.now() - started < 10_000);
    });
  });
}
