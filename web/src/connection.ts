/**
 * One connection: binds a machine to a socket and to calls, and watches over its time.
 *
 * Invariants: `#calls` are the calls with a stream in flight, `#queue` those that wait for room; a call is in one of
 * them at most. Once `state` is "closed" no timer runs, both are empty, and nothing of the socket matters any more.
 */

import type { AnyCall, CallHost } from "./call.ts";
import { metadataBytes } from "./block.ts";
import type { Clock, Timer } from "./clock.ts";
import { Code, codeName, RpcError } from "./error.ts";
import { type ProtocolError } from "./frame.ts";
import { ClientMachine, type MachineEvent } from "./machine.ts";
import type { Peer, Settings } from "./settings.ts";
import type { Socket, SocketFactory } from "./socket.ts";

/** When a silent connection is given up. */
export interface Keepalive {
  /** Milliseconds of silence after which a ping is sent. */
  readonly intervalMs: number;
  /** Milliseconds to wait after that ping for anything from the server. */
  readonly timeoutMs: number;
}

/** What a connection is told. */
export interface ConnectionConfig {
  readonly settings: Settings;
  readonly keepalive: Keepalive | undefined;
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
const OPEN_FIXED_BYTES = 10;

export class Connection implements CallHost {
  readonly #config: ConnectionConfig;
  readonly #owner: ConnectionOwner;
  readonly #clock: Clock;
  readonly #machine: ClientMachine;
  readonly #calls = new Map<number, AnyCall>();
  readonly #queue = new Set<AnyCall>();
  readonly #createdAt: number;
  #socket: Socket | undefined;
  #state: ConnectionState = "connecting";
  #peer: Peer | undefined;
  #isFlushing = false;
  #timer: Timer;
  #lookTimer: Timer;
  #lookMs = 0;
  #closeTimer: Timer;
  #heardAt: number;
  #pingedAt: number | undefined;
  #frameSince: number | undefined;
  #intervalMs: number;
  #isOpen = false;
  #resolveClosed: () => void = () => undefined;
  /** Resolves when the socket is closed. */
  readonly closed = new Promise<void>((resolve) => {
    this.#resolveClosed = resolve;
  });

