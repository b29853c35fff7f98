/**
 * Finds out that a silent server is gone: when to ping, and when to give up. Everything that arrives is a sign of life.
 *
 * Invariants: a timer runs from `start` to `stop`; at most one ping is on its way, until anything arrives.
 */

import type { Clock, Timer } from "./clock.ts";

/** When a silent connection is given up. */
export interface Keepalive {
  /** Milliseconds of silence after which a ping is sent. */
  readonly intervalMs: number;
  /** Milliseconds to wait after that ping for anything from the server. */
  readonly timeoutMs: number;
}

/** What is done about a silence. */
export interface LivenessActions {
  /** Sends a ping. */
  ping(): void;
  /** Gives the connection up. */
  lose(reason: string): void;
}

export class Liveness {
  readonly #keepalive: Keepalive;
  readonly #clock: Clock;
  readonly #actions: LivenessActions;
  #intervalMs: number;
  #leastMs = 0;
  #heardAt: number;
  #pingedAt: number | undefined;
  /** Since when a frame has begun and is not whole. */
  #frameSince: number | undefined;
  #timer: Timer;
  #isRunning = false;

  /** `slowness`: how often servers have asked for fewer pings; each time makes the interval twice as long. */
  constructor(keepalive: Keepalive, slowness: number, clock: Clock, actions: LivenessActions) {
    this.#keepalive = keepalive;
    this.#intervalMs = keepalive.intervalMs * 2 ** Math.min(slowness, 10);
    this.#clock = clock;
    this.#actions = actions;
    this.#heardAt = clock.now();
  }

  /** Begins to watch, and pings no more often than the server wants. */
  start(minIntervalMs: number): void {
    this.#leastMs = minIntervalMs;
    this.#intervalMs = Math.max(this.#intervalMs, minIntervalMs);
    this.#isRunning = true;
    this.#wait();
  }

  /** Ends all watching. */
  stop(): void {
    this.#isRunning = false;
    this.#clock.stop(this.#timer);
  }

  /** Something arrived, in the middle of a frame or not. */
  heard(isWithinFrame: boolean): void {
    this.#heardAt = this.#clock.now();
    this.#pingedAt = undefined;
    if (!isWithinFrame) this.#frameSince = undefined;
    else this.#frameSince ??= this.#heardAt;
  }

  /** Asks for a sign of life now, such as when the computer was asleep. */
  probe(): void {
    if (!this.#isRunning || this.#pingedAt !== undefined) return;
    if (this.#clock.now() - this.#heardAt < this.#leastMs) return;
    this.#clock.stop(this.#timer);
    this.#ping();
  }

  #wait(): void {
    const left = Math.max(0, this.#heardAt + this.#intervalMs - this.#clock.now());
    this.#timer = this.#clock.start(() => this.#look(), left);
  }

  #look(): void {
    const now = this.#clock.now();
    const longest = this.#keepalive.intervalMs + this.#keepalive.timeoutMs;
    if (this.#frameSince !== undefined && now - this.#frameSince >= longest) {
      // Single bytes are signs of life, too, but a server could send them for ever.
      return this.#actions.lose(`a frame has begun and did not end within ${longest} ms`);
    }
    if (now - this.#heardAt < this.#intervalMs) return this.#wait();
    this.#ping();
  }

  #ping(): void {
    const pingedAt = this.#clock.now();
    this.#pingedAt = pingedAt;
    this.#actions.ping();
    this.#timer = this.#clock.start(() => this.#judge(pingedAt), this.#keepalive.timeoutMs);
  }

  #judge(pingedAt: number): void {
    if (this.#pingedAt === undefined) return this.#look();
    // A page in the background, or a computer that slept: what came meanwhile may not have been handed over yet.
    if (this.#clock.now() - pingedAt > this.#keepalive.timeoutMs * 2) return this.#ping();
    const silentMs = Math.round(this.#clock.now() - this.#heardAt);
    this.#actions.lose(`the server sent nothing for ${silentMs} ms, not even to a ping`);
  }
}
