/** Seconds that the charts look back. */
export const SPAN_S = 120;

/** One value for each of the last `SPAN_S` seconds, oldest first; null where there is none. */
export type Points = readonly (number | null)[];

/** Counts what happens, by whole seconds. Seconds before the first, and those in which nobody looked, are unknown. */
export class RateSeries {
  private readonly counts = new Map<number, number>();
  private readonly first: number;

  constructor(nowMs: number) {
    this.first = secondOf(nowMs);
  }

  count(nowMs: number): void {
    const second = secondOf(nowMs);
    this.counts.set(second, (this.counts.get(second) ?? 0) + 1);
    if (this.counts.size > 2 * SPAN_S) this.forget(second);
  }

  /** Events in each of the last whole seconds. */
  points(nowMs: number): Points {
    const end = secondOf(nowMs);
    this.forget(end);
    return seconds(end).map((second) => (second < this.first ? null : (this.counts.get(second) ?? 0)));
  }

  /** How many seconds are held. */
  get held(): number {
    return this.counts.size;
  }

  private forget(now: number): void {
    for (const second of this.counts.keys()) {
      if (second < now - SPAN_S) this.counts.delete(second);
    }
  }
}

/** How long calls took, as percentiles over the samples of the `WINDOW_S` seconds before. */
export class LatencySeries {
  static readonly WINDOW_S = 30;
  private samples: { readonly atMs: number; readonly ms: number }[] = [];
  private readonly seconds = new Map<number, { readonly p50: number; readonly p99: number }>();

  add(nowMs: number, ms: number): void {
    this.samples.push({ atMs: nowMs, ms });
    const second = secondOf(nowMs);
    const oldest = nowMs - LatencySeries.WINDOW_S * 1000;
    this.samples = this.samples.filter((sample) => sample.atMs > oldest).slice(-MAX_SAMPLES);
    const sorted = this.samples.map((sample) => sample.ms).sort((one, other) => one - other);
    this.seconds.set(second, { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) });
    for (const kept of this.seconds.keys()) {
      if (kept < second - SPAN_S) this.seconds.delete(kept);
    }
  }

  /** How many samples and seconds are held. */
  get held(): number {
    return this.samples.length + this.seconds.size;
  }

  /** The median and the 99th percentile at each of the last seconds, in milliseconds. */
  points(nowMs: number): { readonly p50: Points; readonly p99: Points } {
    const found = seconds(secondOf(nowMs)).map((second) => this.seconds.get(second));
    return { p50: found.map((value) => value?.p50 ?? null), p99: found.map((value) => value?.p99 ?? null) };
  }
}

const MAX_SAMPLES = 1000;

/** The least value that at least this share of the sorted values does not exceed. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

function secondOf(ms: number): number {
  return Math.floor(ms / 1000);
}

function seconds(end: number): number[] {
  return Array.from({ length: SPAN_S }, (_, index) => end - SPAN_S + index);
}
