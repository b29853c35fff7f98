/** What the machine of a connection is told, and what it tells. */

import type { Status } from "./block.ts";
import type { Code } from "./error.ts";
import type { Metadata } from "./metadata.ts";
import type { Peer } from "./settings.ts";

/** What the server did. Messages are copies: they stay good. */
export type MachineEvent =
  | { readonly type: "hello"; readonly peer: Peer }
  | { readonly type: "headers"; readonly stream: number; readonly metadata: Metadata }
  | { readonly type: "message"; readonly stream: number; readonly message: Uint8Array }
  | { readonly type: "status"; readonly stream: number; readonly status: Status; readonly message: Uint8Array | undefined }
  | ResetEvent
  /** The message that waited for credit is in the output. */
  | { readonly type: "sent"; readonly stream: number }
  | { readonly type: "goaway"; readonly code: Code | 0; readonly reason: string; readonly unprocessed: readonly number[] };

/** A call was broken off, by the server or because of what it sent. */
export interface ResetEvent {
  readonly type: "reset";
  readonly stream: number;
  readonly code: Code;
  readonly reason: string;
  readonly unprocessed: boolean;
}

/** What a call begins with. */
export interface Opening {
  readonly method: number;
  /** Microseconds; -1: none. */
  readonly timeoutUs: bigint;
  readonly metadata: Metadata;
  readonly isProtobuf: boolean;
  /** The only request, behind which the client half-closes; undefined: requests follow. */
  readonly request: Uint8Array | undefined;
}
