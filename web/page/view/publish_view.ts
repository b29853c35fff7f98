import { MessageType, type TransportClient } from "../../generated/index.ts";
import { DraftError, messageOf, type Draft } from "../state/draft.ts";
import { describeFailure } from "../state/failure.ts";
import { messageTypeName } from "../state/message_type.ts";
import { byId, element, setText } from "./dom.ts";
import { formatMs, formatTime } from "./format.ts";

const KEPT_ANSWERS = 20;
const TIMEOUT_MS = 10_000;
const FIELDS = ["type", "payload", "headers", "source", "target", "priority"] as const;

type Field = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;

/** The form that publishes a message by hand, and the answers to it. */
export class PublishView {
  private readonly client: TransportClient;
  private readonly form = byId("publish-form", HTMLFormElement);
  private readonly problem = byId("publish-error", HTMLElement);
  private readonly answers = byId("answers", HTMLOListElement);

  constructor(client: TransportClient) {
    this.client = client;
    for (const type of Object.values(MessageType)) {
      this.field("type").append(element("option", { value: String(type) }, messageTypeName(type)));
    }
    this.field("type").value = String(MessageType.EVENT);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.publish();
    });
    this.form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.form.requestSubmit();
    });
  }

  private field(name: keyof Draft): Field {
    return this.form.elements.namedItem(name) as Field;
  }

  private draft(): Draft {
    return {
      type: this.field("type").value,
      payload: this.field("payload").value,
      headers: this.field("headers").value,
      source: this.field("source").value,
      target: this.field("target").value,
      priority: this.field("priority").value,
    };
  }

  private async publish(): Promise<void> {
    this.showProblem(undefined);
    const line = element("li", { class: "pending" }, element("span", { class: "cell time" }, formatTime(Date.now())));
    const text = element("span", {}, "Waiting for the node");
    line.append(text);
    try {
      const message = messageOf(this.draft(), Date.now());
      this.addAnswer(line);
      const started = performance.now();
      const answer = await this.client.sendMessage(message, { timeoutMs: TIMEOUT_MS });
      const took = formatMs(performance.now() - started);
      line.className = "good";
      text.replaceChildren(`${capitalised(messageTypeName(answer.messageType))} in ${took}`, idOf(answer.id));
    } catch (error) {
      if (error instanceof DraftError) return this.showProblem(error);
      line.className = "bad";
      setText(text, describeFailure(error));
    }
  }

  private addAnswer(line: HTMLLIElement): void {
    this.answers.prepend(line);
    while (this.answers.childElementCount > KEPT_ANSWERS) this.answers.lastElementChild?.remove();
  }

  private showProblem(problem: DraftError | undefined): void {
    for (const name of FIELDS) this.field(name).removeAttribute("aria-invalid");
    setText(this.problem, problem?.message ?? "");
    if (problem === undefined) return;
    const field = this.field(problem.field);
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", this.problem.id);
    field.focus();
  }
}

function idOf(id: string): HTMLElement {
  return element("code", { title: "the id of the answer" }, id);
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
