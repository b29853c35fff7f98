/** Calls of every kind, which the tests make in a browser: they call `probe`, and compare what comes back as JSON. */
import { type CallOptions, type Channel, codeName, connect, type Metadata, RpcError } from "eventflux-transport";
import { InventoryClient } from "./inventory/index.ts";
import { InventoryClient as OlderClient } from "./older/index.ts";
import { TransportClient } from "./transport/index.ts";

const channels = new Map<string, Channel>();

/** The channel to a URL; one for all calls, as a program has it. */
function channelTo(url: string): Channel {
  let channel = channels.get(url);
  if (channel === undefined) {
    channel = connect(url);
    channels.set(url, channel);
  }
  return channel;
}

const inventory = (url: string): InventoryClient => new InventoryClient(channelTo(url));

/** Numbers of 64 bits have no place in JSON, and maps have none either. */
function plain(value: unknown): unknown {
  const text = JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === "bigint") return `${part}n`;
    if (part instanceof Map) return Object.fromEntries(part);
    return part;
  });
  return JSON.parse(text) as unknown;
}

/** What a call came to: its value, or how it failed. */
async function outcomeOf(call: () => Promise<unknown>): Promise<unknown> {
  try {
    return { value: plain(await call()) };
  } catch (error) {
    if (!(error instanceof RpcError)) return { thrown: String(error) };
    return { code: codeName(error.code), text: error.rawMessage, trailers: Object.fromEntries(error.metadata) };
  }
}

function metadataOf(options: CallOptions, names: string[]): { options: CallOptions; seen: Record<string, string | null> } {
  const seen: Record<string, string | null> = {};
  const note = (metadata: Metadata): void => {
    for (const name of names) seen[name] ??= metadata.get(name) ?? null;
  };
  return { options: { ...options, onHeader: note, onTrailer: note }, seen };
}

const probe = {
  unary: (url: string, sku: string, timeoutMs?: number) =>
    outcomeOf(() => inventory(url).getItem({ sku }, timeoutMs === undefined ? {} : { timeoutMs })),

  metadata: (url: string) =>
    outcomeOf(async () => {
      const { options, seen } = metadataOf({ headers: { echo: "text" } }, ["echoed", "trailing"]);
      await inventory(url).getItem({ sku: "ladder" }, options);
      return seen;
    }),

  clientStream: (url: string, sequences: string[]) =>
    outcomeOf(() => {
      async function* changes() {
        for (const sequence of sequences) yield { sku: "ladder", sequence: BigInt(sequence) };
      }
      return inventory(url).recordChanges(changes());
    }),

  /** Takes the first changes of a stream that has no end, and leaves it. */
  serverStream: (url: string, count: number) =>
    outcomeOf(async () => {
      const taken: bigint[] = [];
      for await (const change of inventory(url).watchItems({ skus: ["ladder"] })) {
        taken.push(change.sequence);
        if (taken.length === count) break;
      }
      return { first: taken[0], last: taken.at(-1), isOrdered: taken.every((one, index) => one === BigInt(index)) };
    }),

  /** Sends a reservation only when the one before it is answered. */
  bidiStream: (url: string, skus: string[]) =>
    outcomeOf(async () => {
      const left = [...skus];
      let answered: () => void = () => undefined;
      async function* reservations() {
        for (let sku = left.shift(); sku !== undefined; sku = left.shift()) {
          const answer = new Promise<void>((resolve) => (answered = resolve));
          yield { sku, count: 1 };
          await answer;
        }
      }
      const outcomes: unknown[] = [];
      for await (const { outcome } of inventory(url).reserve(reservations())) {
        outcomes.push(outcome);
        answered();
      }
      return outcomes;
    }),

  /** Aborts a stream once its first change is there. */
  cancel: (url: string) =>
    outcomeOf(async () => {
      const stop = new AbortController();
      for await (const _ of inventory(url).watchItems({ skus: ["quiet"] }, { signal: stop.signal })) stop.abort();
    }),

  older: (url: string) =>
    outcomeOf(async () => {
      const client = new OlderClient(channelTo(url));
      const item = await client.getItem({ sku: "ladder" });
      const changes: string[] = [];
      for await (const change of client.watchItems({ skus: ["ladder"] })) {
        changes.push(`${change.shelf}:${change.change.case}`);
        if (changes.length === 3) break;
      }
      return { sku: item.sku, price: item.priceCents, origin: item.origin, hasTags: "tags" in item, changes };
    }),

  /** Publishes a message to a node, and gives the time that it has in the event that comes of it. */
  timestamp: (url: string, timestamp: string) =>
    outcomeOf(async () => {
      const client = new TransportClient(channelTo(url));
      const publish = (): void => void client.sendMessage({ id: "exact", timestamp: BigInt(timestamp) });
      for await (const event of client.streamEvents({}, { onHeader: publish })) return event.timestamp;
      return undefined;
    }),

  large: (url: string, bytes: number) =>
    outcomeOf(async () => {
      const payload = new Uint8Array(bytes).map((_, index) => index % 251);
      const client = new TransportClient(channelTo(url));
      const publish = (): void => void client.sendMessage({ id: "large", payload });
      for await (const event of client.streamEvents({}, { onHeader: publish })) {
        return event.payload.length === bytes && event.payload.every((byte, index) => byte === index % 251);
      }
      return false;
    }),

  status: (url: string) => channelTo(url).state,
};

export type Probe = typeof probe;
Object.assign(globalThis, { probe });
