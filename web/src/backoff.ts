/** How long to wait before something that failed is tried again: exponential, bounded, different for everybody. */

/** Milliseconds between attempts to connect. */
export interface BackoffOptions {
  /** After the first failure; each further one makes it 1.6 times as long, plus or minus a fifth. */
  readonly initialMs: number;
  /** At most. */
  readonly maxMs: number;
}

const MULTIPLIER = 1.6;
const JITTER = 0.2;

/** The wait after so many failures in a row; at least one has happened. `draw` gives numbers from 0 to 1. */
export function backoffMs(failures: number, { initialMs, maxMs }: BackoffOptions, draw: () => number): number {
  const wait = Math.min(maxMs, initialMs * MULTIPLIER ** Math.min(failures - 1, 100));
  return wait * (1 - JITTER + 2 * JITTER * draw());
}
