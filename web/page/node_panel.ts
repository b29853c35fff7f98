import { TransportClient } from "../generated/index.ts";
import { keepAsking, type NodeCondition } from "./state/heartbeat.ts";
import type { Link, OpenLink } from "./state/link.ts";
import { NodeList } from "./state/node_list.ts";
import type { Store } from "./state/store.ts";
import { byId, setText } from "./view/dom.ts";
import { NodeCard } from "./view/node_view.ts";

const INTERVAL_MS = 2000;
/** The node that serves the page is asked more often: the chart of latency is made of its answers. */
const OWN_INTERVAL_MS = 250;

/** The panel of nodes: a card for each, and what asks it for its condition. */
export class NodePanel {
  private readonly root = byId("node-list", HTMLUListElement);
  private readonly list: NodeList;
  private readonly own: Link;
  private readonly openLink: OpenLink;
  private readonly nodeId: string;

  constructor(own: Link, openLink: OpenLink, store: Store, nodeId: string) {
    this.own = own;
    this.openLink = openLink;
    this.nodeId = nodeId;
    this.list = new NodeList(store);
  }

  /** Asks all nodes from now on; `onOwn` gets the condition of the node that serves the page. */
  start(onOwn: (condition: NodeCondition) => void): void {
    const card = new NodeCard(this.own.url, undefined);
    this.root.append(card.root);
    let shownAt = Number.NEGATIVE_INFINITY;
    let failures = 0;
    const show = (condition: NodeCondition): void => {
      onOwn(condition);
      // Nobody reads figures that change four times a second. That the node fails, or is back, is shown at once.
      if (condition.failures === failures && performance.now() < shownAt + INTERVAL_MS) return;
      shownAt = performance.now();
      failures = condition.failures;
      card.show(condition);
    };
    const client = new TransportClient(this.own.transport);
    void keepAsking(client, this.nodeId, OWN_INTERVAL_MS, show, new AbortController().signal);
    for (const url of this.list.urls) this.watch(url);
    this.installForm();
  }

  private installForm(): void {
    const input = byId("add-url", HTMLInputElement);
    const problem = byId("add-error", HTMLElement);
    byId("add-node", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      setText(problem, "");
      input.removeAttribute("aria-invalid");
      try {
        this.watch(this.list.add(input.value, this.own.url, location.protocol === "https:"));
        input.value = "";
      } catch (error) {
        setText(problem, error instanceof Error ? error.message : String(error));
        input.setAttribute("aria-invalid", "true");
      }
      input.focus();
    });
  }

  private watch(url: string): void {
    const link = this.openLink(url);
    const stop = new AbortController();
    const card = new NodeCard(url, () => {
      stop.abort();
      link.close();
      this.list.remove(url);
      card.root.remove();
      byId("add-url", HTMLInputElement).focus();
    });
    this.root.append(card.root);
    const client = new TransportClient(link.transport);
    void keepAsking(client, this.nodeId, INTERVAL_MS, (condition) => card.show(condition), stop.signal);
  }
}
