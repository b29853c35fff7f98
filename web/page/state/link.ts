import type { Transport } from "../../src/index.ts";

/** How the connection to a node stands. */
export type LinkState =
  | { readonly kind: "connecting" }
  | { readonly kind: "ready" }
  /** It was lost, or could not be made; the next attempt is at `retryAt`, in milliseconds since the epoch. */
  | { readonly kind: "waiting"; readonly retryAt: number; readonly reason: string }
  | { readonly kind: "closed" };

/** What the page needs of a connection to a node: calls, and how it stands. */
export interface Link {
  readonly url: string;
  readonly transport: Transport;
  readonly state: LinkState;
  /** Calls back at each change of the state, until `signal` aborts. */
  watch(onChange: () => void, signal: AbortSignal): void;
  /** Makes the next attempt now. */
  retry(): void;
  close(): void;
}

/** Opens a link to the node at a URL; it connects when it is first used. */
export type OpenLink = (url: string) => Link;
