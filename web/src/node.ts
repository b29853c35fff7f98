/** TCP, TLS and Unix sockets of Node, apart from the rest so that browsers never load them. */

import { connect as connectTcp, type Socket as NodeSocket } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";

import { Channel, type ChannelOptions } from "./channel.ts";
import { type SocketFactory, webSocket, type WebSocketOptions } from "./socket.ts";

/** How sockets of Node are made. */
export interface NodeSocketOptions extends WebSocketOptions {
  /** For `tcps`: certificates, and what else `node:tls` takes. */
  readonly tls?: ConnectionOptions | undefined;
}

/**
 * A channel to `tcp://host:port`, `tcps://host:port`, `unix:///path`, `ws://` or `wss://`; it connects at the first call.
 * @throws TypeError the URL is none of these.
 */
export function connect(url: string, options: ChannelOptions & NodeSocketOptions = {}): Channel {
  return new Channel(socket(url, options), options);
}

/** Makes sockets to such a URL. @throws TypeError the URL is none of these. */
export function socket(url: string, options: NodeSocketOptions = {}): SocketFactory {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  switch (parsed?.protocol) {
    case "ws:":
    case "wss:":
      return webSocket(url, options);
    case "unix:": {
      const path = url.slice("unix://".length); // as it is: the servers' URLs of Unix sockets have no escapes
      return (events) => adapt(connectTcp({ path }), "connect", events);
    }
    case "tcp:": {
      const address = addressOf(parsed, url);
      return (events) => adapt(connectTcp({ ...address, noDelay: true }), "connect", events);
    }
    case "tcps:": {
      const address = addressOf(parsed, url);
      const servername = /^[\d.]+$|:/.test(address.host) ? "" : address.host;
      return (events) => adapt(connectTls({ servername, ...options.tls, ...address }), "secureConnect", events);
    }
    default:
      throw new TypeError(`${url} is not a URL of a server: it has to begin with tcp, tcps, unix, ws or wss and ://`);
  }
}

function addressOf({ hostname, port }: URL, url: string): { host: string; port: number } {
  if (hostname === "" || port === "") throw new TypeError(`${url} lacks a host or a port: give both, as tcp://host:7070`);
  return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port) };
}

function adapt(socket: NodeSocket, opened: string, events: Parameters<SocketFactory>[0]): ReturnType<SocketFactory> {
  let failure: string | undefined;
  socket.setNoDelay(true);
  socket.once(opened, () => events.onOpen());
  socket.on("data", (chunk: Buffer) => {
    // A plain view, because `slice` of a Buffer does not copy.
    events.onData(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length));
  });
  socket.on("error", (error) => {
    failure = error.message === "" ? String(error) : error.message;
  });
  socket.on("close", () => events.onClosed(failure ?? "the server closed the connection"));
  return {
    send: (bytes) => {
      socket.write(bytes);
    },
    get bufferedAmount() {
      return socket.writableLength;
    },
    close: () => {
      socket.end();
    },
    abort: () => {
      socket.destroy();
    },
  };
}
