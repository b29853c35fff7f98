/** The time, as the runtime asks for it: one place that a test can stand in for. */

/** What a timer is known by, to stop it. */
export type Timer = unknown;

/** A monotonic clock with timers. */
export interface Clock {
  /** Milliseconds since some moment; never goes back. */
  now(): number;
  /** Calls `action` once, after `ms` milliseconds. */
  start(action: () => void, ms: number): Timer;
  /** Stops a timer; one that has fired or was stopped is left alone. */
  stop(timer: Timer): void;
}

/** What `setTimeout` can wait at most: a longer wait would fire at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The clock of the browser, or of Node. */
export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  start: (action, ms) => setTimeout(action, Math.min(ms, LONGEST_TIMER_MS)),
  stop: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
};
