/** What a user of generated TypeScript meets: init objects, oneofs, maps, helpers, clients, errors. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ClusterClient, JobRefused, NodeFull } from "../gen/cluster_sdk/index.ts";
import { TransportClient, TransportMessage, TransportService } from "../gen/eventflux_transport/index.ts";
import {
  Color,
  KitchenService,
  Maps,
  Nothing,
  Scalars,
  Shape,
  Tree,
  WellKnown,
  type ShapeInit,
} from "../gen/kitchen_package/index.ts";
import { Color as ClosedColor, Order } from "../gen/legacy_package/index.ts";
import type { CallOptions, Transport } from "../src/channel.ts";
import { ErrorInfo } from "../src/declared_error.ts";
import { Code, RpcError } from "../src/error.ts";
import type { Requests } from "../src/feed.ts";
import { CodecError, Reader, Writer } from "../src/message.ts";
import type { Method } from "../src/method.ts";
import {
  Duration,
  StringValue,
  Timestamp,
  anyPack,
  anyUnpack,
  durationFromMs,
  durationMs,
  timestampDate,
  timestampFromDate,
  timestampFromMs,
  timestampMs,
} from "../src/wellknown.ts";

function refused(write: () => unknown): string {
  try {
    write();
  } catch (error) {
    assert(error instanceof CodecError);
    return error.message;
  }
  throw new Error("nothing was refused");
}

test("create fills in what an init object leaves out", () => {
  assert.deepEqual(Shape.create(), { kind: { case: undefined }, name: "", fill: { case: undefined }, layer: 0 });
  const given: ShapeInit = { kind: { case: "circle", value: {} }, layer: 2 };
  const made = Shape.create(given);
  assert.deepEqual(made.kind, { case: "circle", value: { radius: 0 } });
  assert.equal("left" in Tree.create(), false);
  assert.deepEqual(Tree.create({ left: { label: "l" }, children: [{}] }).left, {
    label: "l",
    children: [],
    named: new Map(),
    grafted: { case: undefined },
  });
});

test("create copies what holds other values", () => {
  const children = [Tree.create()];
  const made = Tree.create({ children });
  children.push(Tree.create());
  assert.equal(made.children.length, 1);
  assert.deepEqual(Tree.create(made), made);
});

test("a oneof narrows", () => {
  const { kind } = Shape.create({ kind: { case: "id", value: 7n } });
  switch (kind.case) {
    case "id": {
      const value: bigint = kind.value;
      assert.equal(value, 7n);
      break;
    }
    case "svg": {
      const value: string = kind.value;
      assert.fail(value);
      break;
    }
    default:
      assert.fail(kind.case);
  }
});

test("a map takes an object, entries or a map", () => {
  const headers = new Map([["a", "b"]]);
  for (const given of [{ a: "b" }, headers, [["a", "b"]] as const]) {
    assert.deepEqual(TransportMessage.create({ headers: given }).headers, headers);
  }
  const proto = Maps.fromBinary(Maps.toBinary(Maps.create({ byString: new Map([["__proto__", Tree.create()]]) })));
  assert.deepEqual([...proto.byString.keys()], ["__proto__"]);
  const long = Maps.create({ byInt64: [[2n ** 63n - 1n, new Uint8Array(1)]] });
  assert.deepEqual(Maps.fromBinary(Maps.toBinary(long)), long);
});

test("an enum takes other numbers, unless it is closed", () => {
  const color: Color = Color.RED;
  const newer: Color = 77;
  const made = Scalars.create({ maybeColor: newer, colors: [color, newer] });
  assert.deepEqual(Scalars.fromBinary(Scalars.toBinary(made)), made);
  const order = Order.create({ name: "n", size: 0, main: { id: 1 }, color: ClosedColor.BLUE });
  assert.equal(Order.fromBinary(Order.toBinary(order)).color, -3);
  // @ts-expect-error a closed enum has no such number
  order.color = 77;
  assert.match(refused(() => Order.toBinary(order)), /legacy\.Order\.color: expected a number of its enum; found 77/);
});

test("what no field can carry is refused, with the field and the value", () => {
  const wrong: [Partial<Record<keyof Scalars, unknown>>, RegExp][] = [
    [{ anInt32: 2 ** 31 }, /kitchen\.sink\.Scalars\.anInt32: expected a whole number from -2147483648 .* 2147483648/],
    [{ anInt32: 1.5 }, /found 1\.5/],
    [{ aUint32: -1 }, /aUint32: expected a whole number from 0/],
    [{ anInt64: 5 }, /anInt64: expected a bigint of 64 bits with a sign; found 5/],
    [{ anInt64: 2n ** 63n }, /found 9223372036854775808n/],
    [{ aUint64: -1n }, /without a sign/],
    [{ aFloat: 1e39 }, /aFloat: expected a number that 32 bits can hold/],
    [{ aString: "\ud800" }, /aString: expected a string that UTF-8 can encode/],
    [{ aString: "x".repeat(200), aBool: 1 }, /aBool: expected a boolean; found 1/],
    [{ aBytes: [1] }, /aBytes: expected a Uint8Array; found Array/],
    [{ doubles: null }, /doubles: expected an array; found null/],
    [{ strings: [undefined] }, /strings: expected a string; found undefined/],
  ];
  for (const [fields, message] of wrong) {
    const made = { ...Scalars.create(), ...fields } as Scalars;
    assert.match(refused(() => Scalars.toBinary(made)), message);
    assert.match(refused(() => Scalars.writeNative(made, new Writer())), message);
  }
  const shape = { ...Shape.create(), kind: { case: "sphere", value: 1 } } as unknown as Shape;
  assert.match(refused(() => Shape.toBinary(shape)), /Shape\.kind: expected a case out of circle, .*; found "sphere"/);
});

test("a refused message leaves a writer as it was, once it is rewound", () => {
  const out = new Writer();
  out.u32(7);
  refused(() => Tree.writeNative({ ...Tree.create(), left: { label: 1 } as unknown as Tree }, out));
  out.rewind(4);
  Nothing.writeNative({}, out);
  assert.deepEqual([...out.take()], [7, 0, 0, 0]);
});

test("messages nest a hundred levels deep, and no further", () => {
  let tree = Tree.create();
  for (let depth = 0; depth < 100; depth++) tree = { ...Tree.create(), left: tree };
  assert.deepEqual(Tree.fromBinary(Tree.toBinary(tree)), tree);
  const deeper = { ...Tree.create(), left: tree };
  assert.match(refused(() => Tree.toBinary(deeper)), /nested more than 100 levels deep/);
  assert.match(refused(() => Tree.writeNative(deeper, new Writer())), /nested more than 100 levels deep/);
  const json = WellKnown.create({ value: [] });
  (json.value as unknown[]).push(json.value);
  assert.match(refused(() => WellKnown.toBinary(json)), /nested more than 100 levels deep/);
});

test("what a type does not know is kept, and written again", () => {
  const unknown = Uint8Array.of(0xa0, 0x06, 0x01);
  const read = Nothing.fromBinary(unknown);
  assert.deepEqual(read.$unknown, unknown);
  assert.deepEqual(Nothing.toBinary(Nothing.create(read)), unknown);
  const out = new Writer();
  Nothing.writeNative(read, out);
  assert.equal(out.take().length, 0);
});

test("a reader does not believe lengths", () => {
  const huge = new Writer();
  huge.u64(2n ** 63n);
  assert.match(
    refused(() => TransportMessage.readNative(new Reader(huge.take()))),
    /TransportMessage\.id: the length at byte 0 is 9223372036854775808, but the input has room for 0/,
  );
});

test("what is read does not share the input", () => {
  const data = Buffer.from(TransportMessage.toBinary(TransportMessage.create({ payload: Uint8Array.of(1, 2) })));
  const { payload } = TransportMessage.fromBinary(data);
  data.fill(0);
  assert.deepEqual(payload, Uint8Array.of(1, 2));
});

test("the types of protobuf are what one expects", () => {
  const date = new Date(-1);
  const at = timestampFromDate(date);
  assert.deepEqual(at, { seconds: -1n, nanos: 999_000_000 });
  assert.deepEqual(timestampDate(at), date);
  assert.equal(timestampMs(timestampFromMs(1.5)), 1);
  assert.deepEqual(durationFromMs(-1500.25), { seconds: -1n, nanos: -500_250_000 });
  assert.equal(durationMs(durationFromMs(-1500.25)), -1500.25);
  const made = WellKnown.create({
    at,
    anything: anyPack(Duration, durationFromMs(1)),
    json: { a: [1, null, { b: true }] },
    value: null,
    text: "",
    number: -1n,
    empty: {},
  });
  const read = WellKnown.fromBinary(WellKnown.toBinary(made));
  assert.deepEqual(read, made);
  assert.deepEqual(read.anything && anyUnpack(read.anything, Duration), { seconds: 0n, nanos: 1_000_000 });
  assert.equal(read.anything && anyUnpack(read.anything, Timestamp), undefined);
  assert.equal(StringValue.fromBinary(StringValue.toBinary("x")), "x");
});

async function collected<T>(items: Requests<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

interface Call {
  readonly method: Method<unknown, unknown>;
  readonly requests: unknown[];
  readonly options: CallOptions | undefined;
}

/** Notes what it is asked for, and answers with an empty message. */
class Recorder implements Transport {
  readonly calls: Call[] = [];

