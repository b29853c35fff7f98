/** What the charts are made of: counts and percentiles by second, over two minutes and no more. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LatencySeries, percentile, RateSeries, SPAN_S } from "../../page/state/series.ts";
import { axisSteps } from "../../page/view/chart.ts";

test("events are counted by whole seconds, and the second that has not ended is left out", () => {
  const rate = new RateSeries(10_500);
  for (const now of [10_600, 10_999, 11_000, 13_500]) rate.count(now);
  const points = rate.points(13_900);
  assert.equal(points.length, SPAN_S);
  assert.deepEqual(points.slice(-3), [2, 1, 0]);
  assert.deepEqual(new Set(points.slice(0, -3)), new Set([null]), "there is nothing known of the time before");
});

test("a rate forgets what is older than the chart", () => {
  const rate = new RateSeries(0);
  for (let second = 0; second < 100_000; second++) rate.count(second * 1000);
  assert.deepEqual(new Set(rate.points(100_000_000)), new Set([1]));
  assert.ok(rate.held <= 2 * SPAN_S + 1, `${rate.held} seconds are held`);
});

test("percentiles are values that were measured", () => {
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
  assert.equal(percentile(hundred, 0.5), 50);
  assert.equal(percentile(hundred, 0.99), 99);
  assert.equal(percentile([7], 0.99), 7);
  assert.ok(Number.isNaN(percentile([], 0.5)));
});

test("latency is told for the seconds in which it was measured, over the half minute before", () => {
  const latency = new LatencySeries();
  latency.add(1_000, 100);
  latency.add(2_000, 1);
  latency.add(40_000, 3);
  const { p50, p99 } = latency.points(41_000);
  assert.deepEqual([p50.at(-1), p99.at(-1)], [3, 3], "what is older does not count");
  assert.deepEqual([p50.at(-39), p99.at(-39)], [1, 100]);
  assert.equal(p50.at(-20), null);
});

test("latency forgets what is older than the chart", () => {
  const latency = new LatencySeries();
  for (let second = 0; second < 5000; second++) latency.add(second * 1000, second);
  assert.ok(latency.held <= SPAN_S + 1 + LatencySeries.WINDOW_S, `${latency.held} are held`);
});

test("an axis has round values from 0 to the greatest at least", () => {
  assert.deepEqual(axisSteps(10), [0, 5, 10]);
  assert.deepEqual(axisSteps(3569), [0, 2000, 4000]);
  assert.deepEqual(axisSteps(0.37), [0, 0.2, 0.4]);
  for (const most of [1e-3, 0.99, 1, 7, 30, 31, 99, 12_345, 8e9]) {
    const steps = axisSteps(most);
    const isRight = (steps.at(-1) ?? 0) >= most * 0.999_999 && steps.length >= 3 && steps.length <= 5;
    assert.ok(isRight, `${most}: ${steps.join(" ")}`);
  }
});
