/** How calls fail: gRPC's codes, and the one class of error that a failed call ends with. */

import type { MessageType } from "./message.ts";
import { Metadata } from "./metadata.ts";
import { Reader } from "./reader.ts";

/** The codes of gRPC; their numbers are those on the wire. */
export const Code = {
  /** The call was left by its caller. */
  Canceled: 1,
  /** No better code is known. */
  Unknown: 2,
  /** The request is wrong, whatever the state of the server. */
  InvalidArgument: 3,
  /** The deadline passed before the call ended. */
  DeadlineExceeded: 4,
  /** What was asked for is not there. */
  NotFound: 5,
  /** What was to be made is there already. */
  AlreadyExists: 6,
  /** The caller may not do this. */
  PermissionDenied: 7,
  /** A limit or a quota is used up. */
  ResourceExhausted: 8,
  /** The state of the server does not allow it. */
  FailedPrecondition: 9,
  /** Another call was in the way; start over. */
  Aborted: 10,
  /** Beyond the end of what there is. */
  OutOfRange: 11,
  /** The server does not know or do this. */
  Unimplemented: 12,
  /** Something is broken. */
  Internal: 13,
  /** No server can be reached now; trying again may help. */
  Unavailable: 14,
  /** Data is lost for good. */
  DataLoss: 15,
  /** It is not known who calls. */
  Unauthenticated: 16,
} as const;

/** One of the numbers of `Code`. */
export type Code = (typeof Code)[keyof typeof Code];

const CODE_NAMES = new Map<number, string>(Object.entries(Code).map(([name, code]) => [code, snake(name)]));

function snake(name: string): string {
  return name.replace(/(?<!^)[A-Z]/g, "_$&").toLowerCase();
}

/** The name of a code as it stands in texts, such as `not_found`. */
export function codeName(code: number): string {
  return CODE_NAMES.get(code) ?? `code ${code}`;
}

/** The code of a number from the wire; `Unknown` for one that this version does not know. */
export function codeOf(number: number): Code {
  return CODE_NAMES.has(number) ? (number as Code) : Code.Unknown;
}

/** Something typed that the server says beside code and text, as in `google.protobuf.Any`. */
export interface ErrorDetail {
  /** Ends in the full name of the message, such as `type.googleapis.com/google.rpc.RetryInfo`. */
  readonly typeUrl: string;
  /** The message in protobuf's encoding. */
  readonly value: Uint8Array;
}

/** What may be said of an error beside its text and code. */
export interface RpcErrorInit {
  readonly details?: readonly ErrorDetail[] | undefined;
  /** The server's trailers. */
  readonly metadata?: Metadata | undefined;
  /** No handler has seen the call, so it may be made again whatever it does. */
  readonly unprocessed?: boolean | undefined;
  readonly cause?: unknown;
}

/** A call that failed. */
export class RpcError extends Error {
  /** Why. */
  readonly code: Code;
  /** The server's text; `message` has the name of the code ahead of it. */
  readonly rawMessage: string;
  readonly details: readonly ErrorDetail[];
  /** The trailers of the failed call. */
  readonly metadata: Metadata;
  /** No handler has seen the call: it may be made again, whatever it does. */
  readonly unprocessed: boolean;

  constructor(rawMessage: string, code: Code = Code.Unknown, init: RpcErrorInit = {}) {
    super(rawMessage === "" ? `[${codeName(code)}]` : `[${codeName(code)}] ${rawMessage}`);
    if (init.cause !== undefined) this.cause = init.cause;
    this.name = "RpcError";
    this.code = code;
    this.rawMessage = rawMessage;
    this.details = init.details ?? [];
    this.metadata = init.metadata ?? new Metadata();
    this.unprocessed = init.unprocessed ?? false;
  }

  /**
   * The details of one type, in their order. One that does not decode is left out: details are the server's word, and
   * an error must not hide another one.
   */
  findDetails<T, Init>(type: MessageType<T, Init>): T[] {
    const found: T[] = [];
    for (const detail of this.details) {
      if (detail.typeUrl.slice(detail.typeUrl.lastIndexOf("/") + 1) !== type.typeName) continue;
      try {
        const input = new Reader(detail.value);
        found.push(type.readProtobuf(input, input.end));
      } catch {
        continue;
      }
    }
    return found;
  }
}
