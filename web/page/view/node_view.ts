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
/** Those that are shares of a whole, in percent. */
const SHARES = ["CPU", "Memory"] as const satisfies readonly Figure[];
const NONE = "–";

/** The card of one node. */
export class NodeCard {
  readonly root: HTMLLIElement;
  private readonly name = element("h3");
  private readonly badge = element("span", { class: "badge" });
  private readonly failure = element("p", { class: "failure" });
  private readonly isOwn: boolean;
  private readonly values: ReadonlyMap<Figure, HTMLElement>;
  private readonly meters: ReadonlyMap<Figure, HTMLMeterElement>;

  /** `onRemove` is undefined for the node that serves the page, which stays. */
  constructor(url: string, onRemove: (() => void) | undefined) {
    this.isOwn = onRemove === undefined;
    const list = element("dl");
    this.values = new Map(FIGURES.map((figure) => [figure, element("span", {}, NONE)]));
    // The number stands beside it for those who do not see it.
    const range = { min: "0", max: "100", "aria-hidden": "true" };
    this.meters = new Map(SHARES.map((figure) => [figure, element("meter", range)]));
    for (const [figure, value] of this.values) {
      const cell = element("dd", {}, value);
      const meter = this.meters.get(figure);
      if (meter !== undefined) cell.append(meter);
      list.append(element("div", {}, element("dt", {}, figure), cell));
    }
    const names = element("div", { class: "names" }, this.name, element("p", { class: "url" }, url));
    const head = element("div", { class: "card-head" }, this.badge, names);
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
    this.set("Round trip", condition.roundTripMs === undefined ? NONE : formatMs(condition.roundTripMs));
  }

  private showAnswer(answer: HeartbeatResponse): void {
    if (answer.serverNodeId !== "") setText(this.name, answer.serverNodeId);
    const status = answer.serverStatus;
    if (status === undefined) return;
    const uptime = Number(status.metadata.get("uptime_s") ?? Number.NaN);
    this.setShare("CPU", status.cpuUsage);
    this.setShare("Memory", status.memoryUsage);
    this.set("Connections", formatCount(status.activeConnections));
    this.set("Events/s", formatCount(status.eventsPerSecond));
    this.set("Uptime", Number.isFinite(uptime) ? formatSpan(uptime) : NONE);
    this.set("Version", status.version || NONE);
  }

  private set(figure: Figure, text: string): void {
    const value = this.values.get(figure);
    if (value !== undefined) setText(value, text);
  }

  private setShare(figure: Figure, percent: number): void {
    this.set(figure, formatPercent(percent));
    const meter = this.meters.get(figure);
    if (meter !== undefined) meter.value = percent;
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
  const hint = `. If it runs, start it with --origin ${location.origin} so that it takes calls of this page.`;
  return isGuess ? failure + hint : failure;
}
