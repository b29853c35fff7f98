/**
 * One connection: binds a machine to a socket and to calls, and watches over its time.
 *
 * Invariants: `#calls` are the calls with a stream in flight, `#queue` those that wait for room; a call is in one of
 * them at most. Once `state` is "closed" no timer runs, both are empty, and nothing of the socket matters any more.
 */

import type { AnyCall, CallHost } from "./call.ts";
import type { Clock, Timer } from "./clock.ts";
import { Code, codeName, RpcError } from "./error.ts";
import type { MachineEvent } from "./event.ts";
import type { ProtocolError } from "./frame.ts";
import { type Keepalive, Liveness } from "./liveness.ts";
import { ClientMachine } from "./machine.ts";
import { checkRequest, openingOf } from "./opening.ts";
import type { Peer, Settings } from "./settings.ts";
import type { Socket, SocketFactory } from "./socket.ts";

/** What a connection is told. */
export interface ConnectionConfig {
  readonly settings: Settings;
  readonly keepalive: Keepalive | undefined;
  /** How often servers have asked for fewer pings. */
  readonly slowness: number;
  /** Milliseconds for connection and handshake together. */
  readonly connectTimeoutMs: number;
  readonly clock: Clock;
}

/** Whom a connection tells of its life; each is called once at most. */
export interface ConnectionOwner {
  onReady(): void;
  /** The server takes no further calls; those in flight go on. */
  onDraining(): void;
  /** It is of no further use. `isPingFault`: the server wants fewer pings. */
  onClosed(error: RpcError, isPingFault: boolean): void;
}

export type ConnectionState = "connecting" | "ready" | "draining" | "closed";

/** Bytes of calls that wait in the socket at most, before calls have to wait themselves. */
const MAX_BUFFERED_BYTES = 1_048_576;
/** A browser does not tell when a socket has room, so it is asked: after so many milliseconds, then twice that. */
const FIRST_LOOK_MS = 2;
const LAST_LOOK_MS = 32;
/** Milliseconds for a socket to close in good order. */
const CLOSE_TIMEOUT_MS = 1000;

export class Connection implements CallHost {
  readonly #owner: ConnectionOwner;
  readonly #clock: Clock;
  readonly #machine: ClientMachine;
  readonly #liveness: Liveness | undefined;
  readonly #calls = new Map<number, AnyCall>();
  readonly #queue = new Set<AnyCall>();
  readonly #createdAt: number;
  #socket: Socket | undefined;
  #state: ConnectionState = "connecting";
  #peer: Peer | undefined;
  #isFlushing = false;
  #handshakeTimer: Timer;
  #lookTimer: Timer;
  #lookMs = 0;
  #closeTimer: Timer;
  #isOpen = false;
  #resolveClosed: () => void = () => undefined;
  /** Resolves when the socket is closed. */
  readonly closed = new Promise<void>((resolve) => {
    this.#resolveClosed = resolve;
  });

