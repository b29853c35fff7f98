import type { MessageType, TransportClient, TransportMessage } from "../../generated/index.ts";
import { delay } from "./delay.ts";
import { describeFailure } from "./failure.ts";

const FIRST_DELAY_MS = 500;
const LAST_DELAY_MS = 8000;

/** How a subscription stands. */
export type SubscriptionState =
  | { readonly kind: "subscribing" }
  | { readonly kind: "live" }
  | { readonly kind: "failed"; readonly reason: string; readonly retryAt: number };

/** Told what a subscription brings. */
export interface Subscriber {
  onEvent(event: TransportMessage): void;
  onState(state: SubscriptionState): void;
}

/** Takes a node's events of some types, none: of all, until `signal` aborts; subscribes again where that ends. */
export async function keepSubscribed(
  client: TransportClient,
  nodeId: string,
  messageTypes: MessageType[],
  subscriber: Subscriber,
  signal: AbortSignal,
): Promise<void> {
  let delayMs = FIRST_DELAY_MS;
  while (!signal.aborted) {
    subscriber.onState({ kind: "subscribing" });
    let reason = "the node ended the subscription";
    const onHeader = (): void => {
      delayMs = FIRST_DELAY_MS;
      subscriber.onState({ kind: "live" });
    };
    try {
      const request = messageTypes.length > 0 ? { nodeId, filter: { messageTypes } } : { nodeId };
      for await (const event of client.streamEvents(request, { signal, onHeader })) subscriber.onEvent(event);
    } catch (error) {
      reason = describeFailure(error);
    }
    if (signal.aborted) return;
    subscriber.onState({ kind: "failed", reason, retryAt: Date.now() + delayMs });
    await delay(delayMs, signal);
    delayMs = Math.min(LAST_DELAY_MS, delayMs * 2);
  }
}
