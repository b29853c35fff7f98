/**
 * One call as its caller sees it, made again where that is safe: only calls that no handler has seen are, whatever their
 * method, and only until something of the answer has been handed on.
 */

import { backoffMs } from "./backoff.ts";
import { Call, END } from "./call.ts";
import { Code, RpcError } from "./error.ts";
import type { RequestFeed } from "./feed.ts";
import type { Metadata } from "./metadata.ts";
import type { DeclaredErrorType, Method } from "./method.ts";
import type { Connection } from "./connection.ts";
import type { CallScope } from "./scope.ts";

/** Where attempts get their connections. */
export interface ConnectionSource {
  /** A connection that takes calls; waits for one. Rejects with an RpcError, or as the scope is stopped. */
  acquire(scope: CallScope, waitForReady: boolean): Connection | Promise<Connection>;
  /** A number from 0 to 1 by chance. */
  draw(): number;
}

/** What a call is about, beside its requests. */
export interface CallSetup<I, O> {
  readonly method: Method<I, O>;
  readonly scope: CallScope;
  readonly metadata: Metadata;
  readonly waitForReady: boolean;
  readonly onHeader: ((headers: Metadata) => void) | undefined;
  readonly onTrailer: ((trailers: Metadata) => void) | undefined;
}

/** How often one call may come back unread: enough for each server of a small cluster to drain at the same moment. */
const MOST_RETURNS = 5;
const RETURN_BACKOFF = { initialMs: 20, maxMs: 1000 };

export class Attempts<I, O> {
  readonly #source: ConnectionSource;
  readonly #setup: CallSetup<I, O>;
  readonly #request: I | undefined;
  readonly #feed: RequestFeed<I> | undefined;
  #call: Call<I, O> | undefined;
  #isCommitted = false;
  #returns = 0;

  /** Either the only request, or the feed of many. */
  constructor(source: ConnectionSource, setup: CallSetup<I, O>, requests: { only: I } | RequestFeed<I>) {
    this.#source = source;
    this.#setup = setup;
    if ("only" in requests) this.#request = requests.only;
    else this.#feed = requests;
  }

  /** The next response, or END behind the last one. Rejects as the call failed; one at a time. */
  async receive(): Promise<O | typeof END> {
    for (;;) {
      try {
        const call = (this.#call ??= await this.#start());
        const response = await call.next();
        if (!this.#isCommitted) this.#commit(call);
        if (response === undefined) continue;
        if (response === END) this.#setup.onTrailer?.(call.trailers);
        return response;
      } catch (error) {
        await this.#afterFailure(error);
      }
    }
  }

  /** Lets go of everything; a call that has not ended is left. */
  close(): void {
    this.#isCommitted = true;
    if (this.#call?.isOver === false) this.#call.fail(new RpcError("the call was left by its caller", Code.Canceled));
    this.#release();
  }

  /** Ends what would outlive the call: its timer, its listener, and its requests. */
  #release(): void {
    this.#setup.scope.close();
    this.#feed?.close();
  }

  #commit(call: Call<I, O>): void {
    this.#isCommitted = true;
    this.#feed?.commit();
    this.#setup.onHeader?.(call.metadataReceived());
  }

  async #start(): Promise<Call<I, O>> {
    const { method, scope, metadata, waitForReady } = this.#setup;
    if (scope.stopped !== undefined) throw scope.stopped;
    const source = this.#source.acquire(scope, waitForReady);
    const connection = source instanceof Promise ? await source : source;
    const call = new Call<I, O>(connection, method, metadata, scope, this.#request);
    scope.watch((error) => call.fail(error));
    call.onEnded = () => {
      if (this.#isCommitted) this.#release();
    };
    connection.start(call);
    if (this.#feed !== undefined) void this.#pump(call, this.#feed);
    return call;
  }

  /** Sends the requests of a stream; never rejects. */
  async #pump(call: Call<I, O>, feed: RequestFeed<I>): Promise<void> {
    try {
      for (let index = 0; !call.hasEnded; index++) {
        const request = await feed.at(index);
        if (request === END) return await call.halfClose();
        feed.sent(await call.send(request));
      }
    } catch (error) {
      // The caller's iterable failed, or a request cannot be sent: that is how the call ends.
      call.fail(error);
    }
  }

  /** Returns when the next attempt may be made. @throws RpcError there is none; or whatever else the call ended with. */
  async #afterFailure(error: unknown): Promise<void> {
    const { scope, method } = this.#setup;
    if (!(error instanceof RpcError)) throw error;
    if (this.#call === undefined || !this.#mayReturn(error)) throw declared(error, method.errors);
    this.#call = undefined;
    this.#returns += 1;
    // At once where another server, or the next connection, may take it; later if it comes back again.
    const delay = this.#returns === 1 ? 0 : backoffMs(this.#returns - 1, RETURN_BACKOFF, () => this.#source.draw());
    if (delay > 0) await scope.pause(delay);
  }

  #mayReturn(error: RpcError): boolean {
    if (this.#isCommitted || !error.unprocessed || this.#returns >= MOST_RETURNS) return false;
    if (this.#setup.scope.stopped !== undefined || this.#feed?.canRestart === false) return false;
    // RESOURCE_EXHAUSTED: the server counted more calls than this side; one of them is about to end.
    return error.code === Code.Unavailable || error.code === Code.ResourceExhausted;
  }
}

/** The class that the method declares for an error, or the error itself. */
function declared(error: RpcError, types: readonly DeclaredErrorType[]): RpcError {
  for (const type of types) {
    const typed = type.fromError(error);
    if (typed !== undefined) return typed;
  }
  return error;
}
