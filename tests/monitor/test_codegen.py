"""The generator gives a monitor only to an IDL whose nodes can be all that a monitor tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peer.test_codegen import CONFIG, PROTO, failure


@pytest.mark.parametrize("member", ["UNKNOWN", "HEALTHY", "DEGRADED", "UNHEALTHY", "OFFLINE"])
def test_an_enum_that_lacks_a_health_is_refused(member: str, tmp_path: Path) -> None:
    proto = PROTO.replace(f"NODE_HEALTH_{member} ", f"NODE_HEALTH_{member}_ISH ")
    assert proto != PROTO
    text = failure(tmp_path, CONFIG, proto)
    assert text.startswith("transport.yaml:")
    assert f"NodeHealth has no member {member!r}, which the heartbeat monitor needs" in text


def test_a_message_with_the_name_of_the_monitor_is_refused(tmp_path: Path) -> None:
    text = failure(tmp_path, CONFIG, PROTO + "\nmessage HeartbeatMonitor {}\n")
    assert "EventFlux's HeartbeatMonitor and eventflux.transport.HeartbeatMonitor" in text
