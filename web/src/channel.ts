/**
 * A channel: where a client's calls go. It holds one connection, and makes another when that is lost or drained.
 *
 * Invariants: `#current` is the connection that takes calls or is about to; others in `#connections` are draining or
 * closing. A timer of the backoff runs exactly while the state is "waiting". Closed, there is no connection and no timer.
 */

import { Attempts, type CallSetup, type ConnectionSource } from "./attempts.ts";
import { backoffMs } from "./backoff.ts";
import { END } from "./call.ts";
import type { Timer } from "./clock.ts";
import { Connection } from "./connection.ts";
import { Code, RpcError } from "./error.ts";
import { RequestFeed, type Requests } from "./feed.ts";
import { Metadata } from "./metadata.ts";
import type { Method } from "./method.ts";
import { type CallOptions, type ChannelConfig, channelConfig, type ChannelOptions } from "./options.ts";
import { CallScope } from "./scope.ts";
import type { SocketFactory } from "./socket.ts";
import { ResponseStream } from "./stream.ts";
import { onWake } from "./wake.ts";

export type { CallOptions, ChannelOptions } from "./options.ts";

/** What a generated client calls. */
export interface Transport {
  /** One request, one response. */
  unary<I, O>(method: Method<I, O>, request: I, options?: CallOptions): Promise<O>;
  /** One request, many responses. */
  serverStream<I, O>(method: Method<I, O>, request: I, options?: CallOptions): AsyncIterable<O>;
  /** Many requests, one response. */
  clientStream<I, O>(method: Method<I, O>, requests: Requests<I>, options?: CallOptions): Promise<O>;
  /** Many requests, many responses, each side at its own pace. */
  bidiStream<I, O>(method: Method<I, O>, requests: Requests<I>, options?: CallOptions): AsyncIterable<O>;
}

/**
 * "idle": nothing was called yet. "connecting": an attempt is on its way. "ready": calls go out. "waiting": for the next
 * attempt. "closed": for good.
 */
export type ChannelState = "idle" | "connecting" | "ready" | "waiting" | "closed";

/** How a channel is, for whoever shows it. */
export interface ChannelStatus {
  readonly state: ChannelState;
  /** Why it is not ready, as far as that is known. */
  readonly error: RpcError | undefined;
  /** Milliseconds until the next attempt, while it is waiting. */
  readonly retryInMs: number | undefined;
}

interface Waiter {
  readonly waitForReady: boolean;
  resolve(connection: Connection): void;
  reject(error: RpcError): void;
}

/** A connection that has lasted so many milliseconds was a good one: what failed before it does not count. */
const STABLE_MS = 5000;

export class Channel implements Transport {
  readonly #factory: SocketFactory;
  readonly #config: ChannelConfig;
  readonly #connections = new Set<Connection>();
  readonly #waiters = new Set<Waiter>();
  readonly #listeners = new Set<(status: ChannelStatus) => void>();
  readonly #source: ConnectionSource;
  #current: Connection | undefined;
  #state: ChannelState = "idle";
  #error: RpcError | undefined;
  /** Why calls fail while it is waiting: the last attempt to connect failed. */
  #refusal: RpcError | undefined;
  #failures = 0;
  #pingFaults = 0;
  #retryTimer: Timer;
  #retryInMs: number | undefined;
  #endWake: (() => void) | undefined;

