/**
 * The client's side of one connection without I/O: bytes of the server become events, calls become bytes in `output`.
 *
 * Invariants: `#streams` holds the calls in flight; `#lingering` those that the server ended with OK and whose messages
 * the application has not taken yet. After `end()` nothing changes any more.
 */

import { Backlog, Outflow } from "./backlog.ts";
import { okStatus, readMetadata, readStatus } from "./block.ts";
import { Code, codeOf } from "./error.ts";
import type { MachineEvent, Opening } from "./event.ts";
import { Inflow, ReceiveFlow } from "./flow.ts";
import {
  FieldReader,
  FIRST_EXTENSION,
  Flag,
  type Frame,
  FRAME_COST,
  frameName,
  FrameSplitter,
  FrameType,
  MAX_INCREMENT,
  MAX_REASON_BYTES,
  MAX_STREAM_ID,
  ProtocolError,
} from "./frame.ts";
import { FrameOutput } from "./output.ts";
import { greeting, type Peer, readHello, type Settings } from "./settings.ts";
import type { Writer } from "./writer.ts";

/** Part of a message in one frame, at most, so that no message holds up the others for long. */
const MAX_PART_BYTES = 131_072;
const PING_BYTES = 8;
const PING_BURST = 10;
const EMPTY = new Uint8Array(0);

interface Stream {
  readonly inflow: Inflow;
  readonly outflow: Outflow;
  /** The server has sent headers or a message. */
  isAnswered: boolean;
  isHalfClosed: boolean;
}

export class ClientMachine {
  readonly #frames = new FrameOutput();
  readonly #settings: Settings;
  readonly #splitter: FrameSplitter;
  readonly #flow: ReceiveFlow;
  readonly #backlog: Backlog;
  readonly #streams = new Map<number, Stream>();
  readonly #lingering = new Map<number, Inflow>();
  #peer: Peer | undefined;
  #frameBytes = 0;
  #lastStream = 0;
  #isDraining = false;
  #hasEnded = false;
  #pings = PING_BURST;
  #pingedAt: number;
  #events: MachineEvent[] = [];

  constructor(settings: Settings, now: number) {
    this.#settings = settings;
    this.#splitter = new FrameSplitter(settings.maxFrameBytes);
    this.#flow = new ReceiveFlow(settings.connectionWindow, (stream, increment) => this.#frames.credit(stream, increment));
    this.#backlog = new Backlog((stream, flags, part) => this.#frames.message(stream, flags, part));
    this.#pingedAt = now;
    this.output.raw(greeting(settings));
  }

  /** What is to be sent. */
  get output(): Writer {
    return this.#frames.writer;
  }

  /** Calls in flight. */
  get activeStreams(): number {
    return this.#streams.size;
  }

  /** Bytes of credit that the server has used and the application not given back: the memory of this connection. */
  get heldBytes(): number {
    return this.#flow.held;
  }

  /** Whether a frame has begun to arrive and is not whole. */
  get isWithinFrame(): boolean {
    return this.#splitter.isWithinFrame;
  }

  /** Whether the server takes another call now. */
  get canOpen(): boolean {
    return !this.#hasEnded && !this.#isDraining && this.#peer !== undefined && this.#streams.size < this.#peer.maxStreams;
  }

  /** Whether all ids of streams are used up, so that another connection is needed. */
  get isExhausted(): boolean {
    return this.#lastStream >= MAX_STREAM_ID;
  }

  /** Whether a message waits for nothing but the socket. */
  get isWaitingForSocket(): boolean {
    return this.#backlog.isWaitingForSocket;
  }

