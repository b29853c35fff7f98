"""The ``peer`` section of the options: what it refuses, each in one line with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventflux_codegen import GenerationError, generate
from tests.support.nodes import ROOT

PROTO = (ROOT / "idl/transport.proto").read_text()
CONFIG = (ROOT / "idl/transport.yaml").read_text()


def failure(tmp_path: Path, config: str, proto: str = PROTO) -> str:
    """What the generator says of a changed EventFlux IDL; its place without the directory."""
    (tmp_path / "transport.proto").write_text(proto)
    (tmp_path / "transport.yaml").write_text(config.replace("output: ../generated/", "output: "))
    with pytest.raises(GenerationError) as caught:
        generate(tmp_path / "transport.yaml")
    return str(caught.value).replace(f"{tmp_path}/", "")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("message: TransportMessage", "message: TransportMesage", "did you mean 'TransportMessage'?"),
        ("layout: eventflux", "layout: event", "TransportMessage has no layout 'event': did you mean 'eventflux'?"),
        ("service: Transport", "service: Transit", "no service is named 'Transit'"),
        ("send: SendMessage", "send: SendMesage", "no method is named 'SendMesage': did you mean 'SendMessage'?"),
        ("send: SendMessage", "send: StreamMessages", "StreamMessages is bidi, TransportMessage to TransportMessage"),
        ("send: SendMessage", "send: Heartbeat", "a unary method from TransportMessage to TransportMessage is needed"),
        ("  heartbeat: Heartbeat", "  heartbeet: Heartbeat", "did you mean 'heartbeat'?"),
        ("optional: [payload]", "optional: [payloads]", "no field is named 'payloads': did you mean 'payload'?"),
        ("optional: [payload]", "optional: [headers]", "headers is not a single scalar"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in CONFIG
    head, _, tail = CONFIG.rpartition(old)
    text = failure(tmp_path, head + new + tail)
    assert message in text
    assert "\n" not in text
    line = (head + new).count("\n") + 1
    assert text.startswith(f"transport.yaml:{line}: ")


def test_an_idl_without_a_field_of_eventflux_is_refused(tmp_path: Path) -> None:
    proto = PROTO.replace("server_node_id = 2", "server_name = 2")
    assert proto != PROTO
    assert "HeartbeatResponse has no field 'server_node_id'" in failure(tmp_path, CONFIG, proto)


def test_a_message_with_a_name_of_eventflux_is_refused(tmp_path: Path) -> None:
    text = failure(tmp_path, CONFIG, PROTO + "\nmessage Listener {}\n")
    assert "EventFlux's Listener and eventflux.transport.Listener" in text
