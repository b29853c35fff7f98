import type { EventRecord } from "../state/event_record.ts";
import { EventRow } from "./event_row.ts";

/**
 * Rows for the newest events, newest first.
 *
 * Invariant: a row that is no longer needed is used again, so there are never more rows than were shown at once.
 */
export class EventList {
  private readonly root: HTMLOListElement;
  private readonly rows = new Map<number, EventRow>();
  private readonly spare: EventRow[] = [];

  constructor(root: HTMLOListElement) {
    this.root = root;
  }

  show(records: readonly EventRecord[]): void {
    const wanted = new Set(records.map((record) => record.number));
    for (const [number, row] of this.rows) {
      if (wanted.has(number)) continue;
      this.rows.delete(number);
      row.root.remove();
      this.spare.push(row);
    }
    let next: ChildNode | null = this.root.firstChild;
    for (const record of records) {
      const known = this.rows.get(record.number);
      if (known !== undefined && known.root === next) {
        next = next.nextSibling;
        continue;
      }
      const row = known ?? this.made(record);
      this.root.insertBefore(row.root, next);
    }
  }

  private made(record: EventRecord): EventRow {
    const row = this.spare.pop() ?? new EventRow();
    row.show(record);
    this.rows.set(record.number, row);
    return row;
  }
}
