/**
 * The sending half of flow control: what the server and the socket allow, and the messages that wait for more.
 *
 * Invariants: `#begun` are the streams whose message is partly sent, in the order in which they were begun; `#starved`
 * those that have credit of their own and wait for the connection's, or for the socket, in the order in which they came
 * to. While a message is partly sent, the first such message alone may take the last quarter of the connection's credit:
 * so it gets through whatever the others hold.
 */

import { CREDIT_CEILING, Flag, FRAME_COST, ProtocolError } from "./frame.ts";

const RESERVE_DIVISOR = 4;

/** A message that is on its way out. */
interface Outgoing {
  readonly bytes: Uint8Array;
  position: number;
  /** Whether the client half-closes behind it. */
  isLast: boolean;
}

/** What a stream may send, and what of it waits. */
export class Outflow {
  credit: number;
  outgoing: Outgoing | undefined;
  readonly stream: number;

  constructor(stream: number, window: number) {
    this.stream = stream;
    this.credit = window;
  }
}

/** Writes a MESSAGE frame. */
export type WriteMessage = (stream: number, flags: number, part: Uint8Array) => void;

export class Backlog {
  readonly #write: WriteMessage;
  readonly #begun = new Set<Outflow>();
  readonly #starved = new Set<Outflow>();
  #credit = 0;
  #reserve = 0;
  #frameBytes = 0;
  #budget = Infinity;

  constructor(write: WriteMessage) {
    this.#write = write;
  }

  /** Takes over the connection's first credit, and the longest payload of a frame. */
  agree(window: number, frameBytes: number): void {
    this.#credit = window;
    this.#reserve = Math.floor(window / RESERVE_DIVISOR);
    this.#frameBytes = frameBytes;
  }

  /** Whether a message waits for the socket alone. */
  get isWaitingForSocket(): boolean {
    return this.#budget <= 0 && this.#starved.size > 0;
  }

  /** Sends a message, or as much of it as there is credit for; whether that is all of it. */
  send(flow: Outflow, bytes: Uint8Array, isLast: boolean): boolean {
    flow.outgoing = { bytes, position: 0, isLast };
    return this.#advance(flow, flow.outgoing);
  }

  /** The bytes that the socket takes now; the streams whose messages went out with them. */
  allow(budget: number): Outflow[] {
    this.#budget = budget;
    return budget > 0 ? this.#resumeAll() : [];
  }

  /** Credit for the connection; the streams whose messages went out with it. @throws ProtocolError it is too much. */
  grant(increment: number): Outflow[] {
    this.#credit = checkCredit(this.#credit + increment, "the connection");
    return this.#resumeAll();
  }

  /** Credit for a stream; whether its message went out with it. @throws ProtocolError it is too much. */
  grantStream(flow: Outflow, increment: number): boolean {
    flow.credit = checkCredit(flow.credit + increment, `stream ${flow.stream}`);
    return flow.outgoing !== undefined && this.#advance(flow, flow.outgoing);
  }

  /** Gives up what is left of a stream's message. */
  forget(flow: Outflow): void {
    flow.outgoing = undefined;
    this.#begun.delete(flow);
    this.#starved.delete(flow);
  }

  #resumeAll(): Outflow[] {
    const sent: Outflow[] = [];
    const [first] = this.#begun;
    if (first?.outgoing !== undefined && this.#advance(first, first.outgoing)) sent.push(first);
    // Only streams that this helps are looked at: the first that it does not help ends the walk.
    for (const flow of this.#starved) {
      if (flow.outgoing !== undefined && this.#advance(flow, flow.outgoing)) sent.push(flow);
      else if (this.#starved.has(flow)) break;
    }
    return sent;
  }

  #advance(flow: Outflow, outgoing: Outgoing): boolean {
    for (;;) {
      const left = outgoing.bytes.length - outgoing.position;
      const spare = this.#budget > 0 ? this.#spare(flow) : 0;
      const wanted = Math.min(left, this.#frameBytes);
      const room = Math.min(flow.credit, spare) - FRAME_COST;
      const size = Math.min(wanted, room);
      // Each part has at least one byte, but for the whole of an empty message.
      if (room < Math.min(wanted, 1)) {
        if (flow.credit - FRAME_COST >= Math.min(wanted, 1)) this.#starved.add(flow);
        else this.#starved.delete(flow);
        return false;
      }
      const isWhole = size === left;
      const flags = !isWhole ? Flag.More : outgoing.isLast ? Flag.End : 0;
      this.#write(flow.stream, flags, outgoing.bytes.subarray(outgoing.position, outgoing.position + size));
      flow.credit -= size + FRAME_COST;
      this.#credit -= size + FRAME_COST;
      this.#budget -= size + FRAME_COST;
      outgoing.position += size;
      if (isWhole) {
        this.forget(flow);
        return true;
      }
      this.#begun.add(flow);
    }
  }

  /** What the stream may take of the connection's credit. */
  #spare(flow: Outflow): number {
    const [first] = this.#begun;
    return first === undefined || first === flow ? this.#credit : this.#credit - this.#reserve;
  }
}

function checkCredit(credit: number, whose: string): number {
  if (credit <= CREDIT_CEILING) return credit;
  throw new ProtocolError(`credit of ${whose} rose to ${credit}, over the limit of ${CREDIT_CEILING}`);
}
