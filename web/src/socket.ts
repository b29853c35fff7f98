/** What carries the bytes of a connection: a small interface, and WebSocket behind it. */

/** Where a socket brings what happens to it. Nothing is called before the maker has returned. */
export interface SocketEvents {
  /** It is connected. */
  onOpen(): void;
  /** Bytes came, in order; how they are cut means nothing. The array belongs to the callee. */
  onData(bytes: Uint8Array): void;
  /** It is closed, or could not be opened; the last event. `reason` is for people. */
  onClosed(reason: string): void;
}

/** One byte stream to a server. */
export interface Socket {
  /** Sends bytes behind those before them, without waiting. The array belongs to the socket from then on. */
  send(bytes: Uint8Array<ArrayBuffer>): void;
  /** Bytes that were sent and have not left yet. */
  readonly bufferedAmount: number;
  /** Sends what was given to it, and closes. */
  close(code?: number, reason?: string): void;
  /** Closes now, whatever was not sent. */
  abort(): void;
}

/** Begins to connect; called for each attempt. May throw: that is an attempt that failed. */
export type SocketFactory = (events: SocketEvents) => Socket;

/** The subprotocol that a WebSocket server of EventFlux asks for. */
export const SUBPROTOCOL = "eft1.eventflux";

/** The part of a WebSocket that is used: that of browsers, of Node from 22 on, and of the package `ws`. */
export interface WebSocketLike {
  binaryType: string;
  readonly protocol: string;
  readonly bufferedAmount: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  /** Of `ws` alone. */
  terminate?(): void;
}

/** A class of such sockets. */
export type WebSocketClass = new (url: string, protocols: string[]) => WebSocketLike;

/** How WebSockets are made. */
export interface WebSocketOptions {
  /** The class to use where there is no global one, or another is wanted: `import { WebSocket } from "ws"`. */
  readonly WebSocket?: WebSocketClass | undefined;
}

const NORMAL_CLOSURE = 1000;
const FIRST_OWN_CODE = 3000;

/**
 * Makes WebSockets to a `ws://` or `wss://` URL. In a browser a path alone, such as `/rpc`, is one of the page's host.
 * @throws TypeError the URL is none of a WebSocket, or there is no class to make one with.
 */
export function webSocket(url: string, options: WebSocketOptions = {}): SocketFactory {
  const target = absolute(url);
  const Class = options.WebSocket ?? (globalThis as { WebSocket?: WebSocketClass }).WebSocket;
  if (Class === undefined) {
    throw new TypeError('there is no global WebSocket: pass that of the package ws, { WebSocket } from "ws"');
  }
  return (events) => openWebSocket(new Class(target, [SUBPROTOCOL]), events);
}

function absolute(url: string): string {
  const { location } = globalThis as { location?: { href: string } };
  let parsed: URL;
  try {
    parsed = new URL(url, location?.href);
  } catch {
    throw new TypeError(`${url} is not a URL: give one such as wss://host/path`);
  }
  if (parsed.protocol === "http:") parsed.protocol = "ws:";
  if (parsed.protocol === "https:") parsed.protocol = "wss:";
  if (parsed.protocol !== "ws:" && parsed.protocol !== "wss:") {
    throw new TypeError(`${url} is not a URL of a WebSocket: it has to begin with ws:// or wss://`);
  }
  parsed.hash = "";
  return parsed.href;
}

function openWebSocket(socket: WebSocketLike, events: SocketEvents): Socket {
  let failure: string | undefined;
  let isOpen = false;
  let isClosed = false;
  const closed = (reason: string): void => {
    if (isClosed) return;
    isClosed = true;
    events.onClosed(reason);
  };
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    isOpen = true;
    if (socket.protocol === SUBPROTOCOL) return events.onOpen();
    failure = `the server does not speak ${SUBPROTOCOL} over WebSocket: check the address and the path`;
    socket.close(NORMAL_CLOSURE);
  };
  socket.onmessage = ({ data }: { data: unknown }) => {
    if (data instanceof ArrayBuffer) return events.onData(new Uint8Array(data));
    failure = "the server sent a text message, which this protocol does not have";
    socket.close(NORMAL_CLOSURE);
  };
  socket.onerror = (event: { message?: unknown }) => {
    // A browser does not tell why; `ws` does.
    if (typeof event.message === "string" && event.message !== "") failure ??= event.message;
    // An error ahead of the opening is the end, though Node 20 brings no `close` behind it.
    if (!isOpen) closed(failure ?? "the server cannot be reached, or refuses WebSockets from here");
  };
  socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
    closed(failure ?? `the WebSocket was closed with code ${code}${reason === "" ? "" : `: ${reason}`}`);
  };
  return {
    send: (bytes) => socket.send(bytes),
    get bufferedAmount() {
      return socket.bufferedAmount;
    },
    close: (code = NORMAL_CLOSURE, reason = "") => {
      socket.close(code >= FIRST_OWN_CODE ? code : NORMAL_CLOSURE, reason);
    },
    abort: () => {
      if (socket.terminate !== undefined) socket.terminate();
      else socket.close(NORMAL_CLOSURE);
    },
  };
}