  /** Begins to connect. Never throws: an attempt that fails ends with `onClosed`. */
  constructor(factory: SocketFactory, config: ConnectionConfig, owner: ConnectionOwner) {
    this.#config = config;
    this.#owner = owner;
    this.#clock = config.clock;
    this.#createdAt = this.#heardAt = this.#clock.now();
    this.#machine = new ClientMachine(config.settings, this.#createdAt);
    this.#intervalMs = config.keepalive?.intervalMs ?? 0;
    const late = `the server did not finish the handshake within ${config.connectTimeoutMs} ms`;
    this.#timer = this.#clock.start(() => this.#lose(late), config.connectTimeoutMs);
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

  /** Calls in flight, and those that wait for room. */
  get load(): number {
    return this.#calls.size + this.#queue.size;
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
    if (this.#state !== "ready" || this.#config.keepalive === undefined || this.#pingedAt !== undefined) return;
    if (this.#clock.now() - this.#heardAt < (this.#peer?.minPingIntervalMs ?? 0)) return;
    this.#clock.stop(this.#timer);
    this.#ping(this.#config.keepalive);
  }

  /** Pings half as often: the server of the last connection wanted that. */
  slowDown(times: number): void {
    this.#intervalMs *= 2 ** Math.min(times, 10);
  }

  /** Ends it; calls in flight end with Unavailable. */
  close(reason: string): void {
    if (this.#state !== "connecting") this.#machine.goAway(0, reason);
    this.#end(new RpcError(reason, Code.Unavailable), false);
  }

  sendMessage(call: AnyCall, message: Uint8Array): boolean {
    this.#checkLength(message);
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
    const peer = this.#peer as Peer;
    const { path, fingerprint, prefersProtobuf } = call.method;
    const served = peer.methods.get(path);
    if (served === undefined) {
      throw new RpcError(`the server does not serve ${path}`, Code.Unimplemented, { unprocessed: true });
    }
    const isSame = served.fingerprint === fingerprint;
    const isProtobuf = !isSame || (prefersProtobuf && peer.hasProtobuf);
    if (!isSame && !peer.hasProtobuf) {
      const [ours, theirs] = [fingerprint, served.fingerprint].map((value) => `0x${value.toString(16).padStart(16, "0")}`);
      const text = `${path} differs: its fingerprint is ${ours} here and ${theirs} there, and the server takes no protobuf`;
      throw new RpcError(text, Code.Unimplemented, { unprocessed: true });
    }
    const blockBytes = call.metadata.size > 0 ? metadataBytes(call.metadata) : 0;
    const limit = Math.min(peer.maxMetadataBytes, peer.maxFrameBytes - OPEN_FIXED_BYTES - 4);
    if (blockBytes > limit) {
      throw new RpcError(`metadata of ${blockBytes} bytes is over the server's limit of ${limit}`, Code.ResourceExhausted);
    }
    call.speak(isProtobuf);
    const request = call.request === undefined ? undefined : call.encode(call.request);
    if (request !== undefined) this.#checkLength(request);
    const timeoutUs = call.scope.timeoutUs();
    const stream = this.#machine.open({ method: served.id, timeoutUs, metadata: call.metadata, isProtobuf, request });
    this.#calls.set(stream, call);
    call.onOpened(stream);
    if (this.#machine.isExhausted) this.#drain();
  }

  #checkLength(message: Uint8Array): void {
    const limit = this.#peer?.maxMessageBytes ?? 0;
    if (message.length <= limit) return;
    const text = `a request of ${message.length} bytes is over the server's limit of ${limit}: send less at a time`;
    throw new RpcError(text, Code.ResourceExhausted);
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
      if (this.#machine.output.pos > 0) socket.send(this.#machine.output.take());
      for (const stream of this.#machine.allow(this.#room())) this.#calls.get(stream)?.onSent();
      if (this.#machine.output.pos === 0) break;
    }
    if (this.#machine.isWaitingForSocket) this.#lookLater();
    this.#closeIfDrained();
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
    const now = this.#clock.now();
    this.#heardAt = now;
    this.#pingedAt = undefined;
    const { events, error } = this.#machine.receive(bytes, now);
    for (const event of events) this.#dispatch(event);
    if (this.#isClosed()) return;
    if (error !== undefined) return this.#breakOff(error);
    if (!this.#machine.isWithinFrame) this.#frameSince = undefined;
    else this.#frameSince ??= now;
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
    this.#clock.stop(this.#timer);
    this.#peer = peer;
    this.#state = "ready";
    this.#intervalMs = Math.max(this.#intervalMs, peer.minPingIntervalMs);
    this.#watch();
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

  #watch(): void {
    const { keepalive } = this.#config;
    if (keepalive === undefined) return;
    const wait = Math.max(0, this.#heardAt + this.#intervalMs - this.#clock.now());
    this.#timer = this.#clock.start(() => this.#look(keepalive), wait);
  }

  #look(keepalive: Keepalive): void {
    const now = this.#clock.now();
    const longest = keepalive.intervalMs + keepalive.timeoutMs;
    if (this.#frameSince !== undefined && now - this.#frameSince >= longest) {
      return this.#lose(`a frame has begun and did not end within ${longest} ms`);
    }
    if (now - this.#heardAt < this.#intervalMs) return this.#watch();
    this.#ping(keepalive);
  }

  #ping(keepalive: Keepalive): void {
    const pingedAt = this.#clock.now();
    this.#pingedAt = pingedAt;
    this.#machine.ping();
    this.#flushSoon();
    this.#timer = this.#clock.start(() => this.#judge(keepalive, pingedAt), keepalive.timeoutMs);
  }

  #judge(keepalive: Keepalive, pingedAt: number): void {
    if (this.#pingedAt === undefined) return this.#watch();
    // A page in the background, or a computer that slept: what came meanwhile may not have been handed over yet.
    if (this.#clock.now() - pingedAt > keepalive.timeoutMs * 2) return this.#ping(keepalive);
    const silentMs = Math.round(this.#clock.now() - this.#heardAt);
    this.#lose(`the server sent nothing for ${silentMs} ms, not even to a ping`);
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
    this.#clock.stop(this.#timer);
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
    if (this.#isOpen && words.length > 0) socket.send(words);
    if (this.#isOpen) socket.close(1000, reason.slice(0, 40));
    else socket.abort();
  }
}
