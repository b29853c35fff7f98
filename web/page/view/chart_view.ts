import { SPAN_S, type LatencySeries, type Points, type RateSeries } from "../state/series.ts";
import { Chart } from "./chart.ts";
import { byId, setText } from "./dom.ts";
import { formatCount, formatMs, formatShort } from "./format.ts";

/** The two charts, and what they say in words. */
export class ChartView {
  private readonly rateChart: Chart;
  private readonly latencyChart: Chart;
  private readonly rate: RateSeries;
  private readonly latency: LatencySeries;
  private rates: Points = [];
  private percentiles: { readonly p50: Points; readonly p99: Points } = { p50: [], p99: [] };
  /** Which second a pointer is over, in each chart. */
  private readonly pointed: { rate?: number | undefined; latency?: number | undefined } = {};

  constructor(rate: RateSeries, latency: LatencySeries) {
    this.rate = rate;
    this.latency = latency;
    this.rateChart = new Chart(byId("rate-chart", SVGSVGElement), 10, formatShort, (index) => {
      this.pointed.rate = index;
      this.tellRate();
    });
    const inMs = (value: number): string => `${formatShort(value)} ms`;
    this.latencyChart = new Chart(byId("latency-chart", SVGSVGElement), 1, inMs, (index) => {
      this.pointed.latency = index;
      this.tellLatency();
    });
  }

  draw(now: number): void {
    this.rates = this.rate.points(now);
    this.percentiles = this.latency.points(now);
    this.rateChart.draw([{ kind: "rate", points: this.rates, isArea: true }]);
    this.latencyChart.draw([
      { kind: "p99", points: this.percentiles.p99, isArea: false },
      { kind: "p50", points: this.percentiles.p50, isArea: false },
    ]);
    this.tellRate();
    this.tellLatency();
  }

  private tellRate(): void {
    const latest = this.rates.at(-1) ?? null;
    setText(byId("rate-now", HTMLOutputElement), latest === null ? "not known yet" : `${formatCount(latest)} events/s`);
    const text = this.pointed.rate === undefined ? ratesInWords(this.rates) : this.rateAt(this.pointed.rate);
    setText(byId("rate-summary", HTMLElement), text);
  }

  private tellLatency(): void {
    const { p50, p99 } = this.percentiles;
    setText(byId("p50-now", HTMLOutputElement), withValue("p50", p50.at(-1)));
    setText(byId("p99-now", HTMLOutputElement), withValue("p99", p99.at(-1)));
    const text = this.pointed.latency === undefined ? latencyInWords(p99) : this.latencyAt(this.pointed.latency);
    setText(byId("latency-summary", HTMLElement), text);
  }

  private rateAt(index: number): string {
    const rate = this.rates[index] ?? null;
    return `${ago(index)}: ${rate === null ? "not known" : `${formatCount(rate)} events/s`}`;
  }

  private latencyAt(index: number): string {
    const [p50, p99] = [this.percentiles.p50[index] ?? null, this.percentiles.p99[index] ?? null];
    return `${ago(index)}: ${p50 === null ? "not known" : `${withValue("p50", p50)}, ${withValue("p99", p99)}`}`;
  }
}

function ago(index: number): string {
  return `${SPAN_S - index} s ago`;
}

function withValue(name: string, ms: number | null | undefined): string {
  return ms === null || ms === undefined ? name : `${name} ${formatMs(ms)}`;
}

function ratesInWords(points: Points): string {
  const known = points.filter((value) => value !== null);
  if (known.length === 0) return "";
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  return `Mean ${formatCount(mean)}, most ${formatCount(Math.max(...known))} in a second, as this page got them.`;
}

function latencyInWords(p99: Points): string {
  const known = p99.filter((value) => value !== null);
  if (known.length === 0) return "";
  return `A heartbeat and its answer, over the 30 s before; slowest p99 ${formatMs(Math.max(...known))}.`;
}
