import type { HeartbeatResponse } from "../../generated/index.ts";
import { OFFLINE_AFTER, verdictOf, type NodeCondition, type Verdict } from "../state/heartbeat.ts";
import { element, setText } from "./dom.ts";
import { formatCount, formatMs, formatPercent, formatSpan } from "./format.ts";

const VERDICT_TEXTS: Readonly<Record<Verdict, string>> = {
  healthy: "Healthy",
  degraded: "Degraded",
  unhealthy: "Unhealthy",
  offline: "Offline",
  unknown: "Not known",
  asking: "Asking",
};

const FIGURES = ["CPU", "Memory", "Connections", "Events/s", "Round trip", "Uptime", "Version"] as const;
type Figure = (typeof FIGURES)[number];
const NONE = "–";

/** The card of one node. */
export class NodeCard {
  readonly root: HTMLLIElement;
  private readonly name = element("h3");
  private readonly badge = element("span", { class: "badge" });
  private readonly failure = element("p", { class: "failure" });
  private readonly isOwn: boolean;
  private readonly values: Readonly<Record<Figure, HTMLElement>>;
  private readonly meters: readonly (readonly [Figure, HTMLMeterElement])[];

  /** `onRemove` is undefined for the node that serves the page, which stays. */
  constructor(url: string, onRemove: (() => void) | undefined) {
    this.isOwn = onRemove === undefined;
    const figures = FIGURES.map((figure) => [figure, element("dd", {}, element("span", {}, NONE))] as const);
    const spans = figures.map(([figure, cell]) => [figure, cell.firstElementChild as HTMLElement] as const);
    this.values = Object.fromEntries(spans) as Record<Figure, HTMLElement>;
    this.meters = figures.slice(0, 2).map(([figure, cell]) => {
      const meter = element("meter", { min: "0", max: "100", "aria-hidden": "true" });
      cell.append(meter);
      return [figure, meter] as const;
    });
    const list = element("dl", {}, ...figures.map(([name, cell]) => element("div", {}, element("dt", {}, name), cell)));
    const address = element("p", { class: "url" }, url);
    const head = element("div", { class: "card-head" }, this.badge, element("div", { class: "names" }, this.name, address));
    this.root = element("li", { class: "card" }, head, list, this.failure);
    setText(this.name, onRemove === undefined ? "This node" : new URL(url).host);
    if (onRemove !== undefined) this.root.append(removeButton(url, onRemove));
    else this.root.append(element("span", { class: "own" }, "this page"));
  }

  show(condition: NodeCondition): void {
    const verdict = verdictOf(condition);
    this.badge.dataset["verdict"] = verdict;
    setText(this.badge, VERDICT_TEXTS[verdict]);
    this.root.classList.toggle("is-stale", condition.failures > 0);
    setText(this.failure, failureText(condition, this.isOwn));
    this.failure.hidden = condition.failures === 0;
    if (condition.answer !== undefined) this.showAnswer(condition.answer);
    setText(this.values["Round trip"], condition.roundTripMs === undefined ? NONE : formatMs(condition.roundTripMs));
  }

  private showAnswer(answer: HeartbeatResponse): void {
    if (answer.serverNodeId !== "") setText(this.name, answer.serverNodeId);
    const status = answer.serverStatus;
    if (status === undefined) return;
    const uptime = Number(status.metadata.get("uptime_s") ?? Number.NaN);
    const texts: Partial<Record<Figure, string>> = {
      CPU: formatPercent(status.cpuUsage),
      Memory: formatPercent(status.memoryUsage),
      Connections: formatCount(status.activeConnections),
      "Events/s": formatCount(status.eventsPerSecond),
      Uptime: Number.isFinite(uptime) ? formatSpan(uptime) : NONE,
      Version: status.version || NONE,
    };
    for (const [figure, text] of Object.entries(texts)) setText(this.values[figure as Figure], text);
    const shares: Partial<Record<Figure, number>> = { CPU: status.cpuUsage, Memory: status.memoryUsage };
    for (const [figure, meter] of this.meters) meter.value = shares[figure] ?? 0;
  }
}

function removeButton(url: string, onRemove: () => void): HTMLButtonElement {
  const button = element("button", { type: "button", class: "quiet remove", "aria-label": `Remove ${url}` }, "Remove");
  button.addEventListener("click", onRemove);
  return button;
}

/** Why a node does not answer. A browser does not tell a page that a node refuses its origin, so that is a guess. */
function failureText({ answer, failures, failure }: NodeCondition, isOwn: boolean): string {
  const isGuess = !isOwn && answer === undefined && failures >= OFFLINE_AFTER;
  const hint = ` If it runs, start it with --origin ${location.origin} so that it takes calls of this page.`;
  return isGuess ? failure + hint : failure;
}
