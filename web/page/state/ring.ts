/** The last so many items of a sequence that has no end. */
export class Ring<T> {
  readonly capacity: number;
  private items: T[] = [];
  private next = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get size(): number {
    return this.items.length;
  }

  /** Adds an item; the oldest gives way to it where the ring is full. */
  push(item: T): void {
    this.items[this.next] = item;
    this.next = (this.next + 1) % this.capacity;
  }

  clear(): void {
    this.items = [];
    this.next = 0;
  }

  /** The items from the newest to the oldest, at most `limit` of those that `isWanted` takes. */
  newestFirst(limit: number = this.capacity, isWanted: (item: T) => boolean = () => true): T[] {
    const found: T[] = [];
    const size = this.items.length;
    for (let step = 1; step <= size && found.length < limit; step++) {
      const item = this.items[(this.next - step + size) % size] as T;
      if (isWanted(item)) found.push(item);
    }
    return found;
  }
}
