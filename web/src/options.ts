/** What a channel and a call can be told, with what holds where nothing is said. */

import type { BackoffOptions } from "./backoff.ts";
import { type Clock, SYSTEM_CLOCK } from "./clock.ts";
import type { Keepalive } from "./liveness.ts";
import type { Metadata, MetadataInit } from "./metadata.ts";
import { checkSettings, DEFAULT_SETTINGS, type Settings } from "./settings.ts";

/** What one call can be told. */
export interface CallOptions {
  /** Aborting it leaves the call: it fails with `Canceled`, or `DeadlineExceeded` for `AbortSignal.timeout()`. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until the call fails with `DeadlineExceeded`, at the server too; 0 fails at once. */
  readonly timeoutMs?: number | undefined;
  /** Metadata for the server. Keys that end in `-bin` take bytes, or their base64 text. */
  readonly headers?: MetadataInit | undefined;
  /** Wait for a server to come up, until the deadline, rather than fail with `Unavailable`. */
  readonly waitForReady?: boolean | undefined;
  /** Told of the server's metadata when it comes, ahead of the first response. */
  readonly onHeader?: ((headers: Metadata) => void) | undefined;
  /** Told of the server's trailers when the call has ended well. Those of a failed call are its error's `metadata`. */
  readonly onTrailer?: ((trailers: Metadata) => void) | undefined;
}

/** What a channel can be told. */
export interface ChannelOptions {
  /** The deadline of calls that name none, where their method names none either, in milliseconds; none unless given. */
  readonly timeoutMs?: number | undefined;
  /** For calls that do not say; false unless given. */
  readonly waitForReady?: boolean | undefined;
  /** Milliseconds for connection and handshake together: 5,000 unless given. */
  readonly connectTimeoutMs?: number | undefined;
  /** Between attempts to connect: from 100 to 5,000 milliseconds unless given. */
  readonly backoff?: Partial<BackoffOptions> | undefined;
  /** A ping after 30,000 milliseconds of silence, which has to be answered within 10,000, unless given; false: none. */
  readonly keepalive?: Partial<Keepalive> | false | undefined;
  /** Limits on what the server sends. */
  readonly limits?: Partial<Settings> | undefined;
  /** For tests: the clock of all waits. */
  readonly clock?: Clock | undefined;
  /** For tests: numbers from 0 to 1 by chance. */
  readonly random?: (() => number) | undefined;
}

/** The options of a channel, each with a value, and checked. */
export interface ChannelConfig {
  readonly timeoutMs: number | undefined;
  readonly waitForReady: boolean;
  readonly connectTimeoutMs: number;
  readonly backoff: BackoffOptions;
  readonly keepalive: Keepalive | undefined;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: () => number;
}

/** @throws RangeError a number is outside its range; the text names both. */
export function channelConfig(options: ChannelOptions): ChannelConfig {
  const { keepalive } = options;
  const config: ChannelConfig = {
    timeoutMs: options.timeoutMs,
    waitForReady: options.waitForReady ?? false,
    connectTimeoutMs: options.connectTimeoutMs ?? 5000,
    backoff: { initialMs: options.backoff?.initialMs ?? 100, maxMs: options.backoff?.maxMs ?? 5000 },
    keepalive:
      keepalive === false
        ? undefined
        : { intervalMs: keepalive?.intervalMs ?? 30_000, timeoutMs: keepalive?.timeoutMs ?? 10_000 },
    settings: checkSettings({ ...DEFAULT_SETTINGS, ...defined(options.limits ?? {}) }),
    clock: options.clock ?? SYSTEM_CLOCK,
    random: options.random ?? Math.random,
  };
  checkMs("timeoutMs", config.timeoutMs ?? 0, 0);
  checkMs("connectTimeoutMs", config.connectTimeoutMs, 1);
  checkMs("backoff.initialMs", config.backoff.initialMs, 1);
  checkMs("backoff.maxMs", config.backoff.maxMs, config.backoff.initialMs);
  if (config.keepalive !== undefined) {
    checkMs("keepalive.intervalMs", config.keepalive.intervalMs, 1);
    checkMs("keepalive.timeoutMs", config.keepalive.timeoutMs, 1);
  }
  return config;
}

function defined<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}

function checkMs(name: string, value: number, least: number): void {
  if (value >= least) return;
  throw new RangeError(`${name} has to be a number of milliseconds from ${least} on, not ${value}`);
}