  /** Connects at the first call, by sockets of `factory`. @throws RangeError an option is out of its range. */
  constructor(factory: SocketFactory, options: ChannelOptions = {}) {
    this.#factory = factory;
    this.#config = channelConfig(options);
    this.#source = {
      acquire: (scope, waitForReady) => this.#acquire(scope, waitForReady),
      draw: this.#config.random,
    };
  }

  get state(): ChannelState {
    return this.#state;
  }

  get status(): ChannelStatus {
    return { state: this.#state, error: this.#error, retryInMs: this.#retryInMs };
  }

  /** Has `listener` told of each change of the state from now on; what it returns ends that. */
  onStatus(listener: (status: ChannelStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Bytes of messages that have arrived and were not taken yet, as flow control counts them. */
  get heldBytes(): number {
    let bytes = 0;
    for (const connection of this.#connections) bytes += connection.heldBytes;
    return bytes;
  }

  /** Begins to connect, if it has not; also while it is waiting, without the rest of the wait. */
  connect(): void {
    if (this.#state === "idle" || this.#state === "waiting") this.#connect();
  }

  /** Closes for good: calls in flight fail with Unavailable. Resolves when the sockets are closed, within a second. */
  async close(): Promise<void> {
    const error = closedError();
    this.#stopWaiting();
    this.#endWake?.();
    this.#endWake = undefined;
    this.#current = undefined;
    this.#move("closed", undefined);
    for (const waiter of this.#waiters) waiter.reject(error);
    this.#waiters.clear();
    const connections = [...this.#connections];
    this.#connections.clear();
    for (const connection of connections) connection.close(error.rawMessage);
    await Promise.all(connections.map((connection) => connection.closed));
  }

  async unary<I, O>(method: Method<I, O>, request: I, options: CallOptions = {}): Promise<O> {
    return await onlyResponse(method, this.#attempts(method, { only: request }, options));
  }

  serverStream<I, O>(method: Method<I, O>, request: I, options: CallOptions = {}): AsyncIterable<O> {
    return new ResponseStream(() => this.#attempts(method, { only: request }, options));
  }

  async clientStream<I, O>(method: Method<I, O>, requests: Requests<I>, options: CallOptions = {}): Promise<O> {
    return await onlyResponse(method, this.#attempts(method, new RequestFeed(requests), options));
  }

  bidiStream<I, O>(method: Method<I, O>, requests: Requests<I>, options: CallOptions = {}): AsyncIterable<O> {
    return new ResponseStream(() => this.#attempts(method, new RequestFeed(requests), options));
  }

  #attempts<I, O>(method: Method<I, O>, requests: { only: I } | RequestFeed<I>, options: CallOptions): Attempts<I, O> {
    const metadata = new Metadata(options.headers);
    const { timeoutMs = method.timeoutMs ?? this.#config.timeoutMs, signal } = options;
    const setup: CallSetup<I, O> = {
      method,
      scope: new CallScope(this.#config.clock, timeoutMs, signal),
      metadata,
      waitForReady: options.waitForReady ?? this.#config.waitForReady,
      onHeader: options.onHeader,
      onTrailer: options.onTrailer,
    };
    return new Attempts(this.#source, setup, requests);
  }

  #acquire(scope: CallScope, waitForReady: boolean): Connection | Promise<Connection> {
    if (this.#state === "closed") return Promise.reject(closedError());
    if (this.#state === "ready" && this.#current !== undefined) return this.#current;
    if (this.#state === "waiting" && !waitForReady && this.#refusal !== undefined) {
      return Promise.reject(refused(this.#refusal));
    }
    this.#endWake ??= onWake(() => this.#wake());
    if (this.#state === "idle") this.#connect();
    return this.#wait(scope, waitForReady);
  }

  async #wait(scope: CallScope, waitForReady: boolean): Promise<Connection> {
    let waiter: Waiter | undefined;
    try {
      return await new Promise<Connection>((resolve, reject) => {
        waiter = { waitForReady, resolve, reject };
        this.#waiters.add(waiter);
        scope.watch(reject);
      });
    } finally {
      if (waiter !== undefined) this.#waiters.delete(waiter);
      scope.watch(undefined);
    }
  }

  #connect(): void {
    this.#stopWaiting();
    const { settings, keepalive, connectTimeoutMs, clock } = this.#config;
    const connection: Connection = new Connection(
      this.#factory,
      { settings, keepalive, slowness: this.#pingFaults, connectTimeoutMs, clock },
      {
        onReady: () => this.#onReady(connection),
        onDraining: () => this.#onDraining(connection),
        onClosed: (error, isPingFault) => {
          if (isPingFault) this.#pingFaults += 1;
          if (this.#current === connection) this.#onLost(connection, error);
        },
      },
    );
    this.#current = connection;
    this.#connections.add(connection);
    void connection.closed.then(() => this.#connections.delete(connection));
    this.#move("connecting", this.#error);
  }

  #onReady(connection: Connection): void {
    if (this.#current !== connection) return;
    this.#refusal = undefined;
    this.#move("ready", undefined);
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const waiter of waiters) waiter.resolve(connection);
  }

  #onDraining(connection: Connection): void {
    if (this.#current !== connection) return;
    this.#next(connection, new RpcError("the server has ended the connection", Code.Unavailable));
  }

  #onLost(connection: Connection, error: RpcError): void {
    if (this.#state === "connecting") {
      this.#refusal = error;
      const failed = [...this.#waiters].filter((waiter) => !waiter.waitForReady);
      for (const waiter of failed) {
        this.#waiters.delete(waiter);
        waiter.reject(refused(error));
      }
    }
    this.#next(connection, error);
  }

  /** Sees to the connection after this one: at once if this one has served for longer than there would be to wait. */
  #next(connection: Connection, error: RpcError): void {
    const { backoff, random, clock } = this.#config;
    const servedMs = this.#state === "ready" ? connection.ageMs : 0;
    this.#current = undefined;
    this.#failures = servedMs >= STABLE_MS ? 0 : this.#failures + 1;
    const waitMs = backoffMs(Math.max(1, this.#failures), backoff, random);
    if (servedMs >= waitMs || servedMs >= STABLE_MS) {
      this.#error = error;
      return this.#connect();
    }
    this.#retryInMs = waitMs;
    this.#retryTimer = clock.start(() => this.#connect(), waitMs);
    this.#move("waiting", error);
  }

  #stopWaiting(): void {
    this.#config.clock.stop(this.#retryTimer);
    this.#retryTimer = undefined;
    this.#retryInMs = undefined;
  }

  /** The browser is online again, or its page is looked at. */
  #wake(): void {
    if (this.#state === "waiting") this.#connect();
    else this.#current?.probe();
  }

  #move(state: ChannelState, error: RpcError | undefined): void {
    if (this.#state === "closed") return;
    this.#state = state;
    this.#error = error;
    const status = this.status;
    // What a listener throws is the program's to see, and not to end in the middle of this.
    for (const listener of this.#listeners) queueMicrotask(() => listener(status));
  }
}

/** The response of a call that has exactly one. */
async function onlyResponse<I, O>(method: Method<I, O>, attempts: Attempts<I, O>): Promise<O> {
  try {
    const response = await attempts.receive();
    if (response === END) throw new RpcError(`${method.path} ended without a response`, Code.Unimplemented);
    if ((await attempts.receive()) === END) return response;
    throw new RpcError(`${method.path} has one response, and the server sent more`, Code.Unimplemented);
  } finally {
    attempts.close();
  }
}

function closedError(): RpcError {
  return new RpcError("the channel is closed: make another one", Code.Unavailable);
}

function refused(error: RpcError): RpcError {
  return new RpcError(error.rawMessage, Code.Unavailable, { unprocessed: true, cause: error });
}
