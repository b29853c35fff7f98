/** Methods as generated code describes them, and the calls of a generated client. */

import type { CallOptions, Transport } from "./channel.ts";
import type { RpcError } from "./error.ts";
import { mapped, type Requests } from "./feed.ts";
import type { MessageType } from "./message.ts";

export type MethodKind = "unary" | "server_streaming" | "client_streaming" | "bidi_streaming";

/** The class of an error that a method declares. */
export interface DeclaredErrorType {
  /** The error as one of this class; undefined where it does not tell of one. */
  fromError(error: RpcError): RpcError | undefined;
}

/** A method of a service. */
export interface Method<I, O> {
  /** The full name of its service. */
  readonly service: string;
  readonly name: string;
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly kind: MethodKind;
  /** Equal on two sides exactly if both have the same native layout of its messages. */
  readonly fingerprint: bigint;
  /** Whether a call may safely reach a handler more than once. */
  readonly idempotent: boolean;
  /** Whether its messages are protobuf even where fingerprints agree: the native layout bounds what they hold. */
  readonly prefersProtobuf: boolean;
  /** The deadline of a call that has none of its own, in milliseconds. */
  readonly timeoutMs: number | undefined;
  readonly input: MessageType<I>;
  readonly output: MessageType<O>;
  /** The errors that it declares; narrow by `instanceof`. */
  readonly errors: readonly DeclaredErrorType[];
}

/** What generated code says of a method; the rest follows, or has a default. */
export interface MethodRow<I, O> {
  readonly service: string;
  readonly name: string;
  readonly kind: MethodKind;
  readonly fingerprint: bigint;
  readonly input: MessageType<I, unknown>;
  readonly output: MessageType<O, unknown>;
  readonly idempotent?: boolean;
  readonly prefersProtobuf?: boolean;
  readonly timeoutMs?: number;
  readonly errors?: readonly DeclaredErrorType[];
}

/** Makes a method of its row. */
export function method<I, O>(row: MethodRow<I, O>): Method<I, O> {
  return {
    path: `/${row.service}/${row.name}`,
    idempotent: false,
    prefersProtobuf: false,
    timeoutMs: undefined,
    errors: [],
    ...row,
    input: row.input as unknown as MessageType<I>,
    output: row.output as unknown as MessageType<O>,
  };
}

/** Calls a method with one request and one response. */
export async function callUnary<I, O>(
  transport: Transport,
  method: Method<I, O>,
  request: unknown,
  options: CallOptions | undefined,
): Promise<O> {
  return await transport.unary(method, method.input.create(request as I), options);
}

/** Calls a method that answers with a stream. */
export function callServerStream<I, O>(
  transport: Transport,
  method: Method<I, O>,
  request: unknown,
  options: CallOptions | undefined,
): AsyncIterable<O> {
  return transport.serverStream(method, method.input.create(request as I), options);
}

/** Calls a method that takes a stream. */
export function callClientStream<I, O>(
  transport: Transport,
  method: Method<I, O>,
  requests: Requests<unknown>,
  options: CallOptions | undefined,
): Promise<O> {
  const created = mapped(requests, (request) => method.input.create(request as I));
  return transport.clientStream(method, created, options);
}

/** Calls a method with a stream in each direction. */
export function callBidiStream<I, O>(
  transport: Transport,
  method: Method<I, O>,
  requests: Requests<unknown>,
  options: CallOptions | undefined,
): AsyncIterable<O> {
  const created = mapped(requests, (request) => method.input.create(request as I));
  return transport.bidiStream(method, created, options);
}
