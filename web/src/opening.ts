/** How a call begins on a connection: whether the server takes it, in which encoding, and with which bytes. */

import { metadataBytes } from "./block.ts";
import type { AnyCall } from "./call.ts";
import { Code, RpcError } from "./error.ts";
import type { Opening } from "./event.ts";
import type { Peer } from "./settings.ts";

const OPEN_FIXED_BYTES = 10;
const BLOCK_LENGTH_BYTES = 4;

/** @throws RpcError the server cannot take the call; CodecError a value of its request cannot be written. */
export function openingOf(call: AnyCall, peer: Peer): Opening {
  const { path, fingerprint, prefersProtobuf } = call.method;
  const served = peer.methods.get(path);
  if (served === undefined) {
    throw new RpcError(`the server does not serve ${path}`, Code.Unimplemented, { unprocessed: true });
  }
  const isSame = served.fingerprint === fingerprint;
  if (!isSame && !peer.hasProtobuf) throw differs(path, fingerprint, served.fingerprint);
  const isProtobuf = !isSame || (prefersProtobuf && peer.hasProtobuf);
  checkMetadata(call, peer);
  call.speak(isProtobuf);
  const request = call.request === undefined ? undefined : call.encode(call.request);
  if (request !== undefined) checkRequest(request, peer);
  return { method: served.id, timeoutUs: call.scope.timeoutUs(), metadata: call.metadata, isProtobuf, request };
}

/** @throws RpcError the server takes no request of that length. */
export function checkRequest(request: Uint8Array, { maxMessageBytes }: Peer): void {
  if (request.length <= maxMessageBytes) return;
  const text = `a request of ${request.length} bytes is over the server's limit of ${maxMessageBytes}: send less at a time`;
  throw new RpcError(text, Code.ResourceExhausted);
}

function checkMetadata({ metadata }: AnyCall, { maxMetadataBytes, maxFrameBytes }: Peer): void {
  if (metadata.size === 0) return;
  const bytes = metadataBytes(metadata);
  const limit = Math.min(maxMetadataBytes, maxFrameBytes - OPEN_FIXED_BYTES - BLOCK_LENGTH_BYTES);
  if (bytes <= limit) return;
  throw new RpcError(`metadata of ${bytes} bytes is over the server's limit of ${limit}`, Code.ResourceExhausted);
}

function differs(path: string, ours: bigint, theirs: bigint): RpcError {
  const [here, there] = [ours, theirs].map((value) => `0x${value.toString(16).padStart(16, "0")}`);
  const text = `${path} differs: its fingerprint is ${here} here and ${there} there, and the server takes no protobuf`;
  return new RpcError(text, Code.Unimplemented, { unprocessed: true });
}
