import { MessageType, type TransportMessage } from "../../generated/index.ts";

/** A message with some fields of its own. */
export function message(fields: Partial<TransportMessage>): TransportMessage {
  return {
    id: "",
    messageType: MessageType.EVENT,
    payload: new Uint8Array(),
    headers: {},
    timestamp: 0n,
    sourceNode: "",
    targetNode: "",
    priority: 0,
    compression: 0,
    ...fields,
  };
}
