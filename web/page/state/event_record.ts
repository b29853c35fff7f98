import type { TransportMessage } from "../../generated/index.ts";

/** Bytes of a payload that are kept to be looked at: the page holds hundreds of events, and each may be 64 MiB. */
export const KEPT_PAYLOAD_BYTES = 8192;
const KEPT_HEADERS = 32;
const KEPT_CHARACTERS = 512;

/** What the page keeps of an event: all that it shows, of bounded size. */
export interface EventRecord {
  /** Counts the events that have arrived, from 1. */
  readonly number: number;
  /** When it arrived, in milliseconds since the epoch. */
  readonly arrivedAt: number;
  /** When its sender made it, in milliseconds since the epoch; undefined where the sender did not say. */
  readonly sentAt: number | undefined;
  readonly type: number;
  readonly id: string;
  readonly source: string;
  readonly target: string;
  readonly priority: number;
  /** What its sender says of how the payload is compressed. */
  readonly compression: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly omittedHeaders: number;
  /** The first bytes of the payload, `KEPT_PAYLOAD_BYTES` at most. */
  readonly payload: Uint8Array;
  readonly payloadBytes: number;
}

/** The record of a message; it shares no memory with it, so that nothing large is held by a small part of it. */
export function recordOf(message: TransportMessage, number: number, arrivedAt: number): EventRecord {
  const headers = [...message.headers];
  return {
    number,
    arrivedAt,
    sentAt: message.timestamp > 0n ? Number(message.timestamp) : undefined,
    type: message.messageType,
    id: shortened(message.id),
    source: shortened(message.sourceNode),
    target: shortened(message.targetNode),
    priority: message.priority,
    compression: message.compression,
    headers: headers.slice(0, KEPT_HEADERS).map(([name, value]) => [shortened(name), shortened(value)] as const),
    omittedHeaders: Math.max(0, headers.length - KEPT_HEADERS),
    payload: message.payload.slice(0, KEPT_PAYLOAD_BYTES),
    payloadBytes: message.payload.length,
  };
}

function shortened(text: string): string {
  return text.length <= KEPT_CHARACTERS ? text : `${text.slice(0, KEPT_CHARACTERS)}…`;
}
