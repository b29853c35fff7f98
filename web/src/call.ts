/** One attempt of a call on one connection: what came and was not taken yet, and how it ended. */

import type { Status } from "./block.ts";
import { Code, RpcError } from "./error.ts";
import { Reader } from "./reader.ts";
import { CodecError } from "./codec_error.ts";
import { Writer } from "./writer.ts";
import { Metadata } from "./metadata.ts";
import type { Method } from "./method.ts";
import type { CallScope } from "./scope.ts";

/** Stands for the end of a stream that went well. */
export const END = Symbol("end");

/** What a call asks of its connection. */
export interface CallHost {
  /** True: the message is in the output; false: `onSent` follows. @throws RpcError it is too long. */
  sendMessage(call: AnyCall, message: Uint8Array): boolean;
  halfClose(call: AnyCall): void;
  /** The application took a message of so many bytes. */
  consumed(call: AnyCall, bytes: number): void;
  /** The call was left by this side. */
  leave(call: AnyCall, reason: string): void;
}

/** A call whose types do not matter. Messages are written and read, so nothing but `any` stands for all of them. */
export type AnyCall = Call<any, any>;

const scratch = new Writer();

export class Call<I, O> {
  readonly method: Method<I, O>;
  readonly metadata: Metadata;
  readonly scope: CallScope;
  /** The only request; undefined: requests follow. */
  readonly request: I | undefined;
  /** The id on its connection; 0 until it is opened. */
  stream = 0;
  /** Called when it has ended, whoever ended it, and whether or not somebody takes what came. */
  onEnded: (() => void) | undefined;
  readonly #host: CallHost;
  #isProtobuf = false;
  #inbox: Uint8Array[] = [];
  #taken = 0;
  #headers: Metadata | undefined;
  #trailers: Metadata | undefined;
  #failure: { readonly error: unknown } | undefined;
  #wakeReceiver: (() => void) | undefined;
  #wakeSender: (() => void) | undefined;
  #isWritten = true;

  constructor(host: CallHost, method: Method<I, O>, metadata: Metadata, scope: CallScope, request: I | undefined) {
    this.#host = host;
    this.method = method;
    this.metadata = metadata;
    this.scope = scope;
    this.request = request;
  }

  get hasEnded(): boolean {
    return this.#trailers !== undefined || this.#failure !== undefined;
  }

  /** The server's initial metadata; empty as long as none has come. */
  metadataReceived(): Metadata {
    return this.#headers ?? new Metadata();
  }

  /** The trailers of a call that ended well; empty before. */
  get trailers(): Metadata {
    return this.#trailers ?? new Metadata();
  }

  /** The next response, END behind the last one, or undefined when only the headers have come. Rejects as it failed. */
  async next(): Promise<O | typeof END | undefined> {
    const hadHeaders = this.#headers !== undefined;
    while (this.#taken === this.#inbox.length) {
      if (this.#failure !== undefined) throw this.#failure.error;
      if (this.#trailers !== undefined) return END;
      if (!hadHeaders && this.#headers !== undefined) return undefined;
      await new Promise<void>((resolve) => {
        this.#wakeReceiver = resolve;
      });
    }
    const message = this.#inbox[this.#taken++] as Uint8Array;
    if (this.#taken === this.#inbox.length) {
      this.#inbox = [];
      this.#taken = 0;
    } else if (this.#taken === COMPACT_AT) {
      this.#inbox = this.#inbox.slice(this.#taken);
      this.#taken = 0;
    }
    this.#host.consumed(this, message.length);
    return this.#decode(message);
  }

  /** Sends a request once there is room for it, and says how long it was. Returns at once if the call has ended. */
  async send(request: I): Promise<number> {
    await this.#untilWritten(() => this.stream > 0);
    if (this.hasEnded) return 0;
    const message = this.encode(request);
    this.#isWritten = this.#host.sendMessage(this, message);
    await this.#untilWritten(() => this.#isWritten);
    return message.length;
  }

  /** No further request follows. */
  async halfClose(): Promise<void> {
    await this.#untilWritten(() => this.stream > 0);
    if (!this.hasEnded) this.#host.halfClose(this);
  }

  async #untilWritten(isDone: () => boolean): Promise<void> {
    while (!isDone() && !this.hasEnded) {
      await new Promise<void>((resolve) => {
        this.#wakeSender = resolve;
      });
    }
  }

  /** A request in the encoding of this call. @throws CodecError a value cannot be written. */
  encode(request: I): Uint8Array {
    const { input } = this.method;
    try {
      if (this.#isProtobuf) input.writeProtobuf(request, scratch);
      else input.writeNative(request, scratch);
    } catch (error) {
      scratch.rewind(0);
      throw error;
    }
    return scratch.take();
  }

  #decode(message: Uint8Array): O {
    const { output } = this.method;
    const reader = new Reader(message);
    try {
      const response = this.#isProtobuf ? output.readProtobuf(reader, reader.end) : output.readNative(reader);
      reader.expectEnd();
      return response;
    } catch (error) {
      const why = error instanceof CodecError ? error.message : String(error);
      const text = `a response of ${this.method.path} does not decode: ${why}`;
      const failure = new RpcError(text, Code.Internal, { cause: error });
      this.fail(failure);
      throw failure;
    }
  }

  /** Whether it has ended, and everything that came was taken. */
  get isOver(): boolean {
    return this.hasEnded && this.#taken === this.#inbox.length;
  }

  /** This side ends the call; what came is dropped. */
  fail(error: unknown): void {
    if (this.isOver) return;
    this.#inbox = [];
    this.#taken = 0;
    this.#failure ??= { error };
    this.#host.leave(this, error instanceof Error ? error.message : String(error));
    this.#ended();
  }

  #ended(): void {
    this.onEnded?.();
    this.#wake();
  }

  #wake(): void {
    this.#wakeReceiver?.();
    this.#wakeSender?.();
    this.#wakeReceiver = this.#wakeSender = undefined;
  }

  /** It was opened on its connection. */
  onOpened(stream: number): void {
    this.stream = stream;
    this.#wake();
  }

  /** Says in which encoding its messages travel, ahead of the first one. */
  speak(isProtobuf: boolean): void {
    this.#isProtobuf = isProtobuf;
  }

  onSent(): void {
    this.#isWritten = true;
    this.#wake();
  }

  onHeaders(metadata: Metadata): void {
    this.#headers = metadata;
    this.#wake();
  }

  onMessage(message: Uint8Array): void {
    this.#inbox.push(message);
    this.#wake();
  }

  onStatus(status: Status, message: Uint8Array | undefined): void {
    if (this.hasEnded) return;
    if (status.code !== 0) {
      const { text, code, details, trailers } = status;
      return this.onLost(new RpcError(text, code, { details, metadata: trailers }));
    }
    if (message !== undefined) this.#inbox.push(message);
    this.#trailers = status.trailers;
    this.#ended();
  }

  /** The other side, or the connection, ended it; what came before is still there to be taken. */
  onLost(error: RpcError): void {
    if (this.hasEnded) return;
    this.#failure = { error };
    this.#ended();
  }
}

/** Messages taken out of an inbox before it is made shorter. */
const COMPACT_AT = 256;
