import { Code, Metadata, RpcError, type CallOptions, type Method, type Transport } from "../../src/index.ts";
import { HeartbeatResponse, MessageType, NodeHealth, TransportMessage } from "../../generated/index.ts";
import { delay } from "../state/delay.ts";
import { randomId } from "../state/draft.ts";

const encoder = new TextEncoder();

/** How a node that is not there behaves. */
export interface FakeNode {
  readonly name: string;
  readonly health: NodeHealth;
  readonly eventsPerSecond: number;
  readonly isOffline: boolean;
}

/** Answers as a node would, so that the page can be looked at without one. */
export class FakeTransport implements Transport {
  private readonly node: FakeNode;
  private readonly started = Date.now() - 273_000_000;

  constructor(node: FakeNode) {
    this.node = node;
  }

  async unary<I, O>(method: Method<I, O>, request: I, options?: CallOptions): Promise<O> {
    await delay(0.6 + Math.random() ** 8 * 9, options?.signal ?? new AbortController().signal);
    if (this.node.isOffline) throw new RpcError("the connection could not be made", Code.Unavailable);
    if (method.path.endsWith("/Heartbeat")) return this.heartbeat() as O;
    const sent = request as unknown as TransportMessage;
    if (sent.priority === 9) throw new RpcError("nothing of that priority is taken", Code.InvalidArgument);
    return { ...sent, id: randomId(), messageType: MessageType.ACKNOWLEDGMENT } as O;
  }

  async *serverStream<I, O>(_method: Method<I, O>, _request: I, options?: CallOptions): AsyncIterable<O> {
    const signal = options?.signal ?? new AbortController().signal;
    options?.onHeader?.(new Metadata());
    let seconds = 0;
    while (!signal.aborted) {
      await delay(100, signal);
      seconds += 0.1;
      const rate = this.node.eventsPerSecond * (1 + 0.5 * Math.sin(seconds / 7) + 0.3 * Math.random());
      for (let count = 0; count < rate / 10; count++) yield event(this.node.name, count) as O;
    }
  }

  clientStream<_I, O>(): Promise<O> {
    throw new RpcError("the page makes no such call", Code.Unimplemented);
  }

  bidiStream<_I, O>(): AsyncIterable<O> {
    throw new RpcError("the page makes no such call", Code.Unimplemented);
  }

  private heartbeat(): HeartbeatResponse {
    const { name, health, eventsPerSecond } = this.node;
    const uptime = String(Math.floor((Date.now() - this.started) / 1000));
    const serverStatus = {
      health,
      cpuUsage: 18 + 10 * Math.random(),
      memoryUsage: health === NodeHealth.DEGRADED ? 96.2 : 41.3,
      activeConnections: 4,
      eventsPerSecond: BigInt(Math.round(eventsPerSecond)),
      version: "0.1.0",
      metadata: new Map([["uptime_s", uptime]]),
    };
    return HeartbeatResponse.create({ serverTimestamp: BigInt(Date.now()), serverNodeId: name, serverStatus });
  }
}

const STREAMS = ["trades", "quotes", "sensors", "alerts"];
const SYMBOLS = ["AAPL", "MSFT", "NVDA", "ASML", "SAP"];

function event(source: string, count: number): TransportMessage {
  const stream = STREAMS[Math.floor(Math.random() * STREAMS.length)] ?? "trades";
  const types = [MessageType.EVENT, MessageType.EVENT, MessageType.EVENT, MessageType.STATE, MessageType.CONTROL];
  const symbol = SYMBOLS[Math.floor(Math.random() * SYMBOLS.length)];
  const text = JSON.stringify({ symbol, price: Number((100 + 40 * Math.random()).toFixed(2)), quantity: 100 + count });
  return TransportMessage.create({
    id: randomId(),
    messageType: types[Math.floor(Math.random() * types.length)] ?? MessageType.EVENT,
    payload: stream === "alerts" ? crypto.getRandomValues(new Uint8Array(48)) : encoder.encode(text),
    headers: new Map([["stream", stream], ["partition", String(count % 4)]]),
    timestamp: BigInt(Date.now()),
    sourceNode: source,
  });
}
