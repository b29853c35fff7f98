/** What a generated client says of its methods. */

import type { RpcError } from "./error.ts";
import type { MessageType } from "./message.ts";

export type MethodKind = "unary" | "server_streaming" | "client_streaming" | "bidi_streaming";

export interface DeclaredErrorType {
  fromError(error: RpcError): RpcError | undefined;
}

export interface Method<I, O> {
  readonly service: string;
  readonly name: string;
  readonly path: string;
  readonly kind: MethodKind;
  readonly fingerprint: bigint;
  readonly idempotent: boolean;
  readonly input: MessageType<I>;
  readonly output: MessageType<O>;
  readonly errors: readonly DeclaredErrorType[];
}
