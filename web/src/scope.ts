/** What can stop a call from outside: its deadline, and its caller's AbortSignal. */

import { LONGEST_TIMER_MS, type Clock, type Timer } from "./clock.ts";
import { Code, RpcError } from "./error.ts";

/** A timeout from which on there is no deadline, as the wire has it: 31 years. */
const ENDLESS_MS = 1e12;

/** The deadline and the signal of one call. What they stop is told by `watch`; `close` lets go of both. */
export class CallScope {
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  readonly #timeoutMs: number | undefined;
  readonly #deadline: number | undefined;
  #timer: Timer;
  #stopped: RpcError | undefined;
  #onStop: ((error: RpcError) => void) | undefined;

  /** @throws RangeError the timeout is no number of milliseconds. */
  constructor(clock: Clock, timeoutMs: number | undefined, signal: AbortSignal | undefined) {
    if (timeoutMs !== undefined && !(timeoutMs >= 0)) {
      throw new RangeError(`timeoutMs has to be 0 or more milliseconds, not ${timeoutMs}`);
    }
    this.#clock = clock;
    this.#signal = signal;
    if (timeoutMs !== undefined && timeoutMs < ENDLESS_MS) {
      this.#timeoutMs = timeoutMs;
      this.#deadline = clock.now() + timeoutMs;
      if (timeoutMs === 0) this.#stop(this.#expired());
      else this.#arm(this.#deadline);
    }
    if (signal?.aborted === true) this.#stop(abortedBy(signal));
    else signal?.addEventListener("abort", this.#onAbort);
  }

  /** Why the call was stopped, if it was. */
  get stopped(): RpcError | undefined {
    return this.#stopped;
  }

  /** Microseconds that are left, as OPEN says them; -1: there is no deadline. */
  timeoutUs(): bigint {
    if (this.#deadline === undefined) return -1n;
    return BigInt(Math.max(0, Math.round((this.#deadline - this.#clock.now()) * 1000)));
  }

  /** Has `onStop` called when the call is stopped from outside, instead of what was there before. */
  watch(onStop: ((error: RpcError) => void) | undefined): void {
    this.#onStop = onStop;
    if (this.#stopped !== undefined) onStop?.(this.#stopped);
  }

  /** Waits; rejects with the reason if the call is stopped meanwhile. */
  async pause(ms: number): Promise<void> {
    let timer: Timer;
    try {
      await new Promise<void>((resolve, reject) => {
        timer = this.#clock.start(resolve, ms);
        this.watch(reject);
      });
    } finally {
      this.#clock.stop(timer);
      this.#onStop = undefined;
    }
  }

  /** The call has ended: no timer and no listener is left. */
  close(): void {
    this.#onStop = undefined;
    this.#clock.stop(this.#timer);
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }

  readonly #onAbort = (): void => {
    if (this.#signal !== undefined) this.#stop(abortedBy(this.#signal));
  };

  #arm(deadline: number): void {
    const left = deadline - this.#clock.now();
    const wait = Math.min(left, LONGEST_TIMER_MS);
    this.#timer = this.#clock.start(() => (wait < left ? this.#arm(deadline) : this.#stop(this.#expired())), wait);
  }

  #expired(): RpcError {
    return new RpcError(`the deadline of ${this.#timeoutMs} ms passed before the call ended`, Code.DeadlineExceeded);
  }

  #stop(error: RpcError): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = error;
    this.#onStop?.(error);
  }
}

function abortedBy(signal: AbortSignal): RpcError {
  const cause: unknown = signal.reason;
  if (cause instanceof RpcError) return cause;
  const isTimeout = cause instanceof Error && cause.name === "TimeoutError";
  const text = isTimeout ? "the time of the call's signal is over" : "the call was aborted by its signal";
  return new RpcError(text, isTimeout ? Code.DeadlineExceeded : Code.Canceled, { cause });
}
