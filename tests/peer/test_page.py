"""docs/eventflux.md: its program runs, its frame is ours, and no field of a configuration is left out."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys

import pytest

from eventflux_transport import GrpcTransportConfig, Message, MessageType, TcpTransportConfig
from tests.support.nodes import ROOT, body_of, frame

PAGE = (ROOT / "docs/eventflux.md").read_text()


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def test_the_program_runs_on_either_transport() -> None:
    for program in (block("python"), block("python").replace('create("tcp")', 'create("grpc")')):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
        assert (done.stdout, done.stderr) == ("EVENT reading\n", "")


def test_the_frame_is_ours() -> None:
    # Two spaces part the bytes from what they mean.
    without_meanings = re.sub(r" {2,}[a-zA-Z0-9]+( [a-z]+)*$", "", block("text"), flags=re.MULTILINE)
    digits = "".join(re.findall(r"\b(?:[0-9a-f]{2})+\b", without_meanings))
    message = Message(id="7", message_type=MessageType.QUERY, payload=b"\xff", headers={"k": "v"})
    assert bytes.fromhex(digits) == frame(body_of(message))


def test_every_field_of_a_configuration_is_explained() -> None:
    for config, prefix in ((TcpTransportConfig, ""), (GrpcTransportConfig, "http2_keep_alive")):
        for field in dataclasses.fields(config):
            name = re.sub(f"^{prefix}(?=_.*_secs)", "..", field.name) if prefix else field.name
            assert f"`{field.name}`" in PAGE or f"`{name}`" in PAGE, field.name


PUBLIC = [
    "Connection",
    "ConnectionState",
    "DistributedError",
    "DistributedResult",
    "GrpcConnection",
    "GrpcListener",
    "GrpcTlsConfig",
    "GrpcTransport",
    "GrpcTransportConfig",
    "GrpcTransportService",
    "Listener",
    "Message",
    "MessageType",
    "SimpleGrpcConfig",
    "SimpleGrpcTransport",
    "TcpTransport",
    "TcpTransportConfig",
    "Transport",
    "TransportClient",
    "TransportFactory",
    "accept",
    "close",
    "connect",
    "create",
    "create_grpc",
    "create_grpc_with_config",
    "create_tcp_with_config",
    "event",
    "from_proto_message",
    "handle_heartbeat",
    "handle_send_message",
    "heartbeat",
    "listen",
    "local_addr",
    "new",
    "receive",
    "send",
    "send_message",
    "to_proto_message",
    "with_config",
    "with_header",
]
"""What is public in EventFlux's transports: its types, and their functions."""


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_of_eventflux_is_in_the_table(name: str) -> None:
    table = PAGE.partition("## From Rust to Python")[2].partition("## Errors")[0]
    rust = "\n".join(row.split(" | ")[0] for row in table.splitlines() if row.startswith("| "))
    assert re.search(rf"\b{name}\b", rust)
