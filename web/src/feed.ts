/** The requests of a call that streams them: taken from the caller's iterable, and kept while the call may start anew. */

import { END } from "./call.ts";

/** What requests may come from. */
export type Requests<I> = AsyncIterable<I> | Iterable<I>;

/** Requests that are each made when it is asked for. Leaving them leaves their iterable at once, without a wait. */
export function mapped<A, B>(requests: Requests<A>, make: (request: A) => B): AsyncIterable<B> {
  return {
    [Symbol.asyncIterator]: () => {
      const iterator = iterate(requests);
      return {
        async next() {
          const { done, value } = await iterator.next();
          return done === true ? { done, value: undefined } : { done: false, value: make(value) };
        },
        async return() {
          await iterator.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
}

/** @throws TypeError `requests` cannot be iterated over. */
function iterate<I>(requests: Requests<I>): AsyncIterator<I> | Iterator<I> {
  if (typeof requests === "object" && requests !== null) {
    if (Symbol.asyncIterator in requests) return requests[Symbol.asyncIterator]();
    if (Symbol.iterator in requests) return requests[Symbol.iterator]();
  }
  throw new TypeError("the requests of a stream have to be an iterable or an async iterable of messages");
}

/** Bytes of requests that are kept for another attempt; a call that has sent more is not made again. */
const MAX_KEPT_BYTES = 262_144;

export class RequestFeed<I> {
  readonly #iterator: AsyncIterator<I> | Iterator<I>;
  #kept: I[] = [];
  #keptBytes = 0;
  /** Requests ahead of the first one that is kept. */
  #gone = 0;
  /** The number of the request that was asked for last. */
  #position = 0;
  #isDone = false;
  #isKeeping = true;
  #pending: Promise<void> | undefined;

  /** @throws TypeError `requests` cannot be iterated over. */
  constructor(requests: Requests<I>) {
    this.#iterator = iterate(requests);
  }

  /** Whether all requests so far are still there. */
  get canRestart(): boolean {
    return this.#gone === 0;
  }

  /** A request by its number, or END behind the last one. Rejects with what the iterable throws. */
  async at(index: number): Promise<I | typeof END> {
    this.#position = index;
    while (index >= this.#gone + this.#kept.length) {
      if (this.#isDone) return END;
      this.#pending ??= this.#pull();
      await this.#pending;
    }
    if (index < this.#gone) return END; // of an attempt that is over
    const request = this.#kept[index - this.#gone] as I;
    if (!this.#isKeeping) this.#forget(index + 1);
    return request;
  }

  async #pull(): Promise<void> {
    const result = await this.#iterator.next();
    this.#pending = undefined;
    if (result.done === true) this.#isDone = true;
    else this.#kept.push(result.value);
  }

  /** Notes that a request of so many bytes was sent. */
  sent(bytes: number): void {
    this.#keptBytes += bytes;
    if (this.#keptBytes > MAX_KEPT_BYTES) this.commit();
  }

  /** There is no other attempt: what was sent is forgotten. */
  commit(): void {
    if (!this.#isKeeping) return;
    this.#isKeeping = false;
    if (this.#position > this.#gone) this.#forget(this.#position);
  }

  #forget(end: number): void {
    this.#kept = this.#kept.slice(end - this.#gone);
    this.#gone = end;
  }

  /** The call is over: the iterable is told, and what it answers does not matter. */
  close(): void {
    this.#kept = [];
    this.#gone = Infinity;
    if (this.#isDone) return;
    this.#isDone = true;
    void Promise.resolve(this.#return()).catch(() => undefined);
  }

  async #return(): Promise<void> {
    await this.#iterator.return?.();
  }
}
