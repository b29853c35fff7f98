/** The server's side of the protocol by hand: what tests send over a socket in memory, and what came from the client. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { type CallOptions, Channel, type ChannelOptions } from "../../src/channel.ts";
import { RpcError } from "../../src/error.ts";
import { Flag, FrameType } from "../../src/frame.ts";
import { Writer } from "../../src/message.ts";
import type { Method } from "../../src/method.ts";
import { ManualClock, type MemoryPeer, memorySockets, settled } from "../../src/testing.ts";
import { EVENTS, INPUT, SEND, STREAM, TransportMessage } from "./messages.ts";

const ROOT = process.env["EVENTFLUX_ROOT"] ?? new URL("../../../..", import.meta.url).pathname;

export function bytesOf(...parts: (number | string | Uint8Array)[]): Uint8Array<ArrayBuffer> {
  const out = new Writer();
  for (const part of parts) {
    if (typeof part === "number") out.u8(part);
    else out.raw(typeof part === "string" ? new TextEncoder().encode(part) : part);
  }
  return out.take();
}

export function u16(value: number): Uint8Array {
  return Uint8Array.of(value & 255, value >> 8);
}

export function u32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

export function u64(value: bigint): Uint8Array {
  return new Uint8Array(BigUint64Array.of(value).buffer);
}

export function frame(type: number, flags: number, stream: number, ...payload: (number | string | Uint8Array)[]): Uint8Array {
  const body = bytesOf(...payload);
  return bytesOf(u32(body.length), type, flags, u32(stream), body);
}

/** A metadata block. */
export function block(...pairs: [string, string][]): Uint8Array {
  const body = bytesOf(
    u16(pairs.length),
    ...pairs.flatMap(([key, value]) => [key.length, key, u32(value.length), value]),
  );
  return bytesOf(u32(body.length), body);
}

/** A full status without details and trailers. */
export function status(code: number, text: string): Uint8Array {
  return bytesOf(code, u32(text.length), text, u16(0), block());
}

export const METHODS: readonly Method<any, any>[] = [SEND, STREAM, EVENTS, INPUT];

/** The payload of a HELLO that serves `METHODS`, with settings by their keys. */
export function helloPayload(settings: Record<number, number> = {}, features = 1): Uint8Array {
  const pairs = Object.entries({ 3: 100, ...settings, 8: features });
  return bytesOf(
    u16(1),
    u16(0),
    u16(pairs.length),
    ...pairs.flatMap(([key, value]) => [u16(Number(key)), u64(BigInt(value))]),
    0,
    u16(METHODS.length),
    ...METHODS.flatMap(({ path, fingerprint }) => [u16(path.length), path, u64(fingerprint)]),
  );
}

export function hello(settings: Record<number, number> = {}, features = 1): Uint8Array {
  return bytesOf("EFT1", frame(FrameType.Hello, 0, 0, helloPayload(settings, features)));
}

export interface Sent {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Uint8Array;
}

/** The frames that the client has sent since this was asked last, without the preface. */
export function framesOf(bytes: Uint8Array): Sent[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const frames: Sent[] = [];
  let at = bytes[0] === 0x45 ? 4 : 0;
  while (at < bytes.length) {
    const size = view.getUint32(at, true);
    assert.ok(at + 10 + size <= bytes.length, "the client sends whole frames");
    const payload = bytes.slice(at + 10, at + 10 + size);
    frames.push({ type: bytes[at + 4] ?? 0, flags: bytes[at + 5] ?? 0, stream: view.getUint32(at + 6, true), payload });
    at += 10 + size;
  }
  return frames;
}

/** The code and the reason of the GOAWAY or RESET that is the last of these frames. */
export function reasonOf(frames: readonly Sent[]): { code: number | undefined; reason: string } {
  const last = frames.at(-1);
  assert.ok(last !== undefined);
  const at = last.type === FrameType.GoAway ? 4 : 0;
  return { code: last.payload[at], reason: new TextDecoder().decode(last.payload.slice(at + 1)) };
}

/** A message in the native layout. */
export function encoded(init: Partial<TransportMessage> = {}): Uint8Array {
  const out = new Writer();
  TransportMessage.writeNative(TransportMessage.create(init), out);
  return out.take();
}

/** What a server answers a unary call with. */
export function answer(stream: number, init: Partial<TransportMessage> = {}): Uint8Array {
  return frame(FrameType.Status, Flag.Message, stream, encoded(init));
}

/** The error of a call that fails. */
export async function failure(promise: Promise<unknown>): Promise<RpcError> {
  const error: unknown = await promise.then(
    () => assert.fail("the call did not fail"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof RpcError, String(error));
  return error;
}

export function goAway(last: number, code: number, reason: string): Uint8Array {
  return frame(FrameType.GoAway, 0, 0, u32(last), code, reason);
}

/** A channel over sockets in memory, whose clock stands still. */
export class Rig {
  readonly clock = new ManualClock();
  readonly peers: MemoryPeer[] = [];
  readonly channel: Channel;
  readonly states: string[] = [];
  /** What each new socket meets; undefined: nothing, the test sees to it. */
  greet: ((peer: MemoryPeer) => void) | undefined = (peer) => {
    peer.open();
    peer.send(hello());
  };

  constructor(options: ChannelOptions = {}) {
    const sockets = memorySockets((peer) => {
      this.peers.push(peer);
      this.greet?.(peer);
    });
    this.channel = new Channel(sockets, { clock: this.clock, random: () => 0.5, keepalive: false, ...options });
    this.channel.onStatus(({ state }) => this.states.push(state));
  }

  /** A unary call, whose outcome the test looks at later. */
  call(options: CallOptions = {}): Promise<TransportMessage> {
    const pending = this.channel.unary(SEND, TransportMessage.create(), options);
    pending.catch(() => undefined);
    return pending;
  }

  /** Has nothing happen on its own from the next socket on. */
  byHand(): void {
    this.greet = undefined;
  }

  /** The newest connection. */
  get peer(): MemoryPeer {
    const peer = this.peers.at(-1);
    assert.ok(peer !== undefined, "nothing has connected");
    return peer;
  }

  /** What the client has sent on a connection, the newest unless given, but for HELLO and CREDIT. */
  async heard(peer?: MemoryPeer): Promise<Sent[]> {
    await settled();
    const frames = framesOf((peer ?? this.peer).take());
    return frames.filter(({ type }) => type !== FrameType.Hello && type !== FrameType.Credit);
  }

  /** Closes the channel, and checks that nothing of it is left. */
  async close(): Promise<void> {
    await this.channel.close();
    await settled();
    assert.equal(this.clock.running, 0, "timers are left");
  }
}

/** The blocks of docs/protocol.md that are marked `hex NAME`. */
export function vectors(): Map<string, Uint8Array> {
  const page = readFileSync(`${ROOT}/docs/protocol.md`, "utf-8");
  const found = new Map<string, Uint8Array>();
  for (const [, name = "", text = ""] of page.matchAll(/^```hex (\S+)\n(.*?)^```$/gms)) {
    const hex = text.split("\n").flatMap((line) => line.match(/^(?:[0-9a-f]{2}(?: {1,2}|$))+/)?.[0].trim().split(/ +/) ?? []);
    found.set(name, Uint8Array.from(hex, (pair) => parseInt(pair, 16)));
  }
  return found;
}
