import { TransportClient, type MessageType, type TransportMessage } from "../generated/index.ts";
import { NodePanel } from "./node_panel.ts";
import { randomId } from "./state/draft.ts";
import { EventLog } from "./state/event_log.ts";
import type { NodeCondition } from "./state/heartbeat.ts";
import type { OpenLink } from "./state/link.ts";
import { LatencySeries, RateSeries } from "./state/series.ts";
import type { Store } from "./state/store.ts";
import { keepSubscribed, type Subscriber } from "./state/subscription.ts";
import { ChartView } from "./view/chart_view.ts";
import { ConnectionView } from "./view/connection_view.ts";
import { installCommand } from "./view/copy_view.ts";
import { byId, setText } from "./view/dom.ts";
import { EventView } from "./view/event_view.ts";
import { PublishView } from "./view/publish_view.ts";
import { installTheme } from "./view/theme_view.ts";

const TICK_MS = 1000;

/** Brings the page to life: `url` is that of the node that served it. */
export function start(url: string, openLink: OpenLink, store: Store): void {
  const nodeId = `web-${randomId().slice(0, 8)}`;
  const link = openLink(url);
  const client = new TransportClient(link.transport);
  const [log, rate, latency] = [new EventLog(), new RateSeries(Date.now()), new LatencySeries()];
  installTheme(store);
  installCommand(url);
  setText(byId("node-url", HTMLElement), url);
  new PublishView(client);
  byId("publish-source", HTMLInputElement).value = nodeId;

  const subscriber: Subscriber = {
    onEvent(event: TransportMessage) {
      const now = Date.now();
      log.add(event, now);
      rate.count(now);
      events.refresh();
    },
    onState: (state) => events.showState(state),
  };
  const events = new EventView(log, subscriberOf(client, nodeId, subscriber));

  const connection = new ConnectionView(link);
  const charts = new ChartView(rate, latency);
  const tick = (): void => {
    connection.draw(Date.now());
    charts.draw(Date.now());
  };
  link.watch(() => connection.draw(Date.now()), new AbortController().signal);
  new NodePanel(link, openLink, store, nodeId).start((condition) => showOwn(condition, latency));
  setInterval(tick, TICK_MS);
  tick();
  events.refresh();
}

/** Subscribes to events of every type, and gives a function that subscribes to those of other types instead. */
function subscriberOf(client: TransportClient, nodeId: string, subscriber: Subscriber): (types: MessageType[]) => void {
  let stop = new AbortController();
  const subscribe = (types: MessageType[]): void => {
    stop.abort();
    stop = new AbortController();
    void keepSubscribed(client, nodeId, types, subscriber, stop.signal);
  };
  queueMicrotask(() => subscribe([]));
  return subscribe;
}

function showOwn(condition: NodeCondition, latency: LatencySeries): void {
  if (condition.roundTripMs !== undefined) latency.add(Date.now(), condition.roundTripMs);
  const name = condition.answer?.serverNodeId;
  if (!name) return;
  setText(byId("node-name", HTMLElement), name);
  document.title = `${name} · EventFlux node`;
}
