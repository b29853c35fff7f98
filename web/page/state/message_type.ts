import { MessageType } from "../../generated/index.ts";

/** The names of message types by their numbers, as the command line of a node has them. */
export const MESSAGE_TYPE_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(MessageType).map(([name, number]) => [number as number, name.toLowerCase()]),
);

/** The name of a message type; one that this page does not know is shown by its number. */
export function messageTypeName(type: number): string {
  return MESSAGE_TYPE_NAMES.get(type) ?? `type ${type}`;
}