  async unary<I, O>(method: Method<I, O>, request: I, options?: CallOptions): Promise<O> {
    this.note(method, [request], options);
    return method.output.create();
  }

  async *serverStream<I, O>(method: Method<I, O>, request: I, options?: CallOptions): AsyncIterable<O> {
    this.note(method, [request], options);
    yield method.output.create();
  }

  async clientStream<I, O>(method: Method<I, O>, requests: Requests<I>, options?: CallOptions): Promise<O> {
    this.note(method, await collected(requests), options);
    return method.output.create();
  }

  async *bidiStream<I, O>(method: Method<I, O>, requests: Requests<I>, options?: CallOptions): AsyncIterable<O> {
    this.note(method, await collected(requests), options);
    yield method.output.create();
  }

  private note<I, O>(method: Method<I, O>, requests: unknown[], options: CallOptions | undefined): void {
    this.calls.push({ method: method as unknown as Method<unknown, unknown>, requests, options });
  }
}

test("a client makes whole messages of what it is given", async () => {
  const transport = new Recorder();
  const client = new TransportClient(transport);
  const reply: TransportMessage = await client.sendMessage({ id: "a" }, { timeoutMs: 5 });
  assert.deepEqual(reply, TransportMessage.create());
  for await (const message of client.streamEvents({ nodeId: "n" })) assert.equal(message.id, "");
  async function* outgoing() {
    yield { id: "1" };
    yield { id: "2" };
  }
  for await (const message of client.streamMessages(outgoing())) assert.equal(message.id, "");
  for await (const message of client.streamMessages([{ id: "3" }])) assert.equal(message.id, "");
  assert.deepEqual(
    transport.calls.map((call) => [call.method.path, call.method.kind, call.requests.length, call.options]),
    [
      ["/eventflux.transport.Transport/SendMessage", "unary", 1, { timeoutMs: 5 }],
      ["/eventflux.transport.Transport/StreamEvents", "server_streaming", 1, undefined],
      ["/eventflux.transport.Transport/StreamMessages", "bidi_streaming", 2, undefined],
      ["/eventflux.transport.Transport/StreamMessages", "bidi_streaming", 1, undefined],
    ],
  );
  assert.deepEqual(transport.calls[2]?.requests[1], TransportMessage.create({ id: "2" }));
  const { heartbeat, sendMessage } = TransportService.methods;
  assert.deepEqual([heartbeat.idempotent, heartbeat.timeoutMs], [true, 10_000]);
  assert.deepEqual([sendMessage.idempotent, sendMessage.timeoutMs], [false, undefined]);
  assert.deepEqual([KitchenService.methods.gather.prefersProtobuf, sendMessage.prefersProtobuf], [true, false]);
});

