"""Lines that each call may repeat come fewer and fewer."""

from __future__ import annotations

import logging

import pytest

from eventflux_runtime.rpc.counted_log import EACH_UP_TO, CountedLog


def test_behind_the_first_lines_of_a_text_each_doubling_is_told(caplog: pytest.LogCaptureFixture) -> None:
    log = CountedLog(logging.getLogger("test"))
    for number in range(1, 1000):
        log.warning("call %d is wrong", number)
    log.warning("another text")
    first = [f"call {number} is wrong" for number in range(1, EACH_UP_TO + 1)]
    later = [f"call {number} is wrong (the {number}th time in this process)" for number in (40, 80, 160, 320, 640)]
    assert caplog.messages == [*first, *later, "another text"]