  /** Begins to connect. Never throws: an attempt that fails ends with `onClosed`. */
  constructor(factory: SocketFactory, config: ConnectionConfig, owner: ConnectionOwner) {
    this.#owner = owner;
    this.#clock = config.clock;
    this.#createdAt = this.#clock.now();
    this.#machine = new ClientMachine(config.settings, this.#createdAt);
    if (config.keepalive !== undefined) {
      this.#liveness = new Liveness(config.keepalive, config.slowness, this.#clock, {
        ping: () => {
          this.#machine.ping();
          this.#flushSoon();
        },
        lose: (reason) => this.#lose(reason),
      });
    }
    const late = `the server did not finish the handshake within ${config.connectTimeoutMs} ms`;
    this.#handshakeTimer = this.#clock.start(() => this.#lose(late), config.connectTimeoutMs);
    try {
      this.#socket = factory({
        onOpen: () => {
          this.#isOpen = true;
          this.#flush();
        },
        onData: (bytes) => this.#receive(bytes),
        onClosed: (reason) => this.#onSocketClosed(reason),
      });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      // Its owner is still being told that there is a connection.
      queueMicrotask(() => this.#onSocketClosed(reason));
    }
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Milliseconds since it was made. */
  get ageMs(): number {
    return this.#clock.now() - this.#createdAt;
  }

  /** Bytes of credit that the server has used and no reader given back. */
  get heldBytes(): number {
    return this.#state === "closed" ? 0 : this.#machine.heldBytes;
  }

  /** Begins a call, now or when there is room for it. A call that cannot begin ends. */
  start(call: AnyCall): void {
    if (this.#state !== "ready") {
      call.onLost(new RpcError("the connection takes no more calls", Code.Unavailable, { unprocessed: true }));
      return;
    }
    this.#queue.add(call);
    this.#openQueued();
  }

  /** Asks for a sign of life now, such as when the computer was asleep. */
  probe(): void {
    this.#liveness?.probe();
  }

  /** Ends it; calls in flight end with Unavailable. */
  close(reason: string): void {
    if (this.#state !== "connecting") this.#machine.goAway(0, reason);
    this.#end(new RpcError(reason, Code.Unavailable), false);
  }

  sendMessage(call: AnyCall, message: Uint8Array): boolean {
    checkRequest(message, this.#peer as Peer);
    const isSent = this.#machine.sendMessage(call.stream, message);
    this.#flushSoon();
    return isSent;
  }

  halfClose(call: AnyCall): void {
    this.#machine.halfClose(call.stream);
    this.#flushSoon();
  }

  consumed(call: AnyCall, bytes: number): void {
    this.#machine.consumed(call.stream, bytes);
    this.#flushSoon();
  }

  leave(call: AnyCall, reason: string): void {
    if (this.#queue.delete(call) || call.stream === 0 || this.#state === "closed") return;
    this.#machine.reset(call.stream, Code.Canceled, reason);
    this.#forget(call.stream);
    this.#flushSoon();
  }

  #forget(stream: number): AnyCall | undefined {
    const call = this.#calls.get(stream);
    this.#calls.delete(stream);
    return call;
  }

  #openQueued(): void {
    for (const call of this.#queue) {
      if (!this.#machine.canOpen || this.#room() <= 0) break;
      this.#queue.delete(call);
      try {
        this.#open(call);
      } catch (error) {
        call.fail(error);
      }
    }
    if (this.#queue.size > 0 && this.#room() <= 0) this.#lookLater();
    this.#flushSoon();
  }

  /** @throws RpcError the server cannot take it; CodecError a value cannot be written. */
  #open(call: AnyCall): void {
    const stream = this.#machine.open(openingOf(call, this.#peer as Peer));
    this.#calls.set(stream, call);
    call.onOpened(stream);
    if (this.#machine.isExhausted) this.#drain();
  }

  /** Bytes that the socket still takes. */
  #room(): number {
    return MAX_BUFFERED_BYTES - (this.#socket?.bufferedAmount ?? 0) - this.#machine.output.pos;
  }

  #flushSoon(): void {
    if (this.#isFlushing || this.#state === "connecting" || this.#state === "closed") return;
    this.#isFlushing = true;
    queueMicrotask(() => {
      this.#isFlushing = false;
      if (this.#state !== "closed") this.#flush();
    });
  }

  #flush(): void {
    if (this.#state === "closed") return;
    const socket = this.#socket;
    if (socket === undefined) return;
    for (;;) {
      if (this.#machine.output.pos > 0 && !this.#send(socket, this.#machine.output.take())) return;
      for (const stream of this.#machine.allow(this.#room())) this.#calls.get(stream)?.onSent();
      if (this.#machine.output.pos === 0) break;
    }
    if (this.#machine.isWaitingForSocket) this.#lookLater();
    this.#closeIfDrained();
  }

  /** Whether the socket took the bytes; one that throws is lost. */
  #send(socket: Socket, bytes: Uint8Array<ArrayBuffer>): boolean {
    try {
      socket.send(bytes);
      return true;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#end(new RpcError(`the connection was lost: ${why}`, Code.Unavailable), false);
      return false;
    }
  }

  /** Asks the socket again soon whether it has room. */
  #lookLater(): void {
    if (this.#lookTimer !== undefined || this.#state === "closed") return;
    this.#lookMs = Math.min(LAST_LOOK_MS, Math.max(FIRST_LOOK_MS, this.#lookMs * 2));
    this.#lookTimer = this.#clock.start(() => {
      this.#lookTimer = undefined;
      if (this.#room() > 0) this.#lookMs = 0;
      this.#flush();
      this.#openQueued();
    }, this.#lookMs);
  }

  #receive(bytes: Uint8Array): void {
    if (this.#state === "closed") return;
    const { events, error } = this.#machine.receive(bytes, this.#clock.now());
    this.#liveness?.heard(this.#machine.isWithinFrame);
    for (const event of events) this.#dispatch(event);
    if (this.#isClosed()) return;
    if (error !== undefined) return this.#breakOff(error);
    this.#openQueued();
  }

  /** For after what may have closed it, which TypeScript does not see. */
  #isClosed(): boolean {
    return this.#state === "closed";
  }

  #dispatch(event: MachineEvent): void {
    switch (event.type) {
      case "hello":
        return this.#onHello(event.peer);
      case "headers":
        return this.#calls.get(event.stream)?.onHeaders(event.metadata);
      case "message":
        return this.#calls.get(event.stream)?.onMessage(event.message);
      case "sent":
        return this.#calls.get(event.stream)?.onSent();
      case "status":
        return this.#forget(event.stream)?.onStatus(event.status, event.message);
      case "reset": {
        const { code, reason, unprocessed } = event;
        return this.#forget(event.stream)?.onLost(new RpcError(reason, code, { unprocessed }));
      }
      case "goaway":
        return this.#onGoAway(event.code, event.reason, event.unprocessed);
    }
  }

  #onHello(peer: Peer): void {
    if (this.#state !== "connecting") return;
    this.#clock.stop(this.#handshakeTimer);
    this.#peer = peer;
    this.#state = "ready";
    this.#liveness?.start(peer.minPingIntervalMs);
    this.#owner.onReady();
  }

  #onGoAway(code: Code | 0, reason: string, unprocessed: readonly number[]): void {
    const text = `the server ends the connection: ${reason === "" ? "it did not say why" : reason}`;
    const returned = new RpcError(text, Code.Unavailable, { unprocessed: true });
    for (const stream of unprocessed) this.#forget(stream)?.onLost(returned);
    if (code === 0) return this.#drain();
    const error = new RpcError(`${text} (${codeName(code)})`, Code.Unavailable);
    this.#end(error, reason.startsWith("too_many_pings"));
  }

  /** No further calls; those that wait for room are for another connection. */
  #drain(): void {
    if (this.#state !== "ready") return;
    this.#state = "draining";
    const queued = [...this.#queue];
    this.#queue.clear();
    const error = new RpcError("the connection takes no more calls", Code.Unavailable, { unprocessed: true });
    for (const call of queued) call.onLost(error);
    this.#owner.onDraining();
    this.#flushSoon();
  }

  #closeIfDrained(): void {
    if (this.#state !== "draining" || this.#calls.size > 0) return;
    this.#end(new RpcError("the server has ended the connection", Code.Unavailable), false);
  }

  #lose(reason: string): void {
    if (this.#state !== "connecting") this.#machine.goAway(Code.DeadlineExceeded, reason);
    this.#end(new RpcError(reason, Code.Unavailable, { unprocessed: this.#state === "connecting" }), false);
  }

  #breakOff(error: ProtocolError): void {
    const unprocessed = this.#state === "connecting";
    const text = unprocessed ? error.message : `the server broke the protocol: ${error.message}`;
    this.#end(new RpcError(text, Code.Unavailable, { cause: error, unprocessed }), false);
  }

  #onSocketClosed(reason: string): void {
    this.#clock.stop(this.#closeTimer);
    this.#resolveClosed();
    if (this.#state === "closed") return;
    const text = this.#state === "connecting" ? `cannot connect: ${reason}` : `the connection was lost: ${reason}`;
    this.#socket = undefined;
    this.#end(new RpcError(text, Code.Unavailable, { unprocessed: this.#state === "connecting" }), false);
  }

  #end(error: RpcError, isPingFault: boolean): void {
    if (this.#state === "closed") return;
    const socket = this.#socket;
    this.#state = "closed";
    this.#machine.end();
    this.#liveness?.stop();
    this.#clock.stop(this.#handshakeTimer);
    this.#clock.stop(this.#lookTimer);
    if (socket === undefined) this.#resolveClosed();
    else this.#shut(socket, error.rawMessage);
    const calls = [...this.#calls.values()];
    const queued = [...this.#queue];
    this.#calls.clear();
    this.#queue.clear();
    for (const call of calls) call.onLost(error);
    const again = new RpcError(error.rawMessage, Code.Unavailable, { unprocessed: true, cause: error });
    for (const call of queued) call.onLost(again);
    this.#owner.onClosed(error, isPingFault);
  }

  /** Sends the last words, if any were begun, and closes the socket within a second. */
  #shut(socket: Socket, reason: string): void {
    const words = this.#machine.output.take();
    this.#closeTimer = this.#clock.start(() => {
      socket.abort();
      this.#resolveClosed();
    }, CLOSE_TIMEOUT_MS);
    // The state is "closed", so a socket that throws here loses nothing but these words.
    if (this.#isOpen && (words.length === 0 || this.#send(socket, words))) socket.close(1000, reason.slice(0, 40));
    else socket.abort();
  }
}
