/** The responses of a streaming call, as an async iterator that ends its call when it is left. */

import { END } from "./call.ts";

/** Where the responses come from. */
export interface Responses<O> {
  /** The next one, or END behind the last one; one at a time. */
  receive(): Promise<O | typeof END>;
  /** Lets go of the call. */
  close(): void;
}

/**
 * Responses in their order. The call begins with the first `next()`. Leaving a `for await` early, or `return()`, leaves
 * the call. It can be iterated over once, as a generator.
 */
export class ResponseStream<O> implements AsyncIterableIterator<O, undefined, undefined> {
  readonly #begin: () => Responses<O>;
  #responses: Responses<O> | undefined;
  #isOver = false;
  #last: Promise<unknown> = Promise.resolve();
  #pending = 0;

  constructor(begin: () => Responses<O>) {
    this.#begin = begin;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next response. Rejects as the call failed, once; it is over then. */
  next(): Promise<IteratorResult<O, undefined>> {
    // Several may be asked for at a time; each waits for the one before.
    const result = this.#pending === 0 ? this.#next() : this.#last.then(() => this.#next());
    this.#pending += 1;
    this.#last = result.then(
      () => this.#settled(),
      () => this.#settled(),
    );
    return result;
  }

  #settled(): void {
    this.#pending -= 1;
  }

  async #next(): Promise<IteratorResult<O, undefined>> {
    if (this.#isOver) return { done: true, value: undefined };
    try {
      this.#responses ??= this.#begin();
      const response = await this.#responses.receive();
      if (response !== END) return { done: false, value: response };
      this.#finish();
      return { done: true, value: undefined };
    } catch (error) {
      if (this.#isLeft()) return { done: true, value: undefined };
      this.#finish();
      throw error;
    }
  }

  /** Whether `return` came while a response was waited for. */
  #isLeft(): boolean {
    return this.#isOver;
  }

  #finish(): void {
    this.#isOver = true;
    this.#responses?.close();
  }

  /** Leaves the call: its server is told, and who waits in `next` gets the end. */
  return(): Promise<IteratorResult<O, undefined>> {
    this.#finish();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** Leaves the call, and rejects with `error`. */
  throw(error?: unknown): Promise<IteratorResult<O, undefined>> {
    this.#finish();
    return Promise.reject(error);
  }
}
