import type { TransportMessage } from "../../generated/index.ts";
import { recordOf, type EventRecord } from "./event_record.ts";
import { Ring } from "./ring.ts";
import { matcher, type Matcher } from "./text_filter.ts";

/**
 * The events that the page shows.
 *
 * Invariants: it holds `capacity` events, and as many again of those that the filter takes, however many arrive. While
 * it is paused, `shown` gives the events of the moment at which it was.
 */
export class EventLog {
  /** Events that have arrived since the page was opened. */
  total = 0;
  /** Bytes of their payloads. */
  totalBytes = 0;
  private readonly latest: Ring<EventRecord>;
  private readonly matching: Ring<EventRecord>;
  private isWanted: Matcher | undefined;
  private pausedAt: { readonly total: number; readonly records: readonly EventRecord[] } | undefined;

  constructor(capacity = 500) {
    this.latest = new Ring(capacity);
    this.matching = new Ring(capacity);
  }

  add(message: TransportMessage, now: number): void {
    this.total += 1;
    this.totalBytes += message.payload.length;
    const record = recordOf(message, this.total, now);
    this.latest.push(record);
    if (this.isWanted?.(record)) this.matching.push(record);
  }

  /** Shows events that contain each word of a text only; an empty text shows all. */
  filterBy(text: string): void {
    this.isWanted = matcher(text);
    this.matching.clear();
    if (this.isWanted === undefined) return;
    for (const record of this.latest.newestFirst().reverse()) {
      if (this.isWanted(record)) this.matching.push(record);
    }
  }

  get isFiltered(): boolean {
    return this.isWanted !== undefined;
  }

  get isPaused(): boolean {
    return this.pausedAt !== undefined;
  }

  /** Events that have arrived since the log was paused. */
  get arrivedMeanwhile(): number {
    return this.pausedAt === undefined ? 0 : this.total - this.pausedAt.total;
  }

  pause(): void {
    if (this.pausedAt !== undefined) return;
    // Of those that the filter takes there may be older ones than among the latest, and the filter may be changed.
    const all = [...this.latest.newestFirst(), ...this.matching.newestFirst()];
    const held = new Map(all.map((record) => [record.number, record]));
    const records = [...held.values()].sort((one, other) => other.number - one.number);
    this.pausedAt = { total: this.total, records };
  }

  resume(): void {
    this.pausedAt = undefined;
  }

  /** Forgets the events that are held; `total` goes on. */
  clear(): void {
    this.latest.clear();
    this.matching.clear();
    if (this.pausedAt !== undefined) this.pausedAt = { total: this.total, records: [] };
  }

  /** The newest events that are to be shown, newest first. */
  shown(limit: number): readonly EventRecord[] {
    if (this.pausedAt !== undefined) return this.pausedAt.records.filter(this.isWanted ?? (() => true)).slice(0, limit);
    return (this.isFiltered ? this.matching : this.latest).newestFirst(limit);
  }
}
