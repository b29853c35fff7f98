/**
 * The receiving half of flow control: how much the server may send ahead of the application.
 *
 *     allowed = consumed + window + loan        CREDIT is sent for allowed - granted, once that is worth a frame
 *
 * The loan lets a message through that is longer than a window: of the messages that have arrived in part, the
 * first-begun one that the application waits for lends its own bytes to its stream and to the connection.
 */

import { Code } from "./error.ts";
import { MAX_INCREMENT, ProtocolError } from "./frame.ts";

/** A stream's CREDIT is worth a frame at this part of its window. */
const STREAM_STEP = 2;
/** The connection's, too. */
const CONNECTION_STEP = 8;

/** Sends a CREDIT. */
export type GiveCredit = (stream: number, increment: number) => void;

/** A message that arrives in parts; the buffer grows with what has arrived, not with what is announced. */
class Assembly {
  #bytes = new Uint8Array(0);
  size = 0;

  push(part: Uint8Array): void {
    const size = this.size + part.length;
    if (size > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#bytes.length * 2, size));
      grown.set(this.#bytes.subarray(0, this.size));
      this.#bytes = grown;
    }
    this.#bytes.set(part, this.size);
    this.size = size;
  }

  take(): Uint8Array {
    return this.#bytes.slice(0, this.size);
  }
}

/** What arrives on one stream, in bytes of credit: consumed + assembled <= received <= granted. */
export class Inflow {
  granted: number;
  received = 0;
  consumed = 0;
  /** Credit taken by the message that is arriving in parts. */
  assembled = 0;
  assembly: Assembly | undefined;
  /** Nothing more comes, so credit is of no use to the server. */
  isEnded = false;
  readonly stream: number;
  readonly window: number;

  constructor(stream: number, window: number) {
    this.stream = stream;
    this.window = window;
    this.granted = window;
  }

  /** Whether the application has whole messages to take, beside `arriving` bytes that are not counted yet. */
  hasUnread(arriving = 0): boolean {
    return this.received - this.consumed - arriving > this.assembled;
  }

  /** Adds a part of a message; how long it is so far. */
  push(part: Uint8Array): number {
    this.assembly ??= new Assembly();
    this.assembly.push(part);
    return this.assembly.size;
  }
}

/** The connection's window and those of all its streams. */
export class ReceiveFlow {
  readonly #window: number;
  readonly #give: GiveCredit;
  #granted: number;
  #received = 0;
  #consumed = 0;
  /** Streams whose message has arrived in part, in the order in which these began. */
  readonly #begun = new Set<Inflow>();
  /** The one out of them that lends. */
  #express: Inflow | undefined;

  constructor(window: number, give: GiveCredit) {
    this.#window = window;
    this.#granted = window;
    this.#give = give;
  }

  /** Bytes of credit that were received and not consumed: the memory that the connection holds. */
  get held(): number {
    return this.#received - this.#consumed;
  }

  /** Counts a MESSAGE frame. @throws ProtocolError the server sent more than it may. */
  arrived(inflow: Inflow, cost: number): void {
    inflow.received += cost;
    if (inflow.received > inflow.granted) {
      const over = inflow.received - inflow.granted;
      const text = `stream ${inflow.stream} overran its window of ${inflow.window} bytes by ${over}`;
      throw new ProtocolError(text, Code.ResourceExhausted);
    }
    this.#receive(cost);
  }

  /** Counts a MESSAGE frame of a stream that has ended. @throws ProtocolError as `arrived`. */
  ignored(cost: number): void {
    this.#receive(cost);
    this.#consumed += cost;
    this.#settle();
  }

  #receive(cost: number): void {
    this.#received += cost;
    if (this.#received <= this.#granted) return;
    const over = this.#received - this.#granted;
    const text = `the server overran the connection's window of ${this.#window} bytes by ${over}`;
    throw new ProtocolError(text, Code.ResourceExhausted);
  }

  /** Counts `cost`, which has arrived, as part of a message that is not whole yet. */
  continues(inflow: Inflow, cost: number): void {
    this.#begun.add(inflow);
    inflow.assembled += cost;
    this.#choose();
    if (this.#express !== inflow) return;
    this.#settleStream(inflow);
    this.#settle();
  }

  /** The message that was arriving is whole; `surplus` of its credit is not the application's to give back. */
  completed(inflow: Inflow, surplus: number): void {
    inflow.consumed += surplus;
    this.#consumed += surplus;
    inflow.assembled = 0;
    inflow.assembly = undefined;
    if (this.#begun.delete(inflow)) this.#choose();
  }

  /** The application took a message. */
  taken(inflow: Inflow, cost: number): void {
    inflow.consumed += cost;
    this.#consumed += cost;
    this.#choose();
    if (!inflow.isEnded) this.#settleStream(inflow);
    this.#settle();
  }

  /** The stream has ended, and the application takes nothing more of it. */
  dropped(inflow: Inflow): void {
    inflow.isEnded = true;
    this.#consumed += inflow.received - inflow.consumed;
    inflow.consumed = inflow.received;
    this.completed(inflow, 0);
    this.#settle();
  }

  /** The server ended the stream within a message; what is whole is still the application's. */
  abandoned(inflow: Inflow): void {
    this.completed(inflow, inflow.assembled);
    this.#settle();
  }

  #choose(): void {
    let first: Inflow | undefined;
    for (const inflow of this.#begun) {
      if (inflow.hasUnread()) continue;
      first = inflow;
      break;
    }
    if (first === this.#express) return;
    this.#express = first;
    if (first === undefined) return;
    this.#settleStream(first);
    this.#settle();
  }

  #settleStream(inflow: Inflow): void {
    const loan = this.#express === inflow ? inflow.assembled : 0;
    const owed = Math.min(inflow.consumed + inflow.window + loan - inflow.granted, MAX_INCREMENT);
    if (owed * STREAM_STEP < inflow.window) return;
    inflow.granted += owed;
    this.#give(inflow.stream, owed);
  }

  #settle(): void {
    const loan = this.#express?.assembled ?? 0;
    const owed = Math.min(this.#consumed + this.#window + loan - this.#granted, MAX_INCREMENT);
    if (owed * CONNECTION_STEP < this.#window) return;
    this.#granted += owed;
    this.#give(0, owed);
  }
}
