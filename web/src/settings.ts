/** What the two HELLO frames say: the limits of this side, and those of the server with the methods it serves. */

import { Code } from "./error.ts";
import { FieldReader, FrameType, PREFACE, ProtocolError } from "./frame.ts";
import { Writer } from "./writer.ts";

/** What this side takes from the server. Whole numbers; `checkSettings` has their ranges. */
export interface Settings {
  /** Bytes of payload of one frame, 16,384 to 16,777,216. */
  readonly maxFrameBytes: number;
  /** Bytes of one message. */
  readonly maxMessageBytes: number;
  /** Bytes of one metadata block. */
  readonly maxMetadataBytes: number;
  /** Bytes of messages that one stream holds ahead of its reader, at least 16,384. */
  readonly streamWindow: number;
  /** Bytes of messages that all streams hold ahead of their readers, at least `streamWindow`. */
  readonly connectionWindow: number;
  /** Milliseconds between pings of the server, averaged over ten of them. */
  readonly minPingIntervalMs: number;
}

export const DEFAULT_SETTINGS: Settings = {
  maxFrameBytes: 65_536,
  maxMessageBytes: 64 * 1024 * 1024,
  maxMetadataBytes: 16_384,
  streamWindow: 1024 * 1024,
  connectionWindow: 80 * 1024 * 1024,
  minPingIntervalMs: 100,
};

const GREATEST = 2 ** 31 - 1;
const MAX_METHODS = 32_767;
const MAJOR = 1;
const MINOR = 0;
const PROTOBUF = 1n;

/** Keys of HELLO, with what a peer that leaves one out means, the least that it may say, and the most that we use. */
const KEYS: readonly (readonly [name: keyof PeerLimits, initial: number, least: number, most: number])[] = [
  ["maxFrameBytes", 16_384, 16_384, GREATEST],
  ["maxMessageBytes", 4_194_304, 1, GREATEST],
  ["maxStreams", 100, 0, GREATEST],
  ["maxMetadataBytes", 8_192, 0, GREATEST],
  ["streamWindow", 65_536, 16_384, GREATEST],
  ["connectionWindow", 1_048_576, 16_384, GREATEST],
  ["minPingIntervalMs", 1000, 0, GREATEST],
];
const FEATURES_KEY = 8;

/** What the server takes from us. */
export interface PeerLimits {
  maxFrameBytes: number;
  maxMessageBytes: number;
  maxStreams: number;
  maxMetadataBytes: number;
  streamWindow: number;
  connectionWindow: number;
  minPingIntervalMs: number;
}

/** A method as the server lists it. */
export interface ServedMethod {
  readonly id: number;
  readonly fingerprint: bigint;
}

/** What the server's HELLO says. */
export interface Peer extends Readonly<PeerLimits> {
  /** Whether messages can be protobuf. */
  readonly hasProtobuf: boolean;
  /** By path. */
  readonly methods: ReadonlyMap<string, ServedMethod>;
}

/** @throws RangeError a setting is outside its range; the text names both. */
export function checkSettings(settings: Settings): Settings {
  checkRange("maxFrameBytes", settings.maxFrameBytes, 16_384, 2 ** 24);
  checkRange("maxMessageBytes", settings.maxMessageBytes, 1, GREATEST);
  checkRange("maxMetadataBytes", settings.maxMetadataBytes, 2, settings.maxFrameBytes - 4096);
  checkRange("streamWindow", settings.streamWindow, 16_384, GREATEST);
  checkRange("connectionWindow", settings.connectionWindow, settings.streamWindow, GREATEST);
  checkRange("minPingIntervalMs", settings.minPingIntervalMs, 1, GREATEST);
  return settings;
}

function checkRange(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new RangeError(`${name} has to be a whole number from ${least} to ${most}, not ${value}`);
}

/** Preface and HELLO of this side. */
export function greeting(settings: Settings): Uint8Array<ArrayBuffer> {
  const out = new Writer();
  out.raw(PREFACE);
  out.u32(0);
  out.u8(FrameType.Hello);
  out.u8(0);
  out.u32(0);
  const start = out.pos;
  out.u16(MAJOR);
  out.u16(MINOR);
  out.u16(KEYS.length + 1);
  const values: Readonly<Record<keyof PeerLimits, number>> = { ...settings, maxStreams: 0 };
  KEYS.forEach(([name], index) => {
    out.u16(index + 1);
    out.u64(BigInt(values[name]));
  });
  out.u16(FEATURES_KEY);
  out.u64(PROTOBUF);
  out.u8(0); // no compressions: nothing that browsers have decompresses what this protocol offers
  out.u16(0);
  out.patchU32(PREFACE.length, out.pos - start);
  return out.take();
}

/** Reads the server's HELLO. @throws ProtocolError it breaks a rule, or is of another major version. */
export function readHello(payload: Uint8Array): Peer {
  const input = new FieldReader(payload, "HELLO");
  const major = input.u16();
  const minor = input.u16();
  if (major !== MAJOR) {
    const text = `the server speaks version ${major}.${minor} of the protocol, this client ${MAJOR}.${MINOR}: update one`;
    throw new ProtocolError(text, Code.Unimplemented);
  }
  const limits = Object.fromEntries(KEYS.map(([name, initial]) => [name, initial])) as unknown as PeerLimits;
  let features = 0n;
  for (let left = input.u16(); left > 0; left--) {
    const key = input.u16();
    const value = input.u64();
    const known = KEYS[key - 1];
    if (key === FEATURES_KEY) features = value;
    else if (known !== undefined) limits[known[0]] = limitOf(known, value);
  }
  input.raw(input.u8());
  const methods = readMethods(input);
  input.expectEnd();
  return { ...limits, hasProtobuf: (features & PROTOBUF) !== 0n, methods };
}

function limitOf([name, , least, most]: (typeof KEYS)[number], value: bigint): number {
  if (value < BigInt(least)) throw new ProtocolError(`HELLO says ${name} ${value}, the least is ${least}`);
  return value > BigInt(most) ? most : Number(value);
}

function readMethods(input: FieldReader): Map<string, ServedMethod> {
  const methods = new Map<string, ServedMethod>();
  const count = input.u16();
  if (count > MAX_METHODS) throw new ProtocolError(`HELLO lists ${count} methods, over the limit of ${MAX_METHODS}`);
  for (let id = 0; id < count; id++) {
    const path = input.text(input.u16());
    if (methods.has(path)) throw new ProtocolError(`HELLO lists ${path} twice`);
    methods.set(path, { id, fingerprint: input.u64() });
  }
  return methods;
}