  /**
   * What the server did with these bytes, which came at `now` milliseconds. If it breaks the protocol, the last event
   * is followed by the error, which is returned: the connection has to end then, and a GOAWAY is in the output.
   */
  receive(data: Uint8Array, now: number): { events: MachineEvent[]; error: ProtocolError | undefined } {
    this.#events = [];
    if (this.#hasEnded) return { events: this.#events, error: undefined };
    this.#refillPings(now);
    try {
      for (const frame of this.#splitter.push(data)) this.#handle(frame);
      return { events: this.#events, error: undefined };
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      if (this.#splitter.hasPreface) this.goAway(error.code, error.message);
      this.end();
      return { events: this.#events, error };
    }
  }

  /** Begins a call and returns its id. A request that is too long for the frame follows it as credit allows. */
  open(opening: Opening): number {
    const stream = ++this.#lastStream;
    const { request } = opening;
    const rides = this.#frames.open(stream, opening, this.#frameBytes);
    const state: Stream = {
      inflow: new Inflow(stream, this.#settings.streamWindow),
      outflow: new Outflow(stream, this.#peer?.streamWindow ?? 0),
      isAnswered: false,
      isHalfClosed: request !== undefined,
    };
    this.#streams.set(stream, state);
    if (request !== undefined && !rides) this.#backlog.send(state.outflow, request, true);
    return stream;
  }

  /** Sends a message of a call. True: it is in the output; false: it waits for credit, and a `sent` event follows. */
  sendMessage(stream: number, message: Uint8Array): boolean {
    const state = this.#streams.get(stream);
    return state === undefined || this.#backlog.send(state.outflow, message, false);
  }

  /** Sends nothing more on a call. */
  halfClose(stream: number): void {
    const state = this.#streams.get(stream);
    if (state === undefined || state.isHalfClosed) return;
    state.isHalfClosed = true;
    if (state.outflow.outgoing !== undefined) state.outflow.outgoing.isLast = true;
    else this.#frames.halfClose(stream);
  }

  /** Leaves a call; nothing more of it becomes an event. */
  reset(stream: number, code: Code, reason: string): void {
    const state = this.#streams.get(stream);
    if (state === undefined) return this.#discard(stream);
    this.#close(stream, state);
    this.#frames.reset(stream, code, reason);
  }

  #discard(stream: number): void {
    const inflow = this.#lingering.get(stream);
    this.#lingering.delete(stream);
    if (inflow !== undefined) this.#flow.dropped(inflow);
  }

  /** The application took a message of so many bytes. */
  consumed(stream: number, bytes: number): void {
    if (this.#hasEnded) return;
    const lingering = this.#lingering.get(stream);
    const inflow = lingering ?? this.#streams.get(stream)?.inflow;
    if (inflow === undefined) return;
    this.#flow.taken(inflow, bytes + FRAME_COST);
    if (lingering !== undefined && !lingering.hasUnread()) this.#lingering.delete(stream);
  }

  /** The socket takes so many bytes of messages before it is asked again. */
  allow(bytes: number): readonly number[] {
    return this.#backlog.allow(bytes).map((flow) => flow.stream);
  }

  /** Asks for a sign of life. */
  ping(): void {
    this.#frames.ping();
  }

  /** Tells the server that this side ends the connection. */
  goAway(code: Code | 0, reason: string): void {
    this.#frames.goAway(code, reason);
  }

  /** The connection has ended. */
  end(): void {
    this.#hasEnded = true;
    this.#streams.clear();
    this.#lingering.clear();
  }

  #handle(frame: Frame): void {
    const { type, flags, stream, payload } = frame;
    if (type >= FIRST_EXTENSION) return;
    const isOfCall = type >= FrameType.Open && type <= FrameType.Reset;
    if (isOfCall || (type === FrameType.Credit && stream !== 0)) {
      if (stream === 0 || stream > this.#lastStream) {
        throw new ProtocolError(`${frameName(type)} on stream ${stream}, which was never opened`);
      }
    } else if (stream !== 0) {
      throw new ProtocolError(`${frameName(type)} on stream ${stream}: it belongs on stream 0`);
    }
    checkFlags(frame);
    const input = new FieldReader(payload, frameName(type));
    switch (type) {
      case FrameType.Hello:
        return this.#onHello(payload);
      case FrameType.Headers:
        return this.#onHeaders(stream, input);
      case FrameType.Message:
        return this.#onMessage(stream, flags, payload);
      case FrameType.Status:
        return this.#onStatus(stream, flags, input);
      case FrameType.Reset:
        return this.#onReset(stream, flags, input);
      case FrameType.Credit:
        return this.#onCredit(stream, input);
      case FrameType.Ping:
        return this.#onPing(payload);
      case FrameType.Pong:
        return checkPingBytes("PONG", payload);
      case FrameType.GoAway:
        return this.#onGoAway(input);
      default:
        throw new ProtocolError(`${frameName(type)} from a server, which does not send it`);
    }
  }

  #onHello(payload: Uint8Array): void {
    if (this.#peer !== undefined) throw new ProtocolError("HELLO for a second time");
    const peer = readHello(payload);
    this.#peer = peer;
    this.#frameBytes = Math.min(peer.maxFrameBytes, MAX_PART_BYTES);
    this.#backlog.agree(peer.connectionWindow, this.#frameBytes);
    this.#events.push({ type: "hello", peer });
  }

  #onHeaders(stream: number, input: FieldReader): void {
    const state = this.#streams.get(stream);
    if (state === undefined) return;
    if (state.isAnswered) throw new ProtocolError(`HEADERS on stream ${stream}, which was answered already`);
    state.isAnswered = true;
    const metadata = readMetadata(input, this.#settings.maxMetadataBytes);
    input.expectEnd();
    this.#events.push({ type: "headers", stream, metadata });
  }

  #onMessage(stream: number, flags: number, payload: Uint8Array): void {
    const cost = payload.length + FRAME_COST;
    const state = this.#streams.get(stream);
    if (state === undefined) return this.#flow.ignored(cost);
    state.isAnswered = true;
    const { inflow } = state;
    this.#flow.arrived(inflow, cost);
    const hasMore = (flags & Flag.More) !== 0;
    const isPart = hasMore || inflow.assembly !== undefined;
    if (isPart && payload.length === 0) throw new ProtocolError(`MESSAGE of stream ${stream} brings an empty part`);
    const size = payload.length + (inflow.assembly?.size ?? 0);
    if (size > this.#settings.maxMessageBytes) return this.#fail(stream, state, this.#tooLong(size));
    if (!isPart) {
      this.#events.push({ type: "message", stream, message: payload.slice() });
      return;
    }
    inflow.push(payload);
    if (hasMore) return this.#flow.continues(inflow, cost);
    const message = inflow.assembly?.take() ?? EMPTY;
    this.#flow.completed(inflow, inflow.assembled + cost - FRAME_COST - message.length);
    this.#events.push({ type: "message", stream, message });
  }

  #onStatus(stream: number, flags: number, input: FieldReader): void {
    const state = this.#streams.get(stream);
    if (state === undefined) return;
    const status = (flags & Flag.Full) !== 0 ? readStatus(input, this.#settings.maxMetadataBytes) : okStatus();
    const hasMessage = (flags & Flag.Message) !== 0;
    if (!hasMessage) input.expectEnd();
    if (input.left > this.#settings.maxMessageBytes) return this.#fail(stream, state, this.#tooLong(input.left));
    const message = hasMessage ? input.raw(input.left) : undefined;
    const { inflow } = state;
    inflow.isEnded = true;
    if (inflow.assembly !== undefined) {
      if (status.code === 0) throw new ProtocolError(`STATUS OK of stream ${stream} in the middle of a message`);
      this.#flow.abandoned(inflow);
    }
    if (inflow.hasUnread()) this.#lingering.set(stream, inflow);
    this.#streams.delete(stream);
    this.#backlog.forget(state.outflow);
    this.#events.push({ type: "status", stream, status, message });
  }

  #onReset(stream: number, flags: number, input: FieldReader): void {
    const code = input.u8();
    if (input.left > MAX_REASON_BYTES) throw new ProtocolError(`RESET with a reason of ${input.left} bytes, over 1024`);
    const reason = input.text(input.left);
    if (code === 0) throw new ProtocolError(`RESET of stream ${stream} with code OK`);
    const state = this.#streams.get(stream);
    if (state === undefined) return;
    this.#close(stream, state);
    const unprocessed = (flags & Flag.Unprocessed) !== 0;
    this.#events.push({ type: "reset", stream, code: codeOf(code), reason, unprocessed });
  }

  #onCredit(stream: number, input: FieldReader): void {
    const increment = input.u32();
    input.expectEnd();
    if (increment < 1 || increment > MAX_INCREMENT) {
      throw new ProtocolError(`CREDIT of ${increment} bytes is outside 1 to ${MAX_INCREMENT}`);
    }
    if (stream === 0) {
      for (const flow of this.#backlog.grant(increment)) this.#events.push({ type: "sent", stream: flow.stream });
      return;
    }
    const state = this.#streams.get(stream);
    if (state !== undefined && this.#backlog.grantStream(state.outflow, increment)) {
      this.#events.push({ type: "sent", stream });
    }
  }

  #refillPings(now: number): void {
    this.#pings = Math.min(PING_BURST, this.#pings + (now - this.#pingedAt) / this.#settings.minPingIntervalMs);
    this.#pingedAt = now;
  }

  #onPing(payload: Uint8Array): void {
    checkPingBytes("PING", payload);
    if (this.#pings < 1) {
      const text = `too_many_pings: this side wants at most one every ${this.#settings.minPingIntervalMs} ms`;
      throw new ProtocolError(text, Code.ResourceExhausted);
    }
    this.#pings -= 1;
    this.#frames.pong(payload);
  }

  #onGoAway(input: FieldReader): void {
    const last = input.u32();
    const number = input.u8();
    if (last > MAX_STREAM_ID) throw new ProtocolError(`GOAWAY names stream ${last}, beyond any id`);
    if (input.left > MAX_REASON_BYTES) throw new ProtocolError(`GOAWAY with a reason of ${input.left} bytes, over 1024`);
    const reason = input.text(input.left);
    this.#isDraining = true;
    const unprocessed: number[] = [];
    for (const [stream, state] of this.#streams) {
      if (stream <= last) continue;
      unprocessed.push(stream);
      this.#close(stream, state);
    }
    this.#events.push({ type: "goaway", code: number === 0 ? 0 : codeOf(number), reason, unprocessed });
  }

  #tooLong(size: number): string {
    return `a message of ${size} bytes or more is over the limit of ${this.#settings.maxMessageBytes}: ask for less`;
  }

  /** Breaks one call off because of what the server sent. */
  #fail(stream: number, state: Stream, reason: string): void {
    this.#close(stream, state);
    this.#frames.reset(stream, Code.ResourceExhausted, reason);
    this.#events.push({ type: "reset", stream, code: Code.ResourceExhausted, reason, unprocessed: false });
  }

  #close(stream: number, state: Stream): void {
    this.#streams.delete(stream);
    this.#backlog.forget(state.outflow);
    this.#flow.dropped(state.inflow);
  }
}

/** The flags that a server's frame may have. */
const FLAGS = new Map<number, number>([
  [FrameType.Message, Flag.More],
  [FrameType.Status, Flag.Message | Flag.Full],
  [FrameType.Reset, Flag.Unprocessed],
]);

function checkFlags({ type, flags, stream }: Frame): void {
  if ((flags & ~(FLAGS.get(type) ?? 0)) === 0) return;
  const isCompressed = (type === FrameType.Message || type === FrameType.Status) && (flags & Flag.Compressed) !== 0;
  const why = isCompressed ? "a compressed message, but this side offered no compression" : "flags that it does not have";
  throw new ProtocolError(`${frameName(type)} of stream ${stream} with flags 0x${flags.toString(16)}: ${why}`);
}

function checkPingBytes(name: string, payload: Uint8Array): void {
  if (payload.length !== PING_BYTES) throw new ProtocolError(`${name} of ${payload.length} bytes: it takes ${PING_BYTES}`);
}
