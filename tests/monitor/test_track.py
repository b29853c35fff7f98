"""What a node is taken for: examples by hand, and rules that hold for every sequence of beats."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventflux_runtime import ConfigError
from eventflux_runtime.monitor.track import Health, HeartbeatTrack, Transition
from eventflux_transport import MonitorConfig

LETTERS = {
    "g": Health.HEALTHY,
    "d": Health.DEGRADED,
    "u": Health.UNHEALTHY,
    "o": Health.OFFLINE,
}
"""A beat as a letter: what the node says of itself; besides them ``s`` slow, ``e`` an error, ``.`` missed."""
ANSWER_S = 0.01


@dataclass
class Lab:
    """A track with a clock that the test moves."""

    track: HeartbeatTrack
    config: MonitorConfig
    now: float = 0.0

    def beat(self, letter: str) -> Transition | None:
        """Waits until the next beat is due, sends it, and lets it end as the letter says."""
        self.now = max(self.now, self.track.due)
        self.track.sent(self.now)
        if letter == ".":
            self.now += self.config.timeout_s
            return self.track.missed("silence")
        if letter == "e":
            return self.track.refused("INTERNAL: broken")
        if letter == "s":
            assert self.config.slow_s is not None
            self.now += self.config.slow_s + ANSWER_S
            return self.track.answered(self.now, Health.HEALTHY)
        self.now += ANSWER_S
        return self.track.answered(self.now, LETTERS[letter])

    def run(self, letters: str) -> list[Transition]:
        """The changes that a sequence of beats makes."""
        return [shift for shift in map(self.beat, letters) if shift is not None]


def lab(config: MonitorConfig | None = None, chance: float = 0.5, spread_s: float = 1.0) -> Lab:
    config = config if config is not None else MonitorConfig()
    return Lab(HeartbeatTrack(config, 0.0, chance, spread_s), config)


def path(letters: str, config: MonitorConfig | None = None) -> str:
    """The states that beats lead through, each with the number of the beat that led there."""
    subject = lab(config)
    shifts = [(number, subject.beat(letter)) for number, letter in enumerate(letters, start=1)]
    return " ".join(f"{shift.health.name.lower()}@{number}" for number, shift in shifts if shift is not None)


@pytest.mark.parametrize(
    ("letters", "states"),
    [
        ("g", "healthy@1"),
        ("gg.ggg", "healthy@1"),  # one lost beat is an accident
        ("g......", "healthy@1 degraded@3 unhealthy@4 offline@7"),
        ("......", "degraded@2 unhealthy@3 offline@6"),  # a node that never was there
        ("g......ggg", "healthy@1 degraded@3 unhealthy@4 offline@7 healthy@10"),
        ("g......gg.ggg", "healthy@1 degraded@3 unhealthy@4 offline@7 healthy@13"),  # a miss starts the count again
        ("gdd", "healthy@1 degraded@3"),  # it says so itself
        ("gss", "healthy@1 degraded@3"),
        ("gssggg", "healthy@1 degraded@3 healthy@6"),
        ("g.g.", "healthy@1 degraded@4"),  # every other beat is lost
        ("g.ggg.ggg.ggg.", "healthy@1"),  # one in four is not: three good ones in a row clear the count
        ("guuu", "healthy@1 degraded@3 unhealthy@4"),
        ("geee", "healthy@1 degraded@3 unhealthy@4"),
        ("geeeeeeeee", "healthy@1 degraded@3 unhealthy@4"),  # something answers, so it is not offline
        ("goooooo", "healthy@1 degraded@3 unhealthy@4 offline@7"),
        ("g......ddd", "healthy@1 degraded@3 unhealthy@4 offline@7 degraded@10"),  # back, and not yet well
        ("g......gdg", "healthy@1 degraded@3 unhealthy@4 offline@7 degraded@10"),  # the worst of the three counts
        ("g......uuuggg", "healthy@1 degraded@3 unhealthy@4 offline@7 unhealthy@10 healthy@13"),
        ("dg", "healthy@2"),
        ("dd", "degraded@2"),
    ],
)
def test_beats_lead_through_these_states(letters: str, states: str) -> None:
    assert path(letters) == states


def test_thresholds_are_the_configuration_s() -> None:
    config = MonitorConfig(degraded_after=1, unhealthy_after=2, offline_after=3, recover_after=1)
    assert path("g...g", config) == "healthy@1 degraded@2 unhealthy@3 offline@4 healthy@5"
    assert path("ggs", MonitorConfig(degraded_after=1, slow_s=2.0)) == "healthy@1 degraded@3"


def test_no_answer_is_too_slow_where_slow_s_is_none() -> None:
    subject = lab(MonitorConfig(slow_s=None, degraded_after=1))
    subject.track.sent(0.0)
    shift = subject.track.answered(1.9, Health.HEALTHY)
    assert shift is not None
    assert shift.health is Health.HEALTHY


def test_a_change_says_why() -> None:
    reasons = [shift.reason for shift in lab().run("g......ggg")]
    assert reasons == [
        "the node answers",
        "2 beats were not good, the last: silence",
        "3 beats in a row were missed or bad, the last: silence",
        "6 beats in a row were missed, the last: silence",
        "3 beats in a row were better, the last: the node answers",
    ]
    (_, slow) = lab().run("gss")
    assert slow.reason == "2 beats were not good, the last: the answer took 0.51 s, above slow_s (0.5 s)"


def test_beats_keep_their_pace() -> None:
    config = MonitorConfig(interval_s=10.0, timeout_s=2.0)
    subject = lab(config, chance=0.5)
    assert subject.track.due == 0.5  # within the spread
    times = []
    for letter in "gg.g":
        subject.beat(letter)
        times.append(subject.track.due)
    # The second comes after a part of the interval, so that nodes that were added together are not asked together.
    assert times == [6.0, 16.0, 26.0, 36.0]


def test_beats_that_were_not_sent_are_not_made_up_for() -> None:
    track = HeartbeatTrack(MonitorConfig(interval_s=1.0), 0.0, 0.0, 1.0)
    track.sent(0.0)
    track.sent(100.0)  # the process stood still meanwhile
    assert track.due == 101.0


BEATS = st.text(alphabet="gdusoe.", max_size=60)
CONFIGS = st.builds(
    lambda first, second, third, recover_after: MonitorConfig(
        degraded_after=first,
        unhealthy_after=first + second,
        offline_after=first + second + third,
        recover_after=recover_after,
    ),
    *[st.integers(1, 4)] * 4,
)


@given(BEATS, CONFIGS)
def test_changes_are_a_chain_that_never_skips_a_step_down(letters: str, config: MonitorConfig) -> None:
    state = Health.UNKNOWN
    for shift in lab(config).run(letters):
        assert shift.previous is state
        assert shift.health is not state
        if shift.health > state:
            assert shift.health <= max(state, Health.HEALTHY) + 1
        state = shift.health


@given(BEATS, CONFIGS)
def test_nothing_gets_better_before_enough_beats_in_a_row_were(letters: str, config: MonitorConfig) -> None:
    subject = lab(config)
    grades: list[Health] = []
    for letter in letters:
        before = subject.track.health
        grades.append({"s": Health.DEGRADED, "e": Health.UNHEALTHY, ".": Health.OFFLINE}.get(letter) or LETTERS[letter])
        shift = subject.beat(letter)
        if shift is not None and shift.health < before:
            assert len(grades) >= config.recover_after
            assert max(grades[-config.recover_after :]) is shift.health


@given(st.integers(1, 30), st.sampled_from("dusoe."), st.sampled_from("dusoe."), CONFIGS, st.integers(1, 4))
def test_a_node_that_alternates_changes_a_bounded_number_of_times(
    rounds: int, first_bad: str, second_bad: str, config: MonitorConfig, good_beats: int
) -> None:
    # Fewer good ones in a row than it takes to recover: it settles, however long it goes on.
    good = "g" * min(good_beats, config.recover_after - 1)
    assert len(lab(config).run((first_bad + good + second_bad + good) * rounds)) <= 4


@given(BEATS, CONFIGS)
def test_enough_good_beats_heal_and_enough_silence_ends(letters: str, config: MonitorConfig) -> None:
    subject = lab(config)
    subject.run(letters)
    for rest, end in (("g" * config.recover_after, Health.HEALTHY), ("." * config.offline_after, Health.OFFLINE)):
        subject.run(rest)
        assert subject.track.health is end


@given(BEATS, CONFIGS, st.floats(0, 1))
def test_equal_beats_make_equal_changes(letters: str, config: MonitorConfig, chance: float) -> None:
    one, other = lab(config, chance), lab(config, chance)
    assert one.run(letters) == other.run(letters)
    assert one.track.due == other.track.due


@given(BEATS, st.floats(0, 1), st.floats(0.001, 100))
def test_the_next_beat_lies_ahead_within_an_interval(letters: str, chance: float, spread_s: float) -> None:
    subject = lab(chance=chance, spread_s=spread_s)
    assert 0 <= subject.track.due <= subject.config.interval_s
    for letter in letters:
        sent = max(subject.now, subject.track.due)
        subject.beat(letter)
        assert sent < subject.track.due <= sent + subject.config.interval_s


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"interval_s": 0}, "interval_s must be above 0 and at most 1000000000, not 0"),
        ({"timeout_s": float("inf")}, "timeout_s must be above 0 and at most 1000000000, not inf"),
        ({"slow_s": 3.0}, "slow_s must be above 0 and at most timeout_s (2.0), not 3.0"),
        ({"slow_s": 0.0}, "slow_s must be above 0"),
        ({"degraded_after": 0}, "degraded_after must be at least 1 and at most 2147483647, not 0"),
        ({"unhealthy_after": 2}, "unhealthy_after must be at least 3, not 2"),
        ({"offline_after": 3}, "offline_after must be at least 4, not 3"),
        ({"recover_after": 0}, "recover_after must be at least 1 and at most 2147483647, not 0"),
    ],
)
def test_a_wrong_configuration_is_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        MonitorConfig(**settings)  # type: ignore[arg-type]  # the settings are of mixed types
    assert message in str(caught.value)
