"""The node's figures: a rate over whole seconds, and percentages that are percentages."""

from __future__ import annotations

from eventflux_node.gauge import MachineGauge, RateGauge


class Clock:
    """Time that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now = 100.25

    def __call__(self) -> float:
        return self.now


def test_the_rate_is_the_mean_over_whole_seconds() -> None:
    clock = Clock()
    gauge = RateGauge(clock, window_s=3)
    for events in (30, 60, 90):
        for _ in range(events):
            gauge.count()
        clock.now += 1
    assert gauge.per_second() == 60


def test_the_running_second_is_left_out() -> None:
    clock = Clock()
    gauge = RateGauge(clock, window_s=3)
    gauge.count()
    assert gauge.per_second() == 1, "there is only the running second"
    clock.now += 1
    gauge.count()
    gauge.count()
    assert gauge.per_second() == 1


def test_the_rate_falls_to_zero_when_nothing_happens() -> None:
    clock = Clock()
    gauge = RateGauge(clock, window_s=3)
    for _ in range(9):
        gauge.count()
    clock.now += 2
    assert gauge.per_second() == 4, "nine events in two seconds"
    clock.now += 60
    assert gauge.per_second() == 0
    assert gauge.total == 9


def test_a_gauge_that_counts_for_long_keeps_only_its_window() -> None:
    clock = Clock()
    gauge = RateGauge(clock, window_s=3)
    for _ in range(1000):
        gauge.count()
        clock.now += 1
    assert len(gauge._seconds) <= 4
    assert gauge.per_second() == 1


def test_machine_figures_are_percentages() -> None:
    gauge = MachineGauge()
    assert 0 <= gauge.cpu_percent() <= 100
    assert 0 < gauge.memory_percent() < 100
