import { TransportMessage } from "../../generated/index.ts";

const LOWEST_PRIORITY = 9;

/** What a form says of a message, as text. */
export interface Draft {
  readonly type: string;
  readonly payload: string;
  /** A header a line, as `name: value`. */
  readonly headers: string;
  readonly source: string;
  readonly target: string;
  readonly priority: string;
}

/** A field of the form that says what cannot be, and what to do about it. */
export class DraftError extends Error {
  readonly field: keyof Draft;

  constructor(field: keyof Draft, message: string) {
    super(message);
    this.field = field;
  }
}

/** The message that a draft says. Throws a `DraftError` for the first field that is wrong. */
export function messageOf(draft: Draft, now: number): TransportMessage {
  return TransportMessage.create({
    id: randomId(),
    messageType: Number(draft.type),
    payload: new TextEncoder().encode(draft.payload),
    headers: headersOf(draft.headers),
    timestamp: BigInt(now),
    sourceNode: draft.source.trim(),
    targetNode: draft.target.trim(),
    priority: priorityOf(draft.priority),
  });
}

function headersOf(text: string): Map<string, string> {
  const headers = new Map<string, string>();
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(0, colon)).trim();
    if (name === "") throw new DraftError("headers", `line ${index + 1} is no header: write it as name: value`);
    if (headers.has(name)) throw new DraftError("headers", `${name} stands twice: a message has one header of a name`);
    headers.set(name, line.slice(colon + 1).trim());
  }
  return headers;
}

function priorityOf(text: string): number {
  const priority = Number(text.trim() || "0");
  if (Number.isInteger(priority) && priority >= 0 && priority <= LOWEST_PRIORITY) return priority;
  const range = `from 0, the highest, to ${LOWEST_PRIORITY}, the lowest`;
  throw new DraftError("priority", `the priority is a whole number ${range}, not ${text.trim()}`);
}

/** A random UUID; `crypto.randomUUID` is missing where a page came over plain HTTP from another machine. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
