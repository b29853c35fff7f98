import { MessageType } from "../../generated/index.ts";
import type { EventLog } from "../state/event_log.ts";
import { messageTypeName } from "../state/message_type.ts";
import type { SubscriptionState } from "../state/subscription.ts";
import { byId, coalesced, element, setText } from "./dom.ts";
import { EventList } from "./event_list.ts";
import { formatBytes, formatCount } from "./format.ts";

const ROWS = 200;
/** Nobody reads what changes more often; at thousands of events a second it would take the processor whole. */
const LEAST_MS = 100;

/** The panel of events: its list, its filters, and what it says when there is nothing to list. */
export class EventView {
  private readonly log: EventLog;
  private readonly list = new EventList(byId("event-list", HTMLOListElement));
  private readonly pauseButton = byId("pause", HTMLButtonElement);
  private readonly note = byId("event-note", HTMLElement);
  private readonly types = new Set<MessageType>();
  private state: SubscriptionState = { kind: "subscribing" };
  /** Has what arrived drawn in the next frame, or a moment later; what the user does is drawn at once. */
  readonly refresh = coalesced(LEAST_MS, () => this.draw());

  /** `onTypes` is called with the types that are to be subscribed to, none: all, when the user chooses others. */
  constructor(log: EventLog, onTypes: (types: MessageType[]) => void) {
    this.log = log;
    this.addTypes(onTypes);
    const text = byId("text-filter", HTMLInputElement);
    text.addEventListener("input", () => {
      log.filterBy(text.value);
      this.draw();
    });
    this.pauseButton.addEventListener("click", () => (log.isPaused ? this.resume() : this.pause("paused")));
    byId("clear", HTMLButtonElement).addEventListener("click", () => {
      log.clear();
      this.draw();
    });
    // What is being read stays where it is, and what the keyboard has reached does not move away.
    byId("event-list", HTMLOListElement).addEventListener("focusin", () => this.pause("paused while you read"));
  }

  showState(state: SubscriptionState): void {
    this.state = state;
    this.refresh();
  }

  private addTypes(onTypes: (types: MessageType[]) => void): void {
    const choices = Object.values(MessageType).map((type) => {
      const box = element("input", { type: "checkbox" });
      box.addEventListener("change", () => {
        if (box.checked) this.types.add(type);
        else this.types.delete(type);
        onTypes([...this.types]);
        this.draw();
      });
      return element("label", { class: "chip" }, box, element("span", {}, messageTypeName(type)));
    });
    byId("type-filter", HTMLFieldSetElement).append(element("div", { class: "chips" }, ...choices));
  }

  private pause(why: string): void {
    if (this.log.isPaused) return;
    this.log.pause();
    this.pauseButton.setAttribute("aria-pressed", "true");
    setText(this.note, `The list is ${why}.`);
    this.draw();
  }

  private resume(): void {
    const count = this.log.arrivedMeanwhile;
    this.log.resume();
    this.pauseButton.setAttribute("aria-pressed", "false");
    setText(this.note, count > 0 ? `${formatCount(count)} events had arrived meanwhile.` : "");
    this.draw();
  }

  private draw(): void {
    const records = this.log.shown(ROWS);
    this.list.show(records);
    byId("event-table", HTMLElement).hidden = records.length === 0;
    const empty = byId("no-events", HTMLElement);
    empty.hidden = records.length > 0;
    if (!empty.hidden) this.drawEmpty();
    setText(this.pauseButton, this.log.isPaused ? `Resume (${formatCount(this.log.arrivedMeanwhile)} new)` : "Pause");
    setText(byId("event-count", HTMLElement), this.countText(records.length));
  }

  private countText(shown: number): string {
    const { total, totalBytes } = this.log;
    const state = STATE_TEXTS[this.state.kind](this.state);
    if (total === 0) return state;
    const list = shown === ROWS ? ` · the newest ${ROWS} listed` : ` · ${formatCount(shown)} listed`;
    return `${state} · ${formatCount(total)} received, ${formatBytes(totalBytes)}${list}`;
  }

  private drawEmpty(): void {
    const isNone = this.log.total === 0;
    const title = isNone
      ? "No event has arrived yet."
      : this.log.isFiltered
        ? "No event that is held contains these words."
        : "Nothing to list.";
    setText(byId("no-events-title", HTMLElement), title);
    const chosen = this.types.size > 0 ? "Only the chosen types are subscribed to. " : "";
    setText(byId("no-events-hint", HTMLElement), `${chosen}Publish an event with the form, or from a shell:`);
  }
}

const STATE_TEXTS: Readonly<Record<SubscriptionState["kind"], (state: SubscriptionState) => string>> = {
  subscribing: () => "Subscribing",
  live: () => "Live",
  failed: (state) => (state.kind === "failed" ? `Not subscribed: ${state.reason}` : ""),
};
