/** The other sockets of Node: Unix sockets, and TLS. */

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { WebSocket } from "ws";

import { TransportClient } from "../generated/index.ts";
import { RpcError } from "../src/error.ts";
import { connect, type NodeSocketOptions } from "../src/node.ts";
import type { WebSocketClass } from "../src/socket.ts";
import { Server } from "./support/server.ts";

let folder: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), "eventflux-"));
});

after(() => rmSync(folder, { recursive: true }));

async function echo(url: string, options: NodeSocketOptions = {}): Promise<string> {
  const channel = connect(url, options);
  try {
    const payload = new Uint8Array(300_000).fill(7);
    const answer = await new TransportClient(channel).sendMessage({ id: "there", payload });
    assert.deepEqual(answer.payload, payload);
    return answer.id;
  } finally {
    await channel.close();
  }
}

test("a Unix socket, at a path as it stands", async () => {
  const server = await Server.start("unix", `unix://${folder}/a%20b.sock`);
  try {
    assert.equal(await echo(server.url), "there");
  } finally {
    await server.kill();
  }
});

describe("TLS", () => {
  for (const wire of ["tcps", "wss"]) {
    test(`${wire} checks the certificate`, async () => {
      const server = await Server.start(wire, `${wire}://127.0.0.1:0`, { EVENTFLUX_AUTHORITY: folder });
      try {
        const ca = readFileSync(join(folder, "ca.pem"));
        class Trusting extends WebSocket {
          constructor(url: string, protocols: string[]) {
            super(url, protocols, { ca });
          }
        }
        const trusting = { tls: { ca }, WebSocket: Trusting as unknown as WebSocketClass };
        assert.equal(await echo(server.url, trusting), "there");
        assert.equal(await echo(server.url.replace("127.0.0.1", "localhost"), trusting), "there");
        const stranger = { WebSocket: WebSocket as unknown as WebSocketClass };
        await assert.rejects(echo(server.url, stranger), (error) => {
          return error instanceof RpcError && error.unprocessed && /cannot connect: .*certificate/.test(error.message);
        });
      } finally {
        await server.kill();
      }
    });
  }
});
