import { CompressionType } from "../../generated/index.ts";
import type { EventRecord } from "../state/event_record.ts";
import { messageTypeName } from "../state/message_type.ts";
import { element, setText } from "./dom.ts";
import { formatBytes, formatDate, formatTime } from "./format.ts";
import { hexDump, preview, readableText } from "./payload.ts";

const PREVIEW_CHARACTERS = 160;
const CELLS = ["time", "type", "source", "id", "headers", "payload"] as const;
type Cell = (typeof CELLS)[number];

/** A row of the list of events, which may be used for one event after another. */
export class EventRow {
  readonly root: HTMLLIElement;
  private readonly details: HTMLDetailsElement;
  private readonly cells: Readonly<Record<Cell, HTMLElement>>;
  private readonly body = element("div", { class: "event-body" });
  private record: EventRecord | undefined;

  constructor() {
    const cells = CELLS.map((name) => [name, element("span", { class: `cell ${name}` })] as const);
    this.cells = Object.fromEntries(cells) as Record<Cell, HTMLElement>;
    const summary = element("summary", {}, ...cells.map(([, cell]) => cell));
    this.details = element("details", {}, summary, this.body);
    this.root = element("li", {}, this.details);
    this.details.addEventListener("toggle", () => this.showBody());
  }

  show(record: EventRecord): void {
    this.record = record;
    this.details.open = false;
    const type = messageTypeName(record.type);
    this.root.dataset["type"] = type;
    const texts: Readonly<Record<Cell, string>> = {
      time: formatTime(record.arrivedAt),
      type,
      source: record.source,
      id: record.id,
      headers: record.headers.map(([name, value]) => `${name}=${value}`).join("  "),
      payload: preview(record.payload, PREVIEW_CHARACTERS),
    };
    for (const name of CELLS) setText(this.cells[name], texts[name]);
  }

  private showBody(): void {
    this.body.replaceChildren(...(this.details.open && this.record !== undefined ? bodyOf(this.record) : []));
  }
}

function bodyOf(record: EventRecord): HTMLElement[] {
  const facts: readonly (readonly [string, string])[] = [
    ["Id", record.id],
    ["Type", messageTypeName(record.type)],
    ["Source node", record.source],
    ["Target node", record.target || "every node"],
    ["Priority", String(record.priority)],
    ...compressionOf(record),
    ["Sent", record.sentAt === undefined ? "not said" : formatDate(record.sentAt)],
    ["Arrived", formatDate(record.arrivedAt)],
    ...record.headers.map(([name, value]) => [`Header ${name}`, value] as const),
    ...(record.omittedHeaders > 0 ? [["Headers", `${record.omittedHeaders} more, not kept`] as const] : []),
  ];
  return [element("dl", { class: "facts" }, ...facts.map(([name, value]) => factOf(name, value))), payloadOf(record)];
}

/** Nothing where the payload is plain, as it nearly always is. */
function compressionOf({ compression }: EventRecord): (readonly [string, string])[] {
  if (compression === CompressionType.NONE) return [];
  const name = Object.entries(CompressionType).find(([, number]) => number === compression)?.[0];
  return [["Compression", name?.toLowerCase() ?? `number ${compression}`]];
}

function factOf(name: string, value: string): HTMLElement {
  return element("div", {}, element("dt", {}, name), element("dd", {}, value || "–"));
}

/** The payload as text, where it is text, or as bytes; a button changes between them. */
function payloadOf(record: EventRecord): HTMLElement {
  const isCut = record.payload.length < record.payloadBytes;
  const text = readableText(record.payload, isCut);
  const content = element("pre", { tabindex: "0", "aria-label": "Payload" });
  const size = element("span", { class: "hint" }, payloadSize(record, isCut));
  const title = element("div", { class: "payload-title" }, element("strong", {}, "Payload"), size);
  let isHex = text === undefined;
  const show = (): void => setText(content, isHex ? hexDump(record.payload) : (text ?? ""));
  if (text !== undefined && record.payloadBytes > 0) {
    const button = element("button", { type: "button", class: "quiet", "aria-pressed": "false" }, "As hex");
    button.addEventListener("click", () => {
      isHex = !isHex;
      button.setAttribute("aria-pressed", String(isHex));
      show();
    });
    title.append(button);
  }
  show();
  return element("div", { class: "payload-full" }, title, ...(record.payloadBytes > 0 ? [content] : []));
}

function payloadSize(record: EventRecord, isCut: boolean): string {
  if (record.payloadBytes === 0) return "empty";
  const size = formatBytes(record.payloadBytes);
  return isCut ? `the first ${formatBytes(record.payload.length)} of ${size}` : size;
}
