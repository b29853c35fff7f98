import { Channel, webSocket } from "../src/index.ts";
import { start } from "./app.ts";
import type { Link, LinkState } from "./state/link.ts";
import { browserStore } from "./state/store.ts";

/** A link over a channel of its own. */
function openLink(url: string): Link {
  const channel = new Channel(webSocket(url));
  let state = stateOf(channel);
  const listeners = new Set<() => void>();
  channel.onStatus(() => {
    state = stateOf(channel);
    for (const listener of listeners) listener();
  });
  return {
    url,
    transport: channel,
    get state() {
      return state;
    },
    watch(onChange, signal) {
      listeners.add(onChange);
      signal.addEventListener("abort", () => listeners.delete(onChange));
    },
    retry: () => channel.connect(),
    close: () => void channel.close(),
  };
}

function stateOf(channel: Channel): LinkState {
  const { state, error, retryInMs } = channel.status;
  if (state === "idle") return { kind: "connecting" };
  if (state !== "waiting") return { kind: state };
  return { kind: state, retryAt: Date.now() + (retryInMs ?? 0), reason: error?.rawMessage ?? "" };
}

/** The URL of the WebSocket of the node that served this page. */
function ownUrl(): string {
  const path = document.querySelector<HTMLMetaElement>('meta[name="eventflux-socket"]')?.content ?? "/";
  const url = new URL(path, location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

start(ownUrl(), openLink, browserStore);