function failure(code: Code, reason: string, metadata: Record<string, string>): RpcError {
  const info = ErrorInfo.create({ reason, domain: "acme.cluster.v1", metadata: new Map(Object.entries(metadata)) });
  const detail = { typeUrl: "type.googleapis.com/google.rpc.ErrorInfo", value: ErrorInfo.toBinary(info) };
  return new RpcError("no room", code, { details: [detail] });
}

test("a declared error narrows, with its fields", () => {
  const told = { retry_in_s: "1.5", node: "n", free_cpus: "3" };
  const found = NodeFull.fromError(failure(Code.ResourceExhausted, "NODE_FULL", told));
  assert(found instanceof NodeFull && found instanceof RpcError && found instanceof Error);
  assert.deepEqual([found.retryInS, found.node, found.freeCpus, found.code], [1.5, "n", 3, Code.ResourceExhausted]);
  assert.deepEqual([found.name, found.rawMessage, found.details.length], ["NodeFull", "no room", 1]);
  assert.equal(NodeFull.fromError(failure(Code.ResourceExhausted, "NODE_FULL", {}))?.freeCpus, undefined);
  assert.equal(NodeFull.fromError(failure(Code.Aborted, "NODE_FULL", told)), undefined);
  assert.equal(NodeFull.fromError(failure(Code.ResourceExhausted, "OTHER", told)), undefined);
  assert.equal(NodeFull.fromError(failure(Code.ResourceExhausted, "NODE_FULL", { retry_in_s: "soon" })), undefined);
  const refusal = JobRefused.fromError(
    failure(Code.FailedPrecondition, "JOB_REFUSED", {
      job: '{"name":"j"}',
      state: "NODE_STATE_FULL",
      states: '["NODE_STATE_READY",7]',
      codes: '["9223372036854775807"]',
      digest: "AAE=",
      is_final: "true",
      limit: "18446744073709551615",
      share: "-Infinity",
      message: "m",
    }),
  );
  assert.deepEqual(
    [refusal?.job, refusal?.state, refusal?.states, refusal?.codes, refusal?.digest],
    [{ name: "j" }, 2, [1, 7], [2n ** 63n - 1n], Uint8Array.of(0, 1)],
  );
  assert.deepEqual(
    [refusal?.isFinal, refusal?.limit, refusal?.share, refusal?.message$, refusal?.class],
    [true, 2n ** 64n - 1n, -Infinity, "m", undefined],
  );
  assert(new ClusterClient(new Recorder()) instanceof ClusterClient);
});
