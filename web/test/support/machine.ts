/** A machine behind its handshake, and what it makes of bytes. */

import assert from "node:assert/strict";

import type { MachineEvent, Opening } from "../../src/event.ts";
import { ClientMachine } from "../../src/machine.ts";
import { Metadata } from "../../src/metadata.ts";
import { DEFAULT_SETTINGS, type Settings } from "../../src/settings.ts";
import { hello } from "./script.ts";

/** A unary call. */
export const UNARY: Opening = {
  method: 0,
  timeoutUs: -1n,
  metadata: new Metadata(),
  isProtobuf: false,
  request: Uint8Array.of(1, 2),
};
/** A call whose requests follow. */
export const STREAMING: Opening = { ...UNARY, request: undefined };

/** A machine after the handshake, with `calls` open. */
export function ready(calls: readonly Opening[] = [], settings: Partial<Settings> = {}, peer: Record<number, number> = {}): ClientMachine {
  const machine = new ClientMachine({ ...DEFAULT_SETTINGS, ...settings }, 0);
  const { error } = machine.receive(hello(peer), 0);
  assert.equal(error, undefined);
  machine.output.take();
  for (const call of calls) machine.open(call);
  machine.output.take();
  return machine;
}

/** The events of bytes in chunks, which break no rule. */
export function eventsOf(machine: ClientMachine, ...chunks: Uint8Array[]): MachineEvent[] {
  return chunks.flatMap((chunk) => {
    const { events, error } = machine.receive(chunk, 0);
    assert.equal(error, undefined);
    return events;
  });
}
