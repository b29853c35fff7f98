/** WebSockets as sockets: what a browser's class does, played by a fake one, and which URLs are taken. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { socket } from "../src/node.ts";
import { type SocketEvents, SUBPROTOCOL, webSocket, type WebSocketClass, type WebSocketLike } from "../src/socket.ts";

class FakeWebSocket implements WebSocketLike {
  static readonly made: FakeWebSocket[] = [];
  binaryType = "blob";
  protocol = SUBPROTOCOL;
  bufferedAmount = 0;
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  readonly url: string;
  readonly protocols: string[];
  readonly closes: unknown[][] = [];

  constructor(url: string, protocols: string[]) {
    this.url = url;
    this.protocols = protocols;
    FakeWebSocket.made.push(this);
  }

  send(): void {}

  close(...reason: unknown[]): void {
    this.closes.push(reason);
  }

  fire(event: "onopen" | "onmessage" | "onerror" | "onclose", value: object = {}): void {
    this[event]?.(value as never);
  }
}

const options = { WebSocket: FakeWebSocket as unknown as WebSocketClass };

function opened(): { fake: FakeWebSocket; told: string[]; close: (code?: number) => void } {
  const told: string[] = [];
  const events: SocketEvents = {
    onOpen: () => void told.push("open"),
    onData: (bytes) => void told.push(`data ${bytes}`),
    onClosed: (reason) => void told.push(reason),
  };
  const { close } = webSocket("ws://host:1/rpc", options)(events);
  const fake = FakeWebSocket.made.at(-1);
  assert.ok(fake !== undefined);
  return { fake, told, close };
}

describe("a WebSocket", () => {
  test("asks for the subprotocol, and brings binary messages", () => {
    const { fake, told } = opened();
    assert.deepEqual([fake.url, fake.protocols, fake.binaryType], ["ws://host:1/rpc", [SUBPROTOCOL], "arraybuffer"]);
    fake.fire("onopen");
    fake.fire("onmessage", { data: Uint8Array.of(1, 2).buffer });
    fake.fire("onclose", { code: 1001, reason: "the server drains" });
    assert.deepEqual(told, ["open", "data 1,2", "the WebSocket was closed with code 1001: the server drains"]);
  });

  test("of a server that chooses no subprotocol is closed", () => {
    const { fake, told } = opened();
    fake.protocol = "";
    fake.fire("onopen");
    assert.equal(fake.closes.length, 1);
    fake.fire("onclose", { code: 1000, reason: "" });
    assert.match(told.join(), /^the server does not speak eft1\.eventflux/);
  });

  test("that brings text is closed", () => {
    const { fake, told } = opened();
    fake.fire("onopen");
    fake.fire("onmessage", { data: "text" });
    fake.fire("onclose", { code: 1000, reason: "" });
    assert.deepEqual(told, ["open", "the server sent a text message, which this protocol does not have"]);
  });

  test("that cannot be opened ends once, with the reason where there is one", () => {
    const silent = opened();
    silent.fake.fire("onerror");
    silent.fake.fire("onclose", { code: 1006, reason: "" });
    assert.deepEqual(silent.told, ["the server cannot be reached, or refuses WebSockets from here"]);
    const telling = opened();
    telling.fake.fire("onerror", { message: "Unexpected server response: 403" });
    assert.deepEqual(telling.told, ["Unexpected server response: 403"]);
  });

  test("is closed with a code that browsers let pages use", () => {
    const { fake, close } = opened();
    close(1002);
    close(4000);
    assert.deepEqual(fake.closes, [[1000, ""], [4000, ""]]);
  });
});

describe("URLs", () => {
  const quiet: SocketEvents = { onOpen: () => {}, onData: () => {}, onClosed: () => {} };

  test("may be of the page's own host", () => {
    const page = globalThis as { location?: { href: string } };
    page.location = { href: "https://example.test/a/page?q#f" };
    try {
      for (const url of ["/rpc", "wss://example.test/rpc", "https://example.test/rpc#f"]) {
        webSocket(url, options)(quiet);
        assert.equal(FakeWebSocket.made.at(-1)?.url, "wss://example.test/rpc");
      }
    } finally {
      delete page.location;
    }
  });

  test("that are none are refused with what is wanted", () => {
    assert.throws(() => webSocket("/rpc", options), /\/rpc is not a URL: give one such as wss:/);
    assert.throws(() => webSocket("tcp://a:1", options), /has to begin with ws/);
    assert.throws(() => socket("http://a:1"), /has to begin with tcp, tcps, unix, ws or wss/);
    assert.throws(() => socket("nonsense"), /not a URL of a server/);
    assert.throws(() => socket("tcp://host"), /lacks a host or a port/);
  });

  test("of WebSockets need a class to make them with", () => {
    const own = globalThis as { WebSocket?: unknown };
    const kept = own.WebSocket;
    delete own.WebSocket;
    try {
      assert.throws(() => webSocket("ws://a:1"), /pass that of the package ws/);
    } finally {
      if (kept !== undefined) own.WebSocket = kept;
    }
  });
});
