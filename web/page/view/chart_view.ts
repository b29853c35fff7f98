import type { LatencySeries, Points, RateSeries } from "../state/series.ts";
import { Chart } from "./chart.ts";
import { byId, setText } from "./dom.ts";
import { formatCount, formatMs, formatShort } from "./format.ts";

/** The two charts, and what they say in words. */
export class ChartView {
  private readonly rateChart = new Chart(byId("rate-chart", SVGSVGElement), 10, formatShort);
  private readonly latencyChart = new Chart(byId("latency-chart", SVGSVGElement), 1, (value) => `${formatShort(value)} ms`);
  private readonly rate: RateSeries;
  private readonly latency: LatencySeries;

  constructor(rate: RateSeries, latency: LatencySeries) {
    this.rate = rate;
    this.latency = latency;
  }

  draw(now: number): void {
    this.drawRate(this.rate.points(now));
    const { p50, p99 } = this.latency.points(now);
    this.drawLatency(p50, p99);
  }

  private drawRate(points: Points): void {
    this.rateChart.draw([{ kind: "rate", points, isArea: true }]);
    const known = points.filter((value) => value !== null);
    const latest = points.at(-1) ?? null;
    setText(byId("rate-now", HTMLOutputElement), latest === null ? "not known yet" : `${formatCount(latest)} events/s`);
    if (known.length === 0) return;
    const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
    const most = formatCount(Math.max(...known));
    setText(byId("rate-summary", HTMLElement), `Mean ${formatCount(mean)}, most ${most} in a second, as this page got them.`);
  }

  private drawLatency(p50: Points, p99: Points): void {
    this.latencyChart.draw([
      { kind: "p99", points: p99, isArea: false },
      { kind: "p50", points: p50, isArea: false },
    ]);
    const [median, slow] = [p50.at(-1) ?? null, p99.at(-1) ?? null];
    setText(byId("p50-now", HTMLOutputElement), median === null ? "p50" : `p50 ${formatMs(median)}`);
    setText(byId("p99-now", HTMLOutputElement), slow === null ? "p99" : `p99 ${formatMs(slow)}`);
    const known = p99.filter((value) => value !== null);
    if (known.length === 0) return;
    const text = `A heartbeat and its answer, over the 30 s before; slowest p99 ${formatMs(Math.max(...known))}.`;
    setText(byId("latency-summary", HTMLElement), text);
  }
}
