import type { Link, LinkState } from "../state/link.ts";
import { byId, setText } from "./dom.ts";

const TEXTS: Readonly<Record<LinkState["kind"], readonly [verdict: string, text: string]>> = {
  connecting: ["asking", "Connecting"],
  ready: ["healthy", "Connected"],
  waiting: ["offline", "Connection lost"],
  closed: ["offline", "Closed"],
};

/** Tells how the connection to the node stands. The countdown stands apart, so that it is not read out each second. */
export class ConnectionView {
  private readonly link: Link;
  private readonly retryButton = byId("retry", HTMLButtonElement);

  constructor(link: Link) {
    this.link = link;
    this.retryButton.addEventListener("click", () => link.retry());
  }

  draw(now: number): void {
    const { state } = this.link;
    const [verdict, text] = TEXTS[state.kind];
    const badge = byId("connection", HTMLElement);
    badge.dataset["verdict"] = verdict;
    setText(badge, text);
    const isWaiting = state.kind === "waiting";
    badge.title = isWaiting ? state.reason : "";
    setText(byId("countdown", HTMLElement), isWaiting ? countdown(state.retryAt - now) : "");
    this.retryButton.hidden = !isWaiting;
  }
}

function countdown(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  return seconds > 0 ? `next attempt in ${seconds} s` : "trying again";
}
