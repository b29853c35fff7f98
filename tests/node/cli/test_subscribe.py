"""`eventflux subscribe`: it ends in silence when it is told to, and when nobody reads it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.support.node_command import eventflux, running_node, running_subscriber


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["asyncio", "uvloop", "trio"])
def test_a_subscriber_is_stopped_by_ctrl_c_in_silence(tmp_path: Path, loop: str) -> None:
    with running_node(tmp_path) as node, running_subscriber(node, node.urls[0], "--loop", loop) as subscriber:
        subscriber.send_signal(signal.SIGINT)
        output, errors = subscriber.communicate(timeout=30)
    # The line end moves the prompt off the line that the terminal wrote ^C on.
    assert (subscriber.returncode, output, errors) == (130, "", "\n")


def test_a_subscriber_ends_in_silence_when_nobody_reads_its_output(tmp_path: Path) -> None:
    data = tmp_path / "lines.txt"
    data.write_text("a\n" * 10)
    with running_node(tmp_path) as node, running_subscriber(node, node.urls[0]) as subscriber:
        assert subscriber.stdout is not None
        subscriber.stdout.close()
        assert eventflux("publish", node.urls[0], str(data)).returncode == 0
        assert subscriber.stderr is not None
        assert subscriber.stderr.read() == ""
        assert subscriber.wait(timeout=30) == 141  # as a shell has it for SIGPIPE
