/** The messages and methods of the test server, by tables: of eventflux.transport, and of grpc.testing in part. */

import { method as methodOf, type Method, type MethodKind } from "../../src/method.ts";
import type { MessageType } from "../../src/message.ts";
import { field, table } from "./table.ts";

export interface TransportMessage {
  id: string;
  messageType: number;
  payload: Uint8Array;
  headers: Record<string, string>;
  timestamp: bigint;
  sourceNode: string;
  targetNode: string;
  priority: number;
  compression: number;
}

export const TransportMessage = table<TransportMessage>("eventflux.transport.TransportMessage", [
  field("id", 1, "string"),
  field("messageType", 2, "i32"),
  field("payload", 3, "bytes"),
  field("headers", 4, "string", { label: "map" }),
  field("timestamp", 5, "i64"),
  field("sourceNode", 6, "string"),
  field("targetNode", 7, "string"),
  field("priority", 8, "i32"),
  field("compression", 9, "i32"),
]);

/** As a client knows it that was made before the last three fields were added, and another that is not there yet. */
export const OtherMessage = table<TransportMessage & { later: string }>("eventflux.transport.TransportMessage", [
  field("later", 77, "string"),
  field("id", 1, "string"),
  field("payload", 3, "bytes"),
  field("timestamp", 5, "i64"),
]);

export interface EventFilter {
  streamNames: string[];
  messageTypes: number[];
  startTimestamp: bigint;
  endTimestamp: bigint;
}

export const EventFilter = table<EventFilter>("eventflux.transport.EventFilter", [
  field("streamNames", 1, "string", { label: "repeated" }),
  field("messageTypes", 2, "i32", { label: "repeated" }),
  field("startTimestamp", 3, "i64"),
  field("endTimestamp", 4, "i64"),
]);

export interface EventRequest {
  nodeId: string;
  filter: EventFilter | undefined;
  batchSize: number;
}

export const EventRequest = table<EventRequest>("eventflux.transport.EventRequest", [
  field("nodeId", 1, "string"),
  field("filter", 2, "message", { type: EventFilter }),
  field("batchSize", 3, "i32"),
]);

export interface Payload {
  type: number;
  body: Uint8Array;
}

export const Payload = table<Payload>("grpc.testing.Payload", [field("type", 1, "i32"), field("body", 2, "bytes")]);

export interface InputRequest {
  payload: Payload | undefined;
}

const BoolValue = table<{ value: boolean }>("grpc.testing.BoolValue", [field("value", 1, "bool")]);

export const InputRequest = table<InputRequest>("grpc.testing.StreamingInputCallRequest", [
  field("payload", 1, "message", { type: Payload }),
  field("expectCompressed", 2, "message", { type: BoolValue }),
]);

export interface InputResponse {
  aggregatedPayloadSize: number;
}

export const InputResponse = table<InputResponse>("grpc.testing.StreamingInputCallResponse", [
  field("aggregatedPayloadSize", 1, "i32"),
]);

const TRANSPORT = "eventflux.transport.Transport";

function method<I, O>(
  service: string,
  name: string,
  kind: MethodKind,
  fingerprint: bigint,
  input: MessageType<I, any>,
  output: MessageType<O, any>,
): Method<I, O> {
  return methodOf({ service, name, kind, fingerprint, input, output });
}

export const SEND = method(TRANSPORT, "SendMessage", "unary", 0xdb86821be52b8cden, TransportMessage, TransportMessage);
export const STREAM = method(
  TRANSPORT,
  "StreamMessages",
  "bidi_streaming",
  0x179c60d3531d14c3n,
  TransportMessage,
  TransportMessage,
);
export const EVENTS = method(
  TRANSPORT,
  "StreamEvents",
  "server_streaming",
  0x236d833420786480n,
  EventRequest,
  TransportMessage,
);
export const INPUT = method(
  "grpc.testing.TestService",
  "StreamingInputCall",
  "client_streaming",
  0x157ce0f5091705cen,
  InputRequest,
  InputResponse,
);

export interface HeartbeatRequest {
  nodeId: string;
  timestamp: bigint;
  status: NodeStatus | undefined;
}

export interface NodeStatus {
  metadata: Record<string, string>;
}

export interface HeartbeatResponse {
  serverTimestamp: bigint;
  serverNodeId: string;
  serverStatus: NodeStatus | undefined;
}

const NodeStatus = table<NodeStatus>("eventflux.transport.NodeStatus", [
  field("health", 1, "i32"),
  field("cpuUsage", 2, "f32"),
  field("memoryUsage", 3, "f32"),
  field("activeConnections", 4, "i32"),
  field("eventsPerSecond", 5, "i64"),
  field("version", 6, "string"),
  field("metadata", 7, "string", { label: "map" }),
]);

export const HeartbeatRequest = table<HeartbeatRequest>("eventflux.transport.HeartbeatRequest", [
  field("nodeId", 1, "string"),
  field("timestamp", 2, "i64"),
  field("status", 3, "message", { type: NodeStatus }),
]);

const HeartbeatResponse = table<HeartbeatResponse>("eventflux.transport.HeartbeatResponse", [
  field("serverTimestamp", 1, "i64"),
  field("serverNodeId", 2, "string"),
  field("serverStatus", 3, "message", { type: NodeStatus }),
  field("clusterInfo", 4, "message", { type: table("eventflux.transport.ClusterInfo", []) }),
]);

export const HEARTBEAT = method(
  TRANSPORT,
  "Heartbeat",
  "unary",
  0x821f822fd2740426n,
  HeartbeatRequest,
  HeartbeatResponse,
);
