import { MESSAGE_TYPE_NAMES } from "./message_type.ts";
import type { EventRecord } from "./event_record.ts";

export type Matcher = (record: EventRecord) => boolean;

const decoder = new TextDecoder();

/** Tells whether an event contains each word of a text, in any case, anywhere; undefined: there is no word. */
export function matcher(text: string): Matcher | undefined {
  const words = text.toLowerCase().split(/\s+/u).filter(Boolean);
  if (words.length === 0) return undefined;
  return (record) => {
    const all = searchable(record);
    return words.every((word) => all.includes(word));
  };
}

function searchable(record: EventRecord): string {
  const headers = record.headers.map(([name, value]) => `${name}=${value}`);
  const type = MESSAGE_TYPE_NAMES.get(record.type) ?? "";
  const parts = [type, record.id, record.source, record.target, ...headers, decoder.decode(record.payload)];
  return parts.join("\n").toLowerCase();
}
