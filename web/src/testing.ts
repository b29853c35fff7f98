/** For tests of programs that use this package: a clock that the test moves, and a server's end of sockets in memory. */

import type { Clock, Timer } from "./clock.ts";
import type { Socket, SocketEvents, SocketFactory } from "./socket.ts";

export type { Clock, Timer } from "./clock.ts";

/** A clock that stands still until it is moved. */
export class ManualClock implements Clock {
  #now = 0;
  readonly #timers = new Set<{ readonly due: number; readonly action: () => void }>();

  now(): number {
    return this.#now;
  }

  start(action: () => void, ms: number): Timer {
    const timer = { due: this.#now + ms, action };
    this.#timers.add(timer);
    return timer;
  }

  stop(timer: Timer): void {
    this.#timers.delete(timer as never);
  }

  /** Timers that are running. */
  get running(): number {
    return this.#timers.size;
  }

  /** Moves it on, and fires what is due on the way in its order; what that leads to is done when this returns. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settled();
    for (;;) {
      const due = [...this.#timers].filter((timer) => timer.due <= end).sort((a, b) => a.due - b.due);
      const [first] = due;
      if (first === undefined) break;
      this.#timers.delete(first);
      this.#now = Math.max(this.#now, first.due);
      first.action();
      await settled();
    }
    this.#now = end;
  }

  /** Moves it on at once, as a computer that slept: nothing fires before `advance`. */
  skip(ms: number): void {
    this.#now += ms;
  }
}

/** Waits until all that follows from what has happened by now is done. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setTimeout(resolve, 0));
}

/** The server's end of one socket in memory. */
export class MemoryPeer {
  readonly #events: SocketEvents;
  #chunks: Uint8Array[] = [];
  #waiting = 0;
  #isStalled = false;
  /** Whether the client has closed its socket, in good order or by `abort`. */
  isClosed = false;

  constructor(events: SocketEvents) {
    this.#events = events;
  }

  /** While set, what the client sends stays in its socket, as when the network takes nothing. */
  get isStalled(): boolean {
    return this.#isStalled;
  }

  set isStalled(isStalled: boolean) {
    this.#isStalled = isStalled;
    if (!isStalled) this.#waiting = 0;
  }

  /** Bytes that stay in the client's socket. */
  get bufferedAmount(): number {
    return this.#waiting;
  }

  #receive(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
    if (this.#isStalled) this.#waiting += bytes.length;
  }

  /** The client's end. */
  get socket(): Socket {
    const close = (): void => {
      if (this.isClosed) return;
      this.isClosed = true;
      queueMicrotask(() => this.#events.onClosed("closed by the client"));
    };
    const waiting = (): number => this.#waiting;
    return {
      send: (bytes) => this.#receive(bytes),
      get bufferedAmount() {
        return waiting();
      },
      close,
      abort: close,
    };
  }

  /** Accepts the connection. */
  open(): void {
    this.#events.onOpen();
  }

  /** Sends bytes to the client. */
  send(bytes: Uint8Array): void {
    this.#events.onData(bytes);
  }

  /** Breaks the connection. */
  drop(reason: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#events.onClosed(reason);
  }

  /** What the client has sent since this was asked last. */
  take(): Uint8Array {
    const chunks = this.#chunks;
    this.#chunks = [];
    const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }
}

/** A factory of sockets in memory; each new one is handed to `accept`, on whose side the test is the server. */
export function memorySockets(accept: (peer: MemoryPeer) => void): SocketFactory {
  return (events) => {
    const peer = new MemoryPeer(events);
    queueMicrotask(() => accept(peer));
    return peer.socket;
  };
}
