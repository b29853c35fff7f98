import { MessageType, TransportMessage, type TransportMessageInit } from "../../generated/index.ts";

/** An event with some fields of its own. */
export function message(fields: TransportMessageInit): TransportMessage {
  return TransportMessage.create({ messageType: MessageType.EVENT, ...fields });
}
