"""docs/protocol.md against the code: every hex example both ways, every table of numbers and states."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import zstandard

from eventflux_runtime.protocol.core.event import (
    Event,
    GoAwayReceived,
    HalfClosed,
    HeadersReceived,
    MessageReceived,
    PongReceived,
    StatusReceived,
    StreamReset,
)
from eventflux_runtime.protocol.native.core import Connection, MethodEntry, Role, Settings, handshake, state
from eventflux_runtime.protocol.native.core import frame as frame_module
from eventflux_runtime.protocol.native.core.event import HelloReceived, MethodOpened
from eventflux_runtime.protocol.native.core.frame import frame_name
from eventflux_runtime.rpc.config import COMPRESSION_IDS
from eventflux_runtime.rpc.metadata import EMPTY_METADATA, Metadata
from eventflux_runtime.rpc.status import OK_STATUS, ErrorDetail, Status, StatusCode
from tests.support.core_pair import content, frame, write

PAGE: Final = (Path(__file__).resolve().parents[4] / "docs" / "protocol.md").read_text()
BLOCKS: Final = dict(re.findall(r"^```hex ([a-z-]+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
METHODS: Final = (
    MethodEntry("/demo.Clock/Now", 0x8899AABBCCDDEEFF),
    MethodEntry("/demo.Clock/Tick", 0x0123456789ABCDEF),
)


def example(name: str) -> bytes:
    """The bytes of a block: the hex pairs at the start of each line, up to the first word that is none."""
    data = bytearray()
    for line in BLOCKS[name].splitlines():
        pairs = re.match(r"(?:[0-9a-f]{2}(?: {1,2}|$))+", line)
        assert pairs, f"{name}: {line!r} does not start with bytes"
        data += bytes.fromhex(pairs[0])
    return bytes(data)


def connect() -> tuple[Connection, Connection]:
    """The client and the server of the examples, before they have sent anything."""
    client = Connection(Role.CLIENT, Settings(has_protobuf=True, compressions=(3, 1)), now=0.0)
    server = Connection(Role.SERVER, Settings(has_protobuf=True, compressions=(3, 4)), METHODS, now=0.0)
    return client, server


def connected(opened: int = 0) -> tuple[Connection, Connection]:
    """The same past the handshake, with this many streaming calls open."""
    client, server = connect()
    server.receive_data(example("client-hello"), 0.0)
    client.receive_data(example("server-hello"), 0.0)
    client.data_to_send()
    server.data_to_send()
    for _ in range(opened):
        client.open(1, -1, EMPTY_METADATA, None, None, False)
    server.receive_data(client.data_to_send(), 0.0)
    return client, server


def single(events: list[Event]) -> Any:
    """The only event of a list."""
    (event,) = events
    return event


def client_hello() -> None:
    client, server = connect()
    assert client.data_to_send() == example("client-hello")
    event = single(server.receive_data(example("client-hello"), 0.0))
    assert isinstance(event, HelloReceived)
    assert event.settings.max_message_bytes == 64 * 1024 * 1024
    assert event.settings.max_streams == 0
    assert event.settings.stream_window == 1024 * 1024
    assert event.settings.min_ping_interval_s == 0.1
    assert event.settings.has_protobuf
    assert event.settings.compressions == (3, 1)
    assert event.settings.choose_compression((4, 3, 1)) == 3
    assert event.settings.choose_compression((4,)) == 0


def server_hello() -> None:
    client, server = connect()
    assert not server.has_output, "a server lets the client speak first"
    server.receive_data(example("client-hello"), 0.0)
    assert server.data_to_send() == example("server-hello")
    event = single(client.receive_data(example("server-hello"), 0.0))
    assert event.settings.methods == METHODS
    assert event.settings.max_streams == 1000
    assert event.settings.find_method("/demo.Clock/Tick") == 1
    assert event.settings.find_method("/demo.Clock/Tock") == -1


def ping() -> None:
    client, server = connected()
    client.ping(bytes(range(1, 9)))
    assert client.data_to_send() == example("ping")
    assert server.receive_data(example("ping"), 0.0) == []


def pong() -> None:
    client, server = connected()
    server.receive_data(example("ping"), 0.0)
    assert server.data_to_send() == example("pong")
    event = single(client.receive_data(example("pong"), 0.0))
    assert isinstance(event, PongReceived)
    assert event.payload == bytes(range(1, 9))


def goaway() -> None:
    client, server = connected(opened=9)
    server.go_away(StatusCode.OK, "server drains.")
    assert server.data_to_send() == example("goaway")
    client.open(1, -1, EMPTY_METADATA, None, None, False)
    event = single(client.receive_data(example("goaway"), 0.0))
    assert isinstance(event, GoAwayReceived)
    assert (event.last_stream_id, event.code, event.reason) == (9, StatusCode.OK, "server drains.")
    assert event.unprocessed == (10,)


def unary_open() -> None:
    client, server = connected()
    metadata = Metadata([("trace-id", "42"), ("span-bin", b"\x00\xff")])
    assert client.open(0, 1_500_000, metadata, b"hi", write) == 1
    assert client.data_to_send() == example("unary-open")
    event = single(server.receive_data(example("unary-open"), 0.0))
    assert isinstance(event, MethodOpened)
    assert (event.stream_id, event.method_id, event.timeout_us) == (1, 0, 1_500_000)
    assert event.metadata == metadata
    assert content(event) == b"hi"
    assert event.has_message
    assert event.end_stream
    assert not event.protobuf


def unary_status() -> None:
    client, server = connected(opened=1)
    assert server.send_status(1, OK_STATUS, b"hello", write)
    assert server.data_to_send() == example("unary-status")
    event = single(client.receive_data(example("unary-status"), 0.0))
    assert isinstance(event, StatusReceived)
    assert event.status == OK_STATUS
    assert event.has_message
    assert content(event) == b"hello"


def unary_open_empty() -> None:
    client, server = connected(opened=1)
    client.open(1, -1, EMPTY_METADATA, b"", write, True, True)
    assert client.data_to_send() == example("unary-open-empty")
    event = single(server.receive_data(example("unary-open-empty"), 0.0))
    assert (event.method_id, event.timeout_us, event.protobuf) == (1, -1, True)
    assert event.has_message
    assert content(event) == b""


def unary_error() -> None:
    client, server = connected(opened=2)
    trailers = Metadata([("retry", "in 10 min.")])
    status = Status(StatusCode.NOT_FOUND, "no clock", (ErrorDetail("x/y", b"\x08\x01"),), trailers)
    assert server.send_status(2, status)
    assert server.data_to_send() == example("unary-error")
    event = single(client.receive_data(example("unary-error"), 0.0))
    assert event.status == status
    assert not event.has_message


def stream_open() -> None:
    client, server = connected(opened=2)
    client.open(1, 0, EMPTY_METADATA, None, None, False)
    assert client.data_to_send() == example("stream-open")
    event = single(server.receive_data(example("stream-open"), 0.0))
    assert (event.stream_id, event.timeout_us, event.has_message, event.end_stream) == (3, 0, False, False)


def headers() -> None:
    client, server = connected(opened=3)
    server.send_headers(3, Metadata([("a", "b c")]))
    assert server.data_to_send() == example("headers")
    event = single(client.receive_data(example("headers"), 0.0))
    assert isinstance(event, HeadersReceived)
    assert event.metadata == Metadata([("a", "b c")])


def message() -> None:
    client, server = connected(opened=3)
    assert client.send_message(3, b"one", write)
    assert client.data_to_send() == example("message")
    event = single(server.receive_data(example("message"), 0.0))
    assert isinstance(event, MessageReceived)
    assert content(event) == b"one"
    assert not event.end_stream


def compressed() -> None:
    client, server = connected(opened=3)
    event = single(server.receive_data(example("compressed"), 0.0))
    assert event.compression_id == 3
    assert event.end_stream
    assert zstandard.decompress(content(event)) == b"tick"
    client.send_message(3, content(event), write, True, 3)
    assert client.data_to_send() == example("compressed")


def response_parts() -> None:
    client, server = connected(opened=3)
    first, last = example("response-parts")[:14], example("response-parts")[14:]
    assert client.receive_data(first, 0.0) == []
    event = single(client.receive_data(last, 0.0))
    assert content(event) == b"abcdef"
    server._sender.frame_bytes = server._sender.backlog.frame_bytes = 4
    server.send_message(3, b"abcdef", write)
    assert server.data_to_send() == example("response-parts")


def stream_status() -> None:
    client, server = connected(opened=3)
    server.send_status(3, OK_STATUS)
    assert server.data_to_send() == example("stream-status")
    event = single(client.receive_data(example("stream-status"), 0.0))
    assert event.status == OK_STATUS
    assert not event.has_message


def half_close() -> None:
    client, server = connected(opened=3)
    client.half_close(client.open(1, -1, EMPTY_METADATA, None, None, False))
    assert client.data_to_send() == example("half-close")
    opened, ended = server.receive_data(example("half-close"), 0.0)
    assert isinstance(opened, MethodOpened)
    assert isinstance(ended, HalfClosed)
    assert opened.stream_id == ended.stream_id == 4


def reset() -> None:
    client, server = connected(opened=4)
    client.reset(4, StatusCode.CANCELLED, "bore")
    assert client.data_to_send() == example("reset")
    event = single(server.receive_data(example("reset"), 0.0))
    assert isinstance(event, StreamReset)
    assert (event.stream_id, event.code, event.reason) == (4, StatusCode.CANCELLED, "bore")
    assert not event.unprocessed
    assert not event.is_local


def credit() -> None:
    client, server = connected(opened=5)
    before = client._sender.backlog.credit
    assert client.receive_data(example("credit"), 0.0) == []
    assert client._sender.backlog.credit == before + 10_485_760
    assert client._link.streams[5].send_credit == 1024 * 1024 + 524_288
    server._link.output.credit(0, 10_485_760)
    server._link.output.credit(5, 524_288)
    assert server.data_to_send() == example("credit")


CHECKS: Final[dict[str, Callable[[], None]]] = {
    "client-hello": client_hello,
    "server-hello": server_hello,
    "ping": ping,
    "pong": pong,
    "goaway": goaway,
    "unary-open": unary_open,
    "unary-status": unary_status,
    "unary-open-empty": unary_open_empty,
    "unary-error": unary_error,
    "stream-open": stream_open,
    "headers": headers,
    "message": message,
    "compressed": compressed,
    "response-parts": response_parts,
    "stream-status": stream_status,
    "half-close": half_close,
    "reset": reset,
    "credit": credit,
}


def test_every_block_of_hex_has_a_check() -> None:
    assert set(BLOCKS) == set(CHECKS)
    assert PAGE.count("```hex") == len(BLOCKS)


@pytest.mark.parametrize("name", CHECKS)
def test_example(name: str) -> None:
    CHECKS[name]()


@pytest.mark.parametrize("name", CHECKS)
def test_annotations_name_the_frame_they_stand_beside(name: str) -> None:
    for line in BLOCKS[name].splitlines():
        header = re.match(r"((?:[0-9a-f]{2} ){4}) ([0-9a-f]{2})  ([0-9a-f]{2})  ((?:[0-9a-f]{2} ?){4}) +(.*)", line)
        if header is None:
            continue
        size = int.from_bytes(bytes.fromhex(header[1]), "little")
        stream_id = int.from_bytes(bytes.fromhex(header[4]), "little")
        text = header[5]
        assert text.startswith(f"{size} byte" if size else "no payload"), line
        assert f", {frame_name(int(header[2], 16))}," in text, line
        assert f"stream {stream_id}" in text, line
        flags = sum(
            getattr(frame_module, f"FLAG_{word}") for word in re.findall(r"[A-Z]+", " ".join(text.split(", ")[2:-1]))
        )
        assert flags == int(header[3], 16), line


def rows(*heading: str) -> list[list[str]]:
    """The rows of the table with this heading, a list of cells each."""
    lines = iter(PAGE.splitlines())
    for line in lines:
        if cells(line) == list(heading):
            next(lines)
            found: list[list[str]] = []
            for row in lines:
                if not row.startswith("|"):
                    return found
                found.append(cells(row))
    raise AssertionError(f"no table {heading}")


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def test_stream_states() -> None:
    names = ("client message", "client end", "server headers", "server message", "server status", "either reset")
    listed = {(old, event): new for old, event, new in rows("stream state", "event", "next state")}
    assert listed == {
        (state.stream_state_name(old), names[event]): state.stream_state_name(new)
        for old, moves in state.STREAM_TABLE.items()
        for event, new in moves.items()
    }


def test_connection_states() -> None:
    states = ("handshake", "ready", "draining", "ended")
    events = ("hello arrived", "goaway either way", "lost")
    listed = {(old, event): new for old, event, new in rows("connection state", "event", "next state")}
    assert listed == {
        (states[old], events[event]): states[new]
        for old, moves in state.CONNECTION_TABLE.items()
        for event, new in moves.items()
    }


def test_frame_types() -> None:
    listed = {int(row[0]): row[1] for row in rows("type", "frame", "sent by", "stream", "payload")}
    assert listed == {kind: frame_name(kind) for kind in range(1, frame_module.GOAWAY + 1)}


def test_flags() -> None:
    listed = {f"FLAG_{row[0]}": int(row[1], 16) for row in rows("flag", "value", "frames", "meaning")}
    assert listed == {name: value for name, value in vars(frame_module).items() if name.startswith("FLAG_")}


def test_settings() -> None:
    table = rows("key", "setting", "unit", "default", "least")
    assert {int(row[0]): int(row[3]) for row in table} == handshake.DEFAULTS
    least = {row[1].strip("`"): int(row[4]) for row in table}
    assert least["max_frame_bytes"] == frame_module.MIN_FRAME_BYTES
    assert least["initial_stream_window"] == least["initial_connection_window"] == frame_module.MIN_WINDOW


def test_compressions() -> None:
    ids = {row[0].partition(",")[0]: int(row[1]) for row in rows("compression", "id")}
    assert ids == {
        {"zstd": "Zstandard", "snappy": "Snappy", "lz4": "LZ4"}.get(c.value, c.value): n
        for c, n in COMPRESSION_IDS.items()
    }


def test_fingerprint_example() -> None:
    text = re.findall(r"^```text fingerprint\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[0]
    digest = hashlib.sha256(text.encode()).digest()
    assert f"0x{int.from_bytes(digest[:8], 'big'):016x}" in PAGE


def test_figures_in_the_text() -> None:
    defaults = Settings()
    assert f"{frame_module.MAX_HELLO_BYTES:,} bytes, {frame_module.MAX_METHODS:,} methods" in PAGE
    assert f"{defaults.max_resets_per_s:,} per second" in PAGE
    assert f"{defaults.max_reply_bytes:,} bytes" in PAGE
    assert f"{defaults.handshake_timeout_s:g} s unless configured" in PAGE
    assert frame_module.FRAME_COST == 64
    assert frame_module.RESERVE_DIVISOR == 4
    assert frame_module.CREDIT_CEILING == 2**40
    assert f"{int.from_bytes(frame_module.PREFACE, 'big'):,}" in PAGE
    assert frame(frame_module.PING, 0, 0, bytes(8))[:10] == example("ping")[:10]
