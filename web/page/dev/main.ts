/** Looks at the page without a node: `?rate=5000&state=waiting&empty` in the address choose what it shows. */
import { NodeHealth } from "../../generated/index.ts";
import { start } from "../app.ts";
import type { Link, LinkState } from "../state/link.ts";
import { browserStore } from "../state/store.ts";
import { FakeTransport, type FakeNode } from "./fake_transport.ts";

const query = new URLSearchParams(location.search);
const rate = Number(query.get("rate") ?? "40");
const theme = query.get("theme");
if (theme !== null) browserStore.write("theme", theme);
const others = query.has("others") ? ["ws://10.0.0.7:7070/", "ws://10.0.0.8:7070/", "ws://10.0.0.9:7070/"] : [];
browserStore.write("nodes", JSON.stringify(others));

function nodeAt(url: string): FakeNode {
  const strained = { name: "edge-lisbon", health: NodeHealth.DEGRADED, eventsPerSecond: 8, isOffline: false };
  if (url.includes("0.0.8")) return strained;
  if (url.includes("0.0.9")) return { ...strained, isOffline: true };
  const name = url.includes("0.0.7") ? "edge-porto" : "ingest-1";
  return { name, health: NodeHealth.HEALTHY, eventsPerSecond: rate, isOffline: query.get("state") === "waiting" };
}

function openLink(url: string): Link {
  const waiting: LinkState = { kind: "waiting", retryAt: Date.now() + 4000, reason: "the node went away" };
  const state: LinkState = query.get("state") === "waiting" ? waiting : { kind: "ready" };
  const nothing = (): void => undefined;
  return { url, transport: new FakeTransport(nodeAt(url)), state, watch: nothing, retry: nothing, close: nothing };
}

start("ws://127.0.0.1:7070/", openLink, browserStore);
