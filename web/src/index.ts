/** EventFlux transport for browsers and Node: channels, calls, errors, metadata, and the well-known types of protobuf. */

import { Channel, type ChannelOptions } from "./channel.ts";
import { webSocket, type WebSocketOptions } from "./socket.ts";

export {
  type CallOptions,
  Channel,
  type ChannelOptions,
  type ChannelState,
  type ChannelStatus,
  type Transport,
} from "./channel.ts";
export type { BackoffOptions } from "./backoff.ts";
export type { Keepalive } from "./liveness.ts";
export { Code, codeName, type ErrorDetail, RpcError, type RpcErrorInit } from "./error.ts";
export type { Requests } from "./feed.ts";
export { DeclaredError } from "./declared_error.ts";
export { CodecError, type Message, type MessageType, Reader, Writer } from "./message.ts";
export { Metadata, type MetadataInit, type MetadataValue } from "./metadata.ts";
export type { DeclaredErrorType, Method, MethodKind } from "./method.ts";
export type { Settings } from "./settings.ts";
export {
  type Socket,
  type SocketEvents,
  type SocketFactory,
  SUBPROTOCOL,
  webSocket,
  type WebSocketClass,
  type WebSocketLike,
  type WebSocketOptions,
} from "./socket.ts";
export * from "./wellknown.ts";

/**
 * A channel over a WebSocket, which connects at the first call. In a browser `url` may be a path of the page's host.
 * @throws TypeError the URL is none of a WebSocket; RangeError an option is out of its range.
 */
export function connect(url: string, options: ChannelOptions & WebSocketOptions = {}): Channel {
  return new Channel(webSocket(url, options), options);
}
