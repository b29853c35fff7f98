import { SPAN_S, type Points } from "../state/series.ts";
import { svgElement } from "./dom.ts";

/** One line of a chart; `kind` is its class in the style sheet. */
export interface Line {
  readonly kind: string;
  readonly points: Points;
  /** Whether the space below it is filled. */
  readonly isArea: boolean;
}

interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

const MARGIN = { left: 52, right: 10, top: 10, bottom: 24 };
const TIME_STEP_S = 30;

/** Draws lines over the last two minutes into an SVG, in units of its own size on the page. */
export class Chart {
  private readonly svg: SVGSVGElement;
  private readonly format: (value: number) => string;
  private readonly leastTop: number;
  private readonly onPoint: (index: number | undefined) => void;
  private lines: readonly Line[] = [];
  private pointed: number | undefined;

  /**
   * `leastTop` is what the axis of values reaches at least, so that noise is not drawn as mountains. `onPoint` is told
   * which of the points a pointer is over.
   */
  constructor(
    svg: SVGSVGElement,
    leastTop: number,
    format: (value: number) => string,
    onPoint: (index: number | undefined) => void,
  ) {
    this.svg = svg;
    this.onPoint = onPoint;
    this.leastTop = leastTop;
    this.format = format;
    new ResizeObserver(() => this.paint()).observe(svg);
    svg.addEventListener("pointermove", (event) => this.point(this.indexAt(event.clientX)));
    svg.addEventListener("pointerleave", () => this.point(undefined));
  }

  draw(lines: readonly Line[]): void {
    this.lines = lines;
    this.paint();
  }

  private point(index: number | undefined): void {
    this.pointed = index;
    this.onPoint(index);
    this.paint();
  }

  /** The point that is nearest to a place on the screen. */
  private indexAt(clientX: number): number {
    const { left, width } = this.svg.getBoundingClientRect();
    const share = (clientX - left - MARGIN.left) / (width - MARGIN.left - MARGIN.right);
    return Math.min(SPAN_S - 1, Math.max(0, Math.round(share * SPAN_S) - 1));
  }

  private paint(): void {
    const { width, height } = this.svg.getBoundingClientRect();
    if (width === 0) return;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const box = { left: MARGIN.left, right: width - MARGIN.right, top: MARGIN.top, bottom: height - MARGIN.bottom };
    const steps = axisSteps(Math.max(this.leastTop, greatest(this.lines)));
    const top = steps.at(-1) ?? 1;
    this.svg.replaceChildren(
      ...steps.flatMap((value) => this.rule(box, value, top)),
      ...timeLabels(box),
      ...this.lines.flatMap((line) => drawnLine(box, line, top)),
      ...marker(box, this.pointed),
    );
  }

  private rule(box: Box, value: number, top: number): SVGElement[] {
    const y = heightOf(box, value, top);
    const line = { class: value === 0 ? "base" : "rule", x1: box.left, x2: box.right, y1: y, y2: y };
    const label = { class: "axis", x: box.left - 8, y: y + 4, "text-anchor": "end" };
    return [svgElement("line", line), svgElement("text", label, this.format(value))];
  }
}

function marker(box: Box, index: number | undefined): SVGElement[] {
  if (index === undefined) return [];
  const x = placeOf(box, index);
  return [svgElement("line", { class: "pointed", x1: x, x2: x, y1: box.top, y2: box.bottom })];
}

function greatest(lines: readonly Line[]): number {
  return Math.max(0, ...lines.flatMap((line) => line.points.map((value) => value ?? 0)));
}

/** Round values from 0 to at least `most`, which is over 0, for an axis; three to six of them. */
export function axisSteps(most: number): number[] {
  const rough = most / 3;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10);
  const count = Math.ceil(most / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, index) => Number((index * step).toPrecision(12)));
}

function timeLabels(box: Box): SVGElement[] {
  const step = box.right - box.left < 320 ? 2 * TIME_STEP_S : TIME_STEP_S;
  const labels: SVGElement[] = [];
  for (let ago = 0; ago <= SPAN_S; ago += step) {
    const x = box.right - ((box.right - box.left) * ago) / SPAN_S;
    const anchor = ago === 0 ? "end" : ago === SPAN_S ? "start" : "middle";
    const text = ago === 0 ? "now" : `−${Math.floor(ago / 60)}:${String(ago % 60).padStart(2, "0")}`;
    labels.push(svgElement("text", { class: "axis", x, y: box.bottom + 17, "text-anchor": anchor }, text));
  }
  return labels;
}

function drawnLine(box: Box, line: Line, top: number): SVGElement[] {
  const drawn: SVGElement[] = [];
  let last: readonly [number, number] | undefined;
  for (const run of runs(line.points)) {
    const points = run.map(([index, value]) => [placeOf(box, index), heightOf(box, value, top)] as const);
    last = points.at(-1);
    const path = points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");
    const [first] = points;
    if (line.isArea && first !== undefined && last !== undefined) {
      const d = `M${first[0].toFixed(1)} ${box.bottom}L${path}L${last[0].toFixed(1)} ${box.bottom}Z`;
      drawn.push(svgElement("path", { class: `area ${line.kind}`, d }));
    }
    drawn.push(svgElement("path", { class: `line ${line.kind}`, d: `M${path}` }));
  }
  if (last !== undefined) {
    drawn.push(svgElement("circle", { class: `dot ${line.kind}`, cx: last[0], cy: last[1], r: 3 }));
  }
  return drawn;
}

/** The parts of a line between which values are missing, each with the places of its values. */
function runs(points: Points): [number, number][][] {
  const found: [number, number][][] = [];
  let isOpen = false;
  for (const [index, value] of points.entries()) {
    if (value === null) {
      isOpen = false;
      continue;
    }
    if (!isOpen) found.push([]);
    isOpen = true;
    found.at(-1)?.push([index, value]);
  }
  return found;
}

function placeOf(box: Box, index: number): number {
  return box.left + ((box.right - box.left) * (index + 1)) / SPAN_S;
}

function heightOf(box: Box, value: number, top: number): number {
  return box.bottom - ((box.bottom - box.top) * value) / top;
}
